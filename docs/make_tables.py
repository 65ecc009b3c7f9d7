"""Write the tables of parameters and presets in the docs from their one definition in code.

Run ``python docs/make_tables.py`` after a change in settings.py or presets.py; ``--check`` only says whether
the docs are up to date (a test does that).
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_sam2_automask.settings.amg import AmgSettings, FieldInfo
from napari_sam2_automask.settings.fields import GROUPS
from napari_sam2_automask.settings.presets import PRESETS

PAGE = Path(__file__).parent / "parameters.md"


def shown(value: object) -> str:
    """Return a value as the table shows it."""
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


def parameter_row(info: FieldInfo) -> str:
    """Return one parameter's row of the table."""
    return (
        f"| `{info.name}` | {info.title} | {shown(info.default)} | {info.range_text or '-'} | {info.help} |"
    )


def parameter_table() -> str:
    """Return all parameters, a table for each group."""
    parts = []
    for group, title in GROUPS.items():
        rows = [parameter_row(info) for info in AmgSettings.fields() if info.group == group]
        parts += [
            f"### {title}",
            "",
            "| name | title | default | range | what it does |",
            "|---|---|---|---|---|",
        ]
        parts += [*rows, ""]
    return "\n".join(parts).rstrip()


def preset_table() -> str:
    """Return where each preset departs from SAM 2's defaults, for each family of models."""
    rows = [
        "| preset | for | encoder passes | point prompts | departs from SAM 2's defaults in |",
        "|---|---|---|---|---|",
    ]
    defaults = AmgSettings().to_json()
    for preset in PRESETS.values():
        for family, label in (("sam2", "SAM 2.1"), ("bundled", "bundled")):
            settings = preset.for_model(family)
            changes = [f"{k}={shown(v)}" for k, v in settings.to_json().items() if v != defaults[k]]
            rows.append(
                f"| {preset.title} | {label} | {' | '.join(settings.cost_words)} "
                f"| {', '.join(changes) or 'nothing'} |"
            )
    purposes = [f"- **{preset.title}** (`{preset.name}`): {preset.purpose}" for preset in PRESETS.values()]
    return "\n".join([*purposes, "", *rows])


def updated(page: str) -> str:
    """Return the page with the text between its markers made anew."""
    for name, table in (("parameters", parameter_table()), ("presets", preset_table())):
        start, end = f"<!-- {name}: made by make_tables.py -->", f"<!-- end of {name} -->"
        head, rest = page.split(start)
        _, tail = rest.split(end)
        page = f"{head}{start}\n{table}\n{end}{tail}"
    return page


def main() -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    old = PAGE.read_text(encoding="utf-8")
    new = updated(old)
    if "--check" in sys.argv[1:]:
        if old != new:
            print(f"{PAGE.name} is out of date: run python docs/make_tables.py", file=sys.stderr)
        return int(old != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

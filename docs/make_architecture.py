"""Write the generated parts of docs/architecture.md and its drawings from the imports in src/.

    python docs/make_architecture.py [--check]

Prints the figures, too; what a room, a floor and an arrow are says rooms.py. ``--check`` writes nothing, and
exits with 1 if anything is out of date (a test does that).
"""

from __future__ import annotations

import re
import sys
import tomllib
from typing import TYPE_CHECKING

from room_drawing import draw
from room_layout import essential
from rooms import PACKAGE, ROOT, WIDGET, House, files_of, look_at, read_imports

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = ROOT / "docs" / "architecture.md"
DRAWINGS = {PACKAGE: "architecture.svg", WIDGET: "architecture_napari.svg"}
#: The steps of the flow, by the room that each has its name from, and the engine of the first.
STEPS = {"proposal": "propose", "engine": "propose", "selection": "select", "painting": "paint"}


def drawing(house: House) -> str:
    """Return the drawing of a house."""
    shown = essential(house.arrows)
    left_out = len(house.arrows) - len(shown)
    note = f"An arrow means imports. {left_out} more, to rooms that these lead to anyway, are not drawn."
    steps = STEPS if house.package == PACKAGE else {}
    words = {room: text.replace("`", "") for room, text in house.words.items()}
    return draw(house.floors, shown, words, steps, note)


def figures(house: House) -> str:
    """Return rooms, floors, arrows, circles and what runs up, in a line."""
    return (
        f"{len(house.floors)} rooms on {max(house.floors.values())} floors, {len(house.arrows)} arrows; "
        f"circles between modules: {len(house.circles)}; imports that run up: {len(house.rising)}"
    )


def rooms_table(house: House, page: str) -> str:
    """Return a row for each room, from the top floor to the lowest; `page` is the page as it was."""
    rows = ["| floor | room | what it is | lines, about |", "|---:|---|---|---:|"]
    for floor in range(max(house.floors.values()), 0, -1):
        for room in house.on_floor(floor):
            path = files_of(house.package, room)[0]
            shown = path.parent if path.name == "__init__.py" else path
            link = f"[`{shown.name}{'/' if shown.is_dir() else ''}`](../{shown.relative_to(ROOT).as_posix()})"
            told = re.search(rf"\| {re.escape(link)} \|.*\| ([\d,]+) \|$", page, flags=re.MULTILINE)
            before = int(told[1].replace(",", "")) if told else 0
            rows.append(f"| {floor} | {link} | {house.words[room]} | {_about(house.lines[room], before):,} |")
    return "\n".join(rows)


def _about(lines: int, before: int) -> int:
    """Return a number to two digits; what was said before, if that is right to a tenth.

    So the page does not change with every line of code.
    """
    step = 10 ** max(len(str(lines)) - 2, 0)
    return before if abs(lines - before) <= lines / 10 else round(lines / step) * step


def contracts() -> str:
    """Return the names of import-linter's contracts in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return "\n".join(f"- {contract['name']}." for contract in project["tool"]["importlinter"]["contracts"])


def updated(page: str, houses: Mapping[str, House]) -> str:
    """Return the page with the text between its markers made anew."""
    core, widget = houses[PACKAGE], houses[WIDGET]
    parts = {
        "figures": f"{figures(core)}.",
        "rooms": rooms_table(core, page),
        "contracts": contracts(),
        "widget figures": f"{figures(widget)}.",
        "widget rooms": rooms_table(widget, page),
    }
    for name, text in parts.items():
        start, end = f"<!-- {name}: made by make_architecture.py -->", f"<!-- end of {name} -->"
        head, rest = page.split(start)
        _, tail = rest.split(end)
        page = f"{head}{start}\n{text}\n{end}{tail}"
    return page


def report(house: House) -> str:
    """Return the figures of a house and of its rooms, and what is wrong with it."""
    out = [f"{house.package}: {figures(house)}"]
    for floor in range(max(house.floors.values()), 0, -1):
        rooms = (f"{room} ({house.modules[room]}: {house.lines[room]:,})" for room in house.on_floor(floor))
        out.append(f"{floor:4}  {'  '.join(rooms)}")
    out += [f"runs up: {line}" for line in house.rising]
    out += [f"circle: {', '.join(sorted(circle))}" for circle in house.circles]
    return "\n".join(out)


def main() -> int:
    """Write page and drawings, or with ``--check`` say whether they are up to date."""
    imports = read_imports()
    houses = {package: look_at(package, imports) for package in DRAWINGS}
    wanted = {PAGE: updated(PAGE.read_text(encoding="utf-8"), houses)}
    wanted |= {PAGE.parent / "images" / name: drawing(houses[package]) for package, name in DRAWINGS.items()}
    print("\n".join(report(house) for house in houses.values()))
    print("(floor, then rooms with their modules and lines)")
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} is out of date: run python docs/make_architecture.py",
                file=sys.stderr,
            )
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

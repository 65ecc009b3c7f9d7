"""The parts of the page as HTML; every text in them is escaped."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.report.charts import number
from napari_sam2_automask.report.collecting import picture_of
from napari_sam2_automask.report.numbers import ENOUGH, FENCE, all_measures, fences, median_area
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_automask.report.collecting import Result

__all__ = ["card", "failures", "outliers", "settings_of", "summary", "versions"]

#: Results that are named over settings that they share, and characters of a setting that are shown.
_NAMED, _LONGEST = 20, 400


def summary(results: Sequence[Result], odd: dict[str, list[str]]) -> str:
    """Return a row for each result: objects, their median area, and in what it differs from the others."""
    rows = [
        f"<tr><td>{escape(one.stem)}</td><td class='n'>{len(one.table):,}</td>"
        f"<td class='n'>{number(median_area(one))}</td>"
        f"<td class='out'>{escape(', '.join(odd.get(one.stem, [])))}</td></tr>"
        for one in results
    ]
    head = "<tr><th>image</th><th class='n'>objects</th><th class='n'>median area, pixels</th><th></th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def card(result: Result, pictured: bool, odd: dict[str, list[str]]) -> str:
    """Return a result with its picture, if it is to have one."""
    png, note = picture_of(result) if pictured else (b"", "no picture: there are too many results")
    data, name = base64.b64encode(png).decode(), escape(result.stem, quote=True)
    shown = f"<img alt='outlines of {name}' src='data:image/png;base64,{data}'>" if png else ""
    out = "".join(f"<div class='out'>{escape(one)}</div>" for one in odd.get(result.stem, []))
    return (
        f"<div class='card'>{shown}<b>{escape(result.stem)}</b><div>{len(result.table):,} objects</div>{out}"
        f"<div class='note'>{escape(note)}</div></div>"
    )


def failures(wrong: dict[str, str]) -> str:
    """Return what could not be read, and why."""
    if not wrong:
        return ""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(why)}</td></tr>" for name, why in wrong.items())
    return f"<h2>Not read</h2><table>{rows}</table>"


def outliers(results: Sequence[Result], odd: dict[str, list[str]]) -> str:
    """Return images that differ from the others, and how many objects lie far outside of the others."""
    images = "".join(
        f"<tr><td>{escape(stem)}</td><td>{escape(', '.join(what))}</td></tr>" for stem, what in odd.items()
    )
    rows = []
    for name, values in all_measures(results).items():
        low, high = fences(values)
        below, above = int((values < low).sum()), int((values > high).sum())
        if below or above:
            rows.append(
                f"<tr><td>{escape(name)}</td><td class='n'>{below:,}</td><td class='n'>{above:,}</td>"
                f"<td class='n'>{number(low)}</td><td class='n'>{number(high)}</td></tr>"
            )
    told = f"<table>{images}</table>" if images else "<p>No image differs from the others.</p>"
    if rows:
        titles = "".join(f"<th class='n'>{title}</th>" for title in ("below", "above", "from", "to"))
        head = f"<tr><th>measure</th>{titles}</tr>"
        told += f"<table>{head}{''.join(rows)}</table>"
    return told + (
        f"<p class='note'>Outside of the middle half of the values by more than {FENCE:g} times its width; "
        f"from {ENOUGH} values on.</p>"
    )


def settings_of(results: Sequence[Result]) -> str:
    """Return the settings that differ from the defaults, once for all results that share them."""
    groups: dict[str, list[Result]] = {}
    for one in results:
        record = one.record.each_plane[0]
        model = record.model.name if record.model is not None else None
        key = json.dumps([model, record.preset, record.settings.to_json()], sort_keys=True)
        groups.setdefault(key, []).append(one)
    defaults, parts = AmgSettings().to_json(), []
    for key, members in groups.items():
        model, preset, settings = json.loads(key)
        changed = {name: value for name, value in settings.items() if value != _plain(defaults[name])}
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(_shown(value))}</td></tr>"
            for name, value in changed.items()
        )
        stems = ", ".join(one.stem for one in members[:_NAMED]) + (" ..." if len(members) > _NAMED else "")
        named = "" if len(groups) == 1 else f"<p>{escape(stems)}</p>"
        every = escape(json.dumps(settings, indent=1))
        parts.append(
            f"{named}<p>model {escape(str(model))}, preset {escape(str(preset))}</p><table>{rows}</table>"
            f"<details><summary>all settings</summary><pre>{every}</pre></details>"
        )
    return "".join(parts)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < _LONGEST else text[:_LONGEST] + " ..."


def versions(results: Sequence[Result]) -> str:
    """Return every version that made a result, and the machines."""
    found: dict[str, dict[str, None]] = {}
    for one in results:
        record = one.record
        known: dict[str, str | None] = dict(record.packages or {})
        known |= {"Python": record.python, "platform": record.platform, "threads": str(record.threads or "")}
        if record.model is not None:
            known |= {"device": record.model.device_description, "model sha256": record.model.sha256}
        for name, version in known.items():
            if version:
                found.setdefault(name, {})[version] = None
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(', '.join(versions))}</td></tr>"
        for name, versions in found.items()
    )
    return f"<table>{rows}</table>"

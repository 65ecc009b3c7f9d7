"""Draw rooms on their floors and the arrows between them as an SVG, for make_architecture.py."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING

from room_layout import ROOM, ordered, placed, way

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from room_layout import Place

#: Pixels: a box's width, its first line from its top, its other lines, what is between floors and around.
BOX, TITLE, LINE, GAP = ROOM - 16, 20, 13.5, 44
MARGIN, LEFT = 20, 30
#: What each kind of thing looks like: fill and stroke in light, then in dark.
COLOURS = {
    "page": ("#ffffff", "#d0d7de", "#0d1117", "#30363d"),
    "floor": ("#f6f8fa", "none", "#151b23", "none"),
    "room": ("#ffffff", "#8c959f", "#21262d", "#6e7681"),
    "propose": ("#ddf4ff", "#0969da", "#0c2d6b", "#58a6ff"),
    "select": ("#fff1d6", "#bc6a00", "#4b2900", "#e3a03a"),
    "paint": ("#dafbe1", "#1a7f37", "#04361c", "#3fb950"),
    "arrow": ("none", "#7a8591", "none", "#8b949e"),
    "head": ("#7a8591", "none", "#8b949e", "none"),
    "name": ("#1f2328", "none", "#f0f6fc", "none"),
    "words": ("#59636e", "none", "#b1bac4", "none"),
}


def draw(
    floors: Mapping[str, int],
    arrows: Iterable[tuple[str, str]],
    words: Mapping[str, str],
    kinds: Mapping[str, str],
    note: str,
) -> str:
    """Return the drawing.

    Parameters
    ----------
    floors : mapping of str to int
        The floor of each room, 1 for the lowest.
    arrows : iterable of (str, str)
        Which room imports which; each leads to a lower floor.
    words : mapping of str to str
        What each room is, in a sentence.
    kinds : mapping of str to str
        Rooms that are a step of the flow: ``"propose"``, ``"select"`` or ``"paint"``.
    note : str
        A line below the drawing.

    Returns
    -------
    str
        The text of an SVG file. It has colours for a light and for a dark page.
    """
    arrows = sorted(arrows)
    rows = ordered(floors, arrows)
    x = {p: LEFT + middle for p, middle in placed(rows, arrows).items()}
    text = {room: textwrap.wrap(words[room], 30) for room in floors}
    heights = [TITLE + LINE * max(len(text[p]) for p in row if isinstance(p, str)) + 13 for row in rows]
    tops = [MARGIN + sum(heights[:k]) + GAP * k for k in range(len(rows))]
    width = round(max(x.values()) + BOX / 2 + 2 * MARGIN)
    height = tops[-1] + heights[-1] + 46
    where = {p: (tops[k], tops[k] + heights[k]) for k, row in enumerate(rows) for p in row}
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">',
        _dark_style(),
        _rectangle("page", 0.5, 0.5, width - 1, height - 1, 8),
    ]
    for k, (top, tall) in enumerate(zip(tops, heights, strict=True)):
        out.append(_rectangle("floor", 8, top - 8, width - 16, tall + 16, 6))
        out.append(_words("words", 18, top + tall / 2 + 4, str(len(rows) - k), 12))
    for points in _ways(arrows, rows, x, where):
        out += _arrow(points)
    for room in sorted(floors):
        out += _box(room, x[room], where[room], text[room], kinds.get(room, "room"))
    out.append(_words("words", LEFT + 6, height - 16, note, 12, "start"))
    return "\n".join([*out, "</svg>", ""])


def _ways(
    arrows: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Place]],
    x: Mapping[Place, float],
    where: Mapping[Place, tuple[float, float]],
) -> list[list[tuple[float, float]]]:
    """Return the points of each arrow; those that share a side of a room stand beside each other on it."""
    ways = {arrow: way(arrow, rows) for arrow in arrows}

    def port(room: str, arrow: tuple[str, str], end: int) -> float:
        mates = sorted((a for a in arrows if a[end] == room), key=lambda a: x[ways[a][1 if end == 0 else -2]])
        step = min(24.0, (BOX - 30) / len(mates))
        return x[room] + step * (mates.index(arrow) - (len(mates) - 1) / 2)

    out = []
    for arrow, (start, *passed, end) in ways.items():
        points = [(port(arrow[0], arrow, 0), where[start][1])]
        for p in passed:
            points += [(x[p], where[p][0]), (x[p], where[p][1])]
        out.append([*points, (port(arrow[1], arrow, 1), where[end][0])])
    return out


def _arrow(points: Sequence[tuple[float, float]]) -> list[str]:
    (x, y), (end, tip) = points[0], points[-1]
    path = f"M{x:.0f} {y:.0f}"
    # Between two floors a curve, across a floor a straight line; the head covers the end.
    for k, (x2, y2) in enumerate([*points[1:-1], (end, tip - 6)]):
        half = (y + y2) / 2
        path += f"C{x:.0f} {half:.0f} {x2:.0f} {half:.0f} {x2:.0f} {y2:.0f}" if k % 2 == 0 else f"V{y2:.0f}"
        x, y = x2, y2
    head = f"M{end:.0f} {tip:.0f}l-4 -8h8z"
    return [f'<path {_look("arrow")} stroke-width="1.4" d="{path}"/>', f'<path {_look("head")} d="{head}"/>']


def _box(room: str, middle: float, where: tuple[float, float], text: Sequence[str], kind: str) -> list[str]:
    left, (top, bottom) = middle - BOX / 2, where
    lines = [_words("words", middle, top + TITLE + 15 + LINE * k, line, 10.5) for k, line in enumerate(text)]
    return [
        _rectangle(kind, left, top, BOX, bottom - top, 6, 1.5),
        _words("name", middle, top + TITLE, room if kind == "room" else f"{room} · {kind}", 13.5),
        *lines,
    ]


def _rectangle(
    kind: str, x: float, y: float, width: float, height: float, radius: float, line: float = 1
) -> str:
    return (
        f'<rect {_look(kind)} stroke-width="{line:g}" x="{x:g}" y="{y:g}" width="{width:g}" '
        f'height="{height:g}" rx="{radius:g}"/>'
    )


def _words(kind: str, x: float, y: float, text: str, size: float, anchor: str = "middle") -> str:
    weight = ' font-weight="bold"' if kind == "name" else ""
    return (
        f'<text {_look(kind)} x="{x:.0f}" y="{y:.0f}" font-size="{size:g}"{weight} '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _look(kind: str) -> str:
    """Return the light colours as attributes, which every program knows that shows an SVG."""
    fill, stroke, *_ = COLOURS[kind]
    return f'class="{kind}" fill="{fill}" stroke="{stroke}"'


def _dark_style() -> str:
    rules = "".join(f".{k}{{fill:{fill};stroke:{stroke}}}" for k, (_, _, fill, stroke) in COLOURS.items())
    return f"<style>@media(prefers-color-scheme:dark){{{rules}}}</style>"

"""Rooms, floors, arrows, circles and imports that run up, read from the imports in src/.

A room is a folder or a file directly in a package, and an arrow leads from a room to one that it imports;
imports under TYPE_CHECKING count. A floor lies above all that its rooms import. Where rooms import each other
in a circle, the arrow of the fewest imports runs up. Needs grimp, which import-linter brings.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grimp

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
PACKAGE = "napari_sam2_automask"
WIDGET = f"{PACKAGE}._napari"


@dataclass(frozen=True, slots=True)
class House:
    """What the imports say about the rooms of a package.

    Attributes
    ----------
    package : str
        The package's full name; rooms are called without it.
    floors : dict of str to int
        The floor of each room, 1 for the lowest.
    arrows : dict of (str, str) to int
        How many imports from one room to another there are, those that run up left out.
    rising : tuple of str
        Imports that run up, as ``"module -> module"``.
    circles : tuple of frozenset of str
        Modules that import each other in a circle, inside a room or across rooms.
    lines, modules : dict of str to int
        Lines and modules of each room.
    words : dict of str to str
        What each room is: the first line of its docstring.
    """

    package: str
    floors: dict[str, int]
    arrows: dict[tuple[str, str], int]
    rising: tuple[str, ...]
    circles: tuple[frozenset[str], ...]
    lines: dict[str, int]
    modules: dict[str, int]
    words: dict[str, str]

    def on_floor(self, floor: int) -> list[str]:
        """Return the rooms of a floor."""
        return sorted(room for room, its in self.floors.items() if its == floor)


def read_imports() -> dict[str, set[str]]:
    """Return the modules of the package, and which each imports."""
    sys.path.insert(0, str(SRC))  # this checkout, whichever one is installed
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circles_in(imports: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Return the groups that import each other in a circle, each once."""
    reached = {start: _reached(imports, start) for start in imports}
    groups = {frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in imports if a in reached[a]}
    return sorted(groups, key=sorted)


def _reached(imports: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(imports.get(start, ()))
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += imports.get(one, ())
    return seen


def look_at(package: str, imports: Mapping[str, set[str]]) -> House:
    """Find the rooms of a package, their floors and the arrows between them."""
    inside = {m: m.removeprefix(f"{package}.").split(".")[0] for m in imports if m.startswith(f"{package}.")}
    crossing = [(a, b) for a in inside for b in imports[a] if b in inside and inside[a] != inside[b]]
    arrows, up = split_by_direction(Counter((inside[a], inside[b]) for a, b in crossing))
    rooms = sorted(set(inside.values()))
    files = {room: files_of(package, room) for room in rooms}
    return House(
        package=package,
        floors=floors_of(rooms, arrows),
        arrows=arrows,
        rising=tuple(sorted(f"{a} -> {b}" for a, b in crossing if (inside[a], inside[b]) in up)),
        circles=tuple(c for c in circles_in(imports) if any(m in inside for m in c)),
        lines={room: sum(len(_text(f).splitlines()) for f in files[room]) for room in rooms},
        modules={room: sum(f.suffix == ".py" for f in files[room]) for room in rooms},
        words={room: _first_line(files[room][0]) for room in rooms},
    )


def split_by_direction(
    arrows: Mapping[tuple[str, str], int],
) -> tuple[dict[tuple[str, str], int], set[tuple[str, str]]]:
    """Return the arrows that lead down, and those that run up.

    They are taken from the one of most imports to those of the fewest; one that closes a circle runs up.
    """
    down: dict[tuple[str, str], int] = {}
    up: set[tuple[str, str]] = set()
    below: dict[str, set[str]] = {}
    for a, b in sorted(arrows, key=lambda arrow: (-arrows[arrow], arrow)):
        if a in _reached(below, b):
            up.add((a, b))
        else:
            below.setdefault(a, set()).add(b)
            down[a, b] = arrows[a, b]
    return dict(sorted(down.items())), up


def floors_of(rooms: list[str], arrows: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return the floor of each room: one above the highest that it imports, 1 for the lowest."""
    floors: dict[str, int] = {}

    def floor(room: str) -> int:
        if room not in floors:
            floors[room] = 1 + max((floor(b) for a, b in arrows if a == room), default=0)
        return floors[room]

    return {room: floor(room) for room in rooms}


def files_of(package: str, room: str) -> list[Path]:
    """Return the files of a room, the one that says what it is first."""
    path = SRC.joinpath(*package.split("."), room)
    if not path.is_dir():
        return [path.with_suffix(".py")]
    return [
        path / "__init__.py",
        *sorted(f for f in path.rglob("*.py*") if f.suffix in (".py", ".pyi") and f != path / "__init__.py"),
    ]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(_text(path))) or "").partition("\n")[0]

"""Where rooms and the arrows between them go in a drawing, for room_drawing.py.

A layered drawing as of Sugiyama: the floors are given, an arrow that passes floors gets a place on each, the
places of a floor are put in an order with few crossings, and then as near to their neighbours as they fit.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: A room, or an arrow (from, to, floor) where it passes a floor.
Place = str | tuple[str, str, int]

#: Widths of a room with the gap beside it, and of the lane of an arrow that passes a floor.
ROOM, LANE = 196, 20


def essential(arrows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the arrows that no way over other arrows replaces (the transitive reduction), sorted."""
    arrows = sorted(arrows)
    below: dict[str, set[str]] = {a: {b for c, b in arrows if c == a} for a, _ in arrows}

    def reached(room: str) -> set[str]:
        return below.get(room, set()).union(*(reached(one) for one in below.get(room, ())))

    return [(a, b) for a, b in arrows if not any(b in reached(other) for other in below[a] - {b})]


def way(arrow: tuple[str, str], rows: Sequence[Sequence[Place]]) -> list[Place]:
    """Return the places that an arrow goes through, from its room to the other."""
    passed = (p for row in rows for p in row if isinstance(p, tuple) and p[:2] == arrow)
    return [arrow[0], *passed, arrow[1]]


def ordered(floors: Mapping[str, int], arrows: Sequence[tuple[str, str]]) -> list[list[Place]]:
    """Return the places of each floor, the highest floor first, in an order with few crossings."""
    rows: list[list[Place]] = [[] for _ in range(max(floors.values()))]
    for room in sorted(floors):
        rows[-floors[room]].append(room)
    for a, b in arrows:
        for floor in range(floors[b] + 1, floors[a]):
            rows[-floor].append((a, b, floor))
    near = _neighbours(rows, arrows)
    best, fewest = [list(row) for row in rows], _crossings(rows, near)
    for sweep in range(40):
        # Downwards by the floor above, then upwards by the floor below.
        for fixed, moved in pairwise(rows if sweep % 2 == 0 else rows[::-1]):
            _sort_by(fixed, moved, near)
        _swap_neighbours(rows, near)
        if (count := _crossings(rows, near)) < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _neighbours(
    rows: Sequence[Sequence[Place]], arrows: Sequence[tuple[str, str]]
) -> dict[Place, list[Place]]:
    near: dict[Place, list[Place]] = {p: [] for row in rows for p in row}
    for arrow in arrows:
        for p, q in pairwise(way(arrow, rows)):
            near[p].append(q)
            near[q].append(p)
    return near


def _sort_by(fixed: Sequence[Place], moved: list[Place], near: Mapping[Place, Sequence[Place]]) -> None:
    """Sort the places of a floor by where their neighbours on the floor beside it are on average."""
    at = {p: (i + 0.5) / len(fixed) for i, p in enumerate(fixed)}
    own = {p: (i + 0.5) / len(moved) for i, p in enumerate(moved)}

    def average(place: Place) -> float:
        found = [at[q] for q in near[place] if q in at]
        return sum(found) / len(found) if found else own[place]

    moved.sort(key=average)


def _crossings(rows: Sequence[Sequence[Place]], near: Mapping[Place, Sequence[Place]]) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        at = {p: i for i, p in enumerate(lower)}
        lines = [(i, at[q]) for i, p in enumerate(upper) for q in near[p] if q in at]
        count += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(lines, 2))
    return count


def _swap_neighbours(rows: list[list[Place]], near: Mapping[Place, Sequence[Place]]) -> None:
    """Swap places side by side as long as that saves crossings."""
    fewest, better = _crossings(rows, near), True
    while better:
        better = False
        for row in rows:
            for i in range(len(row) - 1):
                row[i], row[i + 1] = row[i + 1], row[i]
                if (count := _crossings(rows, near)) < fewest:
                    fewest, better = count, True
                else:
                    row[i], row[i + 1] = row[i + 1], row[i]


def placed(rows: Sequence[Sequence[Place]], arrows: Sequence[tuple[str, str]]) -> dict[Place, float]:
    """Return the middle of each place, 0 at the left edge, as near to its neighbours as others let it."""
    near = _neighbours(rows, arrows)
    half = {p: ROOM / 2 if isinstance(p, str) else LANE / 2 for row in rows for p in row}
    offsets = {}
    for row in rows:
        edge = 0.0
        for p in row:
            offsets[p] = edge + half[p]
            edge += 2 * half[p]
    x: dict[Place, float] = {}
    for row in rows:  # to begin with, in the middle
        shift = (offsets[row[-1]] + half[row[-1]]) / 2
        x.update({p: offsets[p] - shift for p in row})
    for _ in range(200):
        for row in [*rows, *rows[::-1]]:
            pulls = [_pull(p, near[p], x) for p in row]
            wanted = [(at - offsets[p], weight) for p, (at, weight) in zip(row, pulls, strict=True)]
            for p, value in zip(row, _never_falling(wanted), strict=True):
                x[p] = value + offsets[p]
    least = min(x[p] - half[p] for row in rows for p in row)
    return {p: value - least for p, value in x.items()}


def _pull(place: Place, near: Sequence[Place], x: Mapping[Place, float]) -> tuple[float, float]:
    """Return where a place is pulled to, and how hard: most in the middle of a long arrow, a bit inwards."""
    pulls = [(0.0, 0.6)]
    for other in near:
        long = isinstance(place, tuple) + isinstance(other, tuple)
        pulls.append((x[other], (1.0, 2.0, 40.0)[long]))
    weight = sum(w for _, w in pulls)
    return sum(at * w for at, w in pulls) / weight, weight


def _never_falling(wanted: Sequence[tuple[float, float]]) -> list[float]:
    """Return the nearest values (weighted least squares) to those wanted that never fall."""
    blocks: list[list[float]] = []  # value, weight, how many
    for value, weight in wanted:
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v, w, n), (u, m, k) = blocks.pop(), blocks.pop()
            blocks.append([(v * w + u * m) / (w + m), w + m, n + k])
    return [value for value, _, n in blocks for _ in range(int(n))]

"""Masks as polygons along the edges of their pixels, and back: nothing is lost either way.

Pixel (row, column) covers the square from x = column to column + 1 and from y = row to row + 1, as ImageJ and
QuPath have it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.geometry.placed import Placed, tight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ring = NDArray[np.int64]

__all__ = ["Polygon", "fill", "polygons"]

# Directions along edges, clockwise: right, down, left, up.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


class Polygon(NamedTuple):
    """A part of a mask whose pixels are joined by their edges.

    Attributes
    ----------
    outer : (N, 2) int64 array
        x, y of the corners of its outline, clockwise as it is seen, the first not repeated.
    holes : tuple of (M, 2) int64 arrays
        The same for each hole, counter-clockwise. No outline crosses itself or another; a hole may touch the
        outline, or another hole, in single points.
    """

    outer: Ring
    holes: tuple[Ring, ...]


def polygons(placed: Placed) -> tuple[Polygon, ...]:
    """Return the parts of a mask as polygons, in whole pixels of the image."""
    from scipy.ndimage import find_objects, label

    parts, count = label(placed.mask)
    found = []
    for number, (rows, columns) in enumerate(find_objects(parts, count), 1):
        rings = _rings(parts[rows, columns] == number)
        corner = (placed.x0 + columns.start, placed.y0 + rows.start)
        moved = [ring + corner for ring in rings]
        (outer,) = (ring for ring in moved if _doubled_area(ring) > 0)
        found.append(Polygon(outer, tuple(ring for ring in moved if _doubled_area(ring) < 0)))
    return tuple(found)


def _rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """Return the closed outlines of pixels that are joined by their edges, as corners x, y."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    rows, columns = mask.shape
    # Bit d of a corner: an edge leaves it in direction d, with the mask on its right.
    leaving = np.zeros((rows + 1, columns + 1), np.uint8)
    leaving[:-1, :-1] |= (inside & ~padded[:-2, 1:-1]).astype(np.uint8)
    leaving[:-1, 1:] |= (inside & ~padded[1:-1, 2:]).astype(np.uint8) << 1
    leaving[1:, 1:] |= (inside & ~padded[2:, 1:-1]).astype(np.uint8) << 2
    leaving[1:, :-1] |= (inside & ~padded[1:-1, :-2]).astype(np.uint8) << 3
    ys, xs = np.nonzero(leaving)
    left = {(x, y): int(leaving[y, x]) for y, x in zip(ys.tolist(), xs.tolist(), strict=True)}
    rings = []
    for start in list(left):
        while left[start]:
            rings += _simple(_walk(start, left))
    return [np.array(ring, np.int64) for ring in rings]


def _walk(start: tuple[int, int], left: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Walk along edges back to the start and return the corners; edges walked are taken away."""
    x, y = start
    bits = left[start]
    direction = (bits & -bits).bit_length() - 1
    first = direction
    corners = []
    turned = True
    while True:
        if turned:
            corners.append((x, y))
        left[x, y] &= ~(1 << direction)
        x, y = x + _STEPS[direction][0], y + _STEPS[direction][1]
        if (x, y) == start and not left[start] & ~(1 << first):
            break
        # To the right first: that stays at the pixel where two meet in a corner.
        before = direction
        direction = next(
            turn for turn in ((before + 1) % 4, before, (before + 3) % 4) if left[x, y] >> turn & 1
        )
        turned = direction != before
    # Where it began a straight edge may go on.
    if direction == first:
        corners.pop(0)
    return corners


def _simple(corners: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Cut a closed line into such as pass through no corner twice."""
    rings: list[list[tuple[int, int]]] = []
    line: list[tuple[int, int]] = []
    place: dict[tuple[int, int], int] = {}
    for corner in corners:
        if corner in place:
            at = place[corner]
            loop = line[at:]
            for one in loop[1:]:
                del place[one]
            del line[at + 1 :]
            rings.append(loop)
        else:
            place[corner] = len(line)
            line.append(corner)
    rings.append(line)
    return [ring for ring in rings if len(ring) > 3]


def _doubled_area(ring: Ring) -> int:
    """Return twice the area inside a ring, above 0 if it is walked clockwise as it is seen."""
    x, y = (ring - ring[0]).T
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def fill(rings: Sequence[NDArray[Any]], shape: tuple[int, int]) -> Placed | None:
    """Return the pixels whose centres lie inside an odd number of rings.

    Parameters
    ----------
    rings : sequence of (N, 2) arrays
        x, y of the corners of closed lines: outlines and holes in any order and direction.
    shape : (int, int)
        Rows and columns of the image; what lies outside of it is cut off.

    Returns
    -------
    Placed or None
        The mask; None if no pixel is inside.
    """
    starts = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
    ends = np.concatenate([np.roll(np.asarray(ring, np.float64), -1, axis=0) for ring in rings])
    rightwards = (starts[:, 0] <= ends[:, 0])[:, None]
    left, right = np.where(rightwards, starts, ends), np.where(rightwards, ends, starts)
    rows, columns = shape
    y0 = int(np.clip(np.floor(starts[:, 1].min()), 0, rows))
    y1 = int(np.clip(np.ceil(starts[:, 1].max()), 0, rows))
    x0 = int(np.clip(np.floor(left[:, 0].min()), 0, columns))
    x1 = int(np.clip(np.ceil(right[:, 0].max()), 0, columns))
    if y0 >= y1 or x0 >= x1:
        return None
    # Columns whose centres an edge crosses, its right end excluded.
    first = np.clip(np.ceil(left[:, 0] - 0.5), x0, x1).astype(np.int64)
    count = np.clip(np.ceil(right[:, 0] - 0.5), x0, x1).astype(np.int64) - first
    edges = np.repeat(np.arange(len(left)), count)
    column = np.arange(len(edges)) - np.repeat(np.cumsum(count) - count, count) + first[edges]
    along = right - left
    y = left[edges, 1] + along[edges, 1] * ((column + 0.5 - left[edges, 0]) / along[edges, 0])
    row = np.clip(np.ceil(y - 0.5), y0, y1).astype(np.int64) - y0
    crossed = np.zeros((y1 - y0 + 1, x1 - x0), np.uint8)
    np.add.at(crossed.reshape(-1), row * (x1 - x0) + (column - x0), np.uint8(1))
    crossed &= 1
    # Whole rows at a time, which is several times as quick as accumulate().
    for above, here in pairwise(crossed[:-1]):
        np.bitwise_xor(here, above, out=here)
    mask = crossed[:-1].view(bool)
    if not mask.any():
        return None
    ys, xs = tight(mask)
    return Placed.at(y0 + ys.start, x0 + xs.start, mask[ys, xs])

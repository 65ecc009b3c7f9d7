"""The outline of a mask: its length and its diameters, with pixels of any height and width.

The outline runs half-way between the centres of pixels inside and outside. Of such a line of short steps the
length is overestimated by up to 8 %; here it is the mean length of all polygons that take every third of its
points (of more where pixels are longer one way), which is within 2 % of the true one for discs, ellipses and
rectangles of any direction from some twenty pixels on. Diameters are those of the outermost pixels, up to one
pixel more than the true ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["feret_diameters", "outlines", "perimeter"]

#: Points of the outline from one corner of a polygon to the next, and how many corners it has at least.
_STEP, _CORNERS = 3, 8


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the outlines of a mask, those of holes included.

    Parameters
    ----------
    mask : (h, w) bool array
        The mask.

    Returns
    -------
    list of (N, 2) float64 arrays
        Rows and columns of points on closed lines, the first not repeated at the end; the centre of the
        first pixel is (0, 0).
    """
    from skimage.measure import find_contours

    padded = np.pad(mask, 1).astype(np.float32)
    return [line[:-1] - 1 for line in find_contours(padded, 0.5)]  # type: ignore[no-untyped-call]


def perimeter(lines: Sequence[NDArray[np.float64]], sides: Sequence[float] = (1.0, 1.0)) -> float:
    """Return the length of outlines; `sides` are the height and width of a pixel."""
    total, wanted = 0.0, round(_STEP * max(sides) / min(sides))
    for line in lines:
        step = max(1, min(wanted, len(line) // _CORNERS))
        moved = (np.roll(line, -step, axis=0) - line) * sides
        total += float(np.hypot(*moved.T).sum()) / step
    return total


def feret_diameters(
    lines: Sequence[NDArray[np.float64]], sides: Sequence[float] = (1.0, 1.0)
) -> tuple[float, float]:
    """Return the largest distance of two points, and the least of two parallel lines around all."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.concatenate(lines) * sides
    try:
        corners: NDArray[Any] = points[ConvexHull(points).vertices]
    except QhullError:
        corners = points
    across = corners[:, None] - corners
    along = np.roll(corners, -1, axis=0) - corners
    length = np.hypot(*along.T)
    normal = np.stack([-along[:, 1], along[:, 0]])[:, length > 0] / length[length > 0]
    widths = np.ptp(corners @ normal, axis=0)
    return math.sqrt(float((across**2).sum(-1).max())), float(widths.min(initial=np.inf))

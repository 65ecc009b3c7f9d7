"""Dividing a mask by a stroke or by seeds, so that every pixel belongs to a part."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.errors import MendError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed

    Points = Sequence[tuple[float, float]]

__all__ = ["by_seeds", "by_stroke", "pixel", "pixels_of_stroke"]

# A stroke that ends inside an object is drawn on by this share of its length, and this many pixels.
_FURTHER, _AT_LEAST = 0.15, 3.0
# Fewer pixels than this that a stroke cuts off are no part.
_SMALLEST = 4
# Pixels by which the depth of an object is smoothed before lobes are told apart.
_SMOOTH = 1.5
# No image has more rows or columns.
_FARTHEST = 1e6
_AROUND = np.ones((3, 3), bool)


def pixel(point: tuple[float, float]) -> tuple[int, int]:
    """Return the row and the column of the pixel that a point lies in."""
    return int(np.floor(point[0] + 0.5)), int(np.floor(point[1] + 0.5))


def pixels_of_stroke(stroke: Points, further: float = 0.0) -> NDArray[np.int64]:
    """Return the pixels (N, 2) of a line through points (y, x), drawn on at both ends by some pixels.

    Raises
    ------
    MendError
        If it is longer than any image.
    """
    from skimage.draw import line

    points = np.asarray(stroke, np.float64)
    if np.abs(points).max() > _FARTHEST:
        raise MendError("the stroke reaches far beyond the image: draw it across an object")
    first, last = _direction(points), _direction(points[::-1])
    points = np.concatenate([[points[0] + further * first], points, [points[-1] + further * last]])
    corners = [pixel((y, x)) for y, x in points.tolist()]
    found = [np.stack(line(*a, *b), axis=1) for a, b in pairwise(corners)]  # type: ignore[no-untyped-call]
    return np.concatenate(found).astype(np.int64)


def by_stroke(placed: Placed, stroke: Points) -> list[NDArray[np.bool_]]:
    """Divide a mask by a stroke across it.

    Parameters
    ----------
    placed : Placed
        The mask.
    stroke : sequence of (float, float)
        Points y, x in image pixels, two at least.

    Returns
    -------
    list of (h, w) bool arrays
        The parts, the largest first, in the box of the mask; together they are the mask.

    Raises
    ------
    MendError
        If the stroke does not divide it.
    """
    steps = np.diff(np.asarray(stroke, np.float64), axis=0)
    length = float(np.hypot(*steps.T).sum())
    for further in (0.0, max(_AT_LEAST, _FURTHER * length)):
        markers = _sides(placed, pixels_of_stroke(stroke, further))
        if markers.max() >= 2:
            flat = np.zeros(placed.mask.shape, np.float32)
            return _by_size(_filled(placed.mask, flat, markers, _to_largest))
    raise MendError("the stroke does not divide the object: draw it from edge to edge across it")


def by_seeds(placed: Placed, seeds: Points) -> list[NDArray[np.bool_]]:
    """Divide a mask into a part around each seed, at its narrow places.

    Parameters
    ----------
    placed : Placed
        The mask.
    seeds : sequence of (float, float)
        Points y, x in image pixels, two at least.

    Returns
    -------
    list of (h, w) bool arrays
        As of `by_stroke`.

    Raises
    ------
    MendError
        If a seed is not on the mask, or two are on one pixel.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    height, width = placed.mask.shape
    markers = np.zeros((height, width), np.int32)
    places: list[tuple[int, int]] = []
    for number, seed in enumerate(seeds, 1):
        y, x = pixel((seed[0] - placed.y0, seed[1] - placed.x0))
        if not (0 <= y < height and 0 <= x < width and placed.mask[y, x]):
            raise MendError("a seed does not lie on the object: click once on each part of one object")
        if markers[y, x]:
            raise MendError("two seeds lie on one pixel: click once on each part")
        markers[y, x] = number
        places.append((y, x))
    depth = distance_transform_edt(np.pad(placed.mask, 1))[1:-1, 1:-1]
    depth = gaussian_filter(depth, _SMOOTH).astype(np.float32)
    # Lobes first, each flooded from the middle that its seeds lead to; then lobes among their seeds.
    middles = [
        _uphill(depth, *np.argwhere(markers == number)[0].tolist()) for number in range(1, len(seeds) + 1)
    ]
    lobes = np.zeros(markers.shape, np.int32)
    for number, middle in enumerate(dict.fromkeys(middles), 1):
        lobes[middle] = number
    for number, middle in enumerate(middles, 1):
        lobes[markers == number] = lobes[middle]
    lobes = _filled(placed.mask, -depth, lobes, _to_nearest)
    parts = np.zeros(markers.shape, np.int32)
    distance = distance_transform_edt(markers == 0).astype(np.float32)
    for number in range(1, int(lobes.max()) + 1):
        lobe = lobes == number
        parts += _filled(lobe, distance, np.where(lobe, markers, 0), _to_nearest)
    return _by_size(parts)


def _uphill(depth: NDArray[np.float32], y: int, x: int) -> tuple[int, int]:
    """Return where steps to the deepest neighbour lead to from a pixel."""
    while True:
        top, left = max(y - 1, 0), max(x - 1, 0)
        near = depth[top : y + 2, left : x + 2]
        if near.max() <= depth[y, x]:
            return y, x
        dy, dx = np.unravel_index(near.argmax(), near.shape)
        y, x = top + int(dy), left + int(dx)


def _direction(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vector in which a line leaves its first point, away from the others."""
    away = points[0] - points[1:]
    lengths = np.hypot(*away.T)
    far = np.flatnonzero(lengths > min(2.0, float(lengths.max()) / 2))
    if not far.size:
        return np.zeros(2)
    unit: NDArray[np.float64] = away[far[0]] / lengths[far[0]]
    return unit


def _sides(placed: Placed, line: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return numbers from 1 for the pieces of a mask along a line that divides it, (h, w) int32."""
    from scipy.ndimage import binary_dilation, label

    y, x = line[:, 0] - placed.y0, line[:, 1] - placed.x0
    inside = (y >= 0) & (x >= 0) & (y < placed.mask.shape[0]) & (x < placed.mask.shape[1])
    drawn = np.zeros(placed.mask.shape, bool)
    drawn[y[inside], x[inside]] = True
    pieces, count = label(placed.mask & ~drawn)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    near = np.unique(pieces[binary_dilation(drawn & placed.mask, _AROUND)])
    near = near[(near > 0) & (sizes[near] >= _SMALLEST)]
    numbers = np.zeros(count + 1, np.int32)
    numbers[near] = np.arange(1, len(near) + 1)
    sides: NDArray[np.int32] = numbers[pieces]
    return sides


def _filled(
    mask: NDArray[np.bool_],
    landscape: NDArray[np.float32],
    markers: NDArray[np.int32],
    rest: Callable[..., None],
) -> NDArray[np.int32]:
    """Grow markers until they fill the mask; `rest` decides about islands that they do not reach."""
    from skimage.segmentation import watershed

    parts: NDArray[np.int32] = watershed(landscape, markers, connectivity=2, mask=mask)  # type: ignore[no-untyped-call]
    if (mask & (parts == 0)).any():
        rest(mask, parts, markers)
    return parts


def _by_size(parts: NDArray[np.int32]) -> list[NDArray[np.bool_]]:
    sizes = np.bincount(parts.ravel())[1:]
    order = np.argsort(-sizes, kind="stable") + 1
    return [parts == number for number in order.tolist()]


def _to_largest(mask: NDArray[np.bool_], parts: NDArray[np.int32], markers: NDArray[np.int32]) -> None:
    parts[mask & (parts == 0)] = int(np.bincount(parts.ravel())[1:].argmax()) + 1


def _to_nearest(mask: NDArray[np.bool_], parts: NDArray[np.int32], markers: NDArray[np.int32]) -> None:
    from scipy.ndimage import distance_transform_edt

    y, x = distance_transform_edt(markers == 0, return_distances=False, return_indices=True)
    left = mask & (parts == 0)
    parts[left] = markers[y, x][left]

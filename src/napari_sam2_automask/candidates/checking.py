"""Candidates out of a file fit one another: a checksum protects from damage, not from other writers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry.bilinear import Axis
from napari_sam2_automask.settings.numbers import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates

__all__ = ["misfits", "wrong_arrays"]

_COLUMNS = {"points": 2, "boxes": 4, "crop_boxes": 4, "origins": 2, "sizes": 2, "repairs": 3}
_PER_CANDIDATE = (
    "predicted_iou", "stability_score", "points", "boxes", "area", "crop_index", "origins", "sizes",
    "brightness",
)  # fmt: skip
# Side of an image, and of the grid of logits of a crop; and pixels of an image.
_SIDE, _GRID, _MOST_PIXELS = Bound(int, 1, 2**24), Bound(int, 1, 2**12), 2**31


def wrong_arrays(arrays: Mapping[str, NDArray[Any]], layout: Mapping[str, tuple[type, int]]) -> list[str]:
    """Return the names of arrays whose types or lengths do not fit.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What a file holds.
    layout : mapping of str to (type, int)
        The type and the number of dimensions of each.
    """
    n = len(arrays["predicted_iou"]) if arrays["predicted_iou"].ndim else 0
    wrong = [
        name
        for name, (kind, dimensions) in layout.items()
        if arrays[name].dtype != kind
        or arrays[name].ndim != dimensions
        or (dimensions == 2 and arrays[name].shape[1] != _COLUMNS[name])
        or (name in _PER_CANDIDATE and len(arrays[name]) != n)
    ]
    if wrong:
        return wrong
    sizes, offsets = arrays["sizes"].astype(np.int64), arrays["offsets"]
    if (sizes < 1).any():
        return ["sizes"]
    fits = len(offsets) == n + 1 and np.array_equal(np.diff(offsets), sizes.prod(1))
    if not fits or offsets[0] != 0 or offsets[-1] != len(arrays["values"]):
        return ["offsets"]
    if not _within(arrays["crop_index"], 0, len(arrays["crop_boxes"]) - 1):
        return ["crop_index"]
    owners = arrays["repairs"][:, 0] if "repairs" in arrays else np.zeros(0, np.int32)
    return [] if _within(owners, 0, n - 1) and (np.diff(owners) >= 0).all() else ["repairs"]


def misfits(found: Candidates) -> list[str]:
    """Return the names of what holds values that no proposal gives; types and lengths fit already.

    Raises
    ------
    SettingsError
        If the shape of the image, or of the logits, cannot be.
    """
    rows, columns = (_SIDE.check(n, "shape") for n in found.shape)
    if rows * columns > _MOST_PIXELS:
        raise SettingsError(f"shape is {rows} x {columns}, which is more than {_MOST_PIXELS:,} pixels")
    for n in found.windows.grid:
        _GRID.check(n, "grid")
    return list(_wrong(found, np.array([columns, rows])))


def _wrong(found: Candidates, most: NDArray[np.int64]) -> Iterator[str]:
    for name in ("predicted_iou", "stability_score", "points"):
        if not np.isfinite(getattr(found, name)).all():
            yield name
    if not np.isfinite(found.windows.values).all():
        yield "values"
    if found.brightness is not None and np.isinf(found.brightness).any():
        yield "brightness"
    crops, boxes = found.crop_boxes, found.boxes
    if not (_within(crops[:, :2], 0, most - 1) and _within(crops[:, 2:], crops[:, :2] + 1, most)):
        yield "crop_boxes"
        return
    own = crops[found.crop_index]
    if not (
        _within(boxes[:, :2], own[:, :2], own[:, 2:] - 1)
        and _within(boxes[:, 2:], boxes[:, :2], own[:, 2:] - 1)
    ):
        yield "boxes"
        return
    if not _within(found.area, 0, (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)):
        yield "area"
    if not _cover(found, own):
        yield "origins"


def _cover(found: Candidates, own: NDArray[np.int64]) -> bool:
    """Tell whether each window holds the samples on both sides of every pixel in its candidate's box."""
    windows = found.windows
    for column, first, last in ((0, 1, 3), (1, 0, 2)):
        start = windows.origins[:, column].astype(np.int64)
        stop = start + windows.sizes[:, column]
        if not _within(start, 0, stop - 1) or not _within(stop, 1, windows.grid[column]):
            return False
        side = own[:, last] - own[:, first]
        for size in np.unique(side).tolist():
            axis, these = Axis.make(windows.grid[column], size), side == size
            low = axis.low[found.boxes[these, first] - own[these, first]]
            high = axis.high[found.boxes[these, last] - own[these, first]]
            if (low < start[these]).any() or (high >= stop[these]).any():
                return False
    return True


def _within(values: NDArray[Any], least: Any, most: Any) -> bool:
    return bool(((values >= least) & (values <= most)).all())

"""Which stored candidates lie at a place: the best one for a new object, the next larger and smaller ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.geometry.placed import Placed
from napari_sam2_automask.selection.likeness import counted_quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.lookups import Measures
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Found", "best_free", "next_size", "parts_in", "scores_of"]

# From so many objects on their sizes say what is usual; a mask a factor of e**1.5 larger or smaller than the
# median counts for 0.6 of its quality.
_ENOUGH, _BREADTH = 8, 1.5
# At least this share of a candidate has to be free for a new object.
_FREE = 0.5
# A candidate is larger or smaller if its area differs by this factor; of those that then are alike within the
# second factor the best is taken.
_OTHER, _ALIKE = 1.15, 1.25
# Share of the one that has to lie in the other.
_INSIDE = 0.8
# Parts of one object may share so much, and are no smaller than this beside the part asked for.
_SHARED, _LEAST = 0.2, 0.1


class Found(NamedTuple):
    """A candidate's row, and its pixels."""

    row: int
    placed: Placed


def scores_of(live: LiveSelection, row: int) -> tuple[float, float]:
    """Return the predicted IoU and the stability of a candidate at the settings in force."""
    return float(live.candidates.predicted_iou[row]), float(_measures(live).stability[row])


def best_free(live: LiveSelection, labels: NDArray[np.unsignedinteger], y: int, x: int) -> Found | None:
    """Return the best stored candidate at a pixel without an object, with the pixels that it can take.

    The best has a good predicted IoU, is about as large as the objects that show, and is free of others.

    Parameters
    ----------
    live : LiveSelection
        What was selected from.
    labels : (Y, X) int array
        What shows now.
    y, x : int
        The pixel.

    Returns
    -------
    Found or None
        The piece of the mask at the pixel that is free; None if there is no candidate of which at least
        half is.
    """
    from scipy.ndimage import label

    quality, areas = _quality(live), [one.area for one in live.masks.values()]
    usual = float(np.median(np.log(areas))) if len(areas) >= _ENOUGH else None
    best, worth = None, 0.0
    for row, placed in _at(live, y, x):
        free = placed.mask & (labels[placed.window] == 0)
        pieces, _ = label(free)
        number = pieces[y - placed.y0, x - placed.x0]
        if not number:
            continue
        piece = pieces == number
        share = np.count_nonzero(piece) / placed.area
        if share < _FREE:
            continue
        counts = float(quality[row]) * share
        if usual is not None:
            counts *= float(np.exp(-(((np.log(placed.area) - usual) / _BREADTH) ** 2) / 2))
        if counts > worth:
            best, worth = Found(row, Placed.at(placed.y0, placed.x0, piece)), counts
    return best


def next_size(live: LiveSelection, current: Placed, y: int, x: int, *, larger: bool) -> Found | None:
    """Return the next larger candidate around an object, or smaller one in it, at one of its pixels."""
    fitting = []
    for row, placed in _at(live, y, x):
        inner = min(current.area, placed.area)
        ratio = placed.area / current.area if larger else current.area / max(placed.area, 1)
        if ratio >= _OTHER and _shared(placed, current) >= _INSIDE * inner:
            fitting.append((ratio, Found(row, placed)))
    if not fitting:
        return None
    nearest = min(ratio for ratio, _ in fitting)
    quality = _quality(live)
    alike = [found for ratio, found in fitting if ratio <= _ALIKE * nearest]
    return max(alike, key=lambda found: (float(quality[found.row]), -found.row))


def parts_in(live: LiveSelection, current: Placed, part: Found) -> list[Found]:
    """Return candidates that make up the rest of an object beside one part, the best first."""
    boxes, areas = _measures(live).boxes, _measures(live).area
    y0, x0, y1, x1 = current.extent
    width = np.minimum(boxes[:, 2] + 1, x1) - np.maximum(boxes[:, 0], x0)
    height = np.minimum(boxes[:, 3] + 1, y1) - np.maximum(boxes[:, 1], y0)
    near = (
        (width > 0) & (height > 0) & (areas >= _LEAST * part.placed.area) & (areas * _OTHER <= current.area)
    )
    near &= width.clip(0) * height.clip(0) >= _INSIDE * areas
    rows = np.flatnonzero(near)
    # As the part is well rated and of its size.
    off = np.abs(np.log(np.maximum(areas[rows], 1) / part.placed.area))
    worth = _quality(live)[rows] * np.exp(-((off / _BREADTH) ** 2) / 2)
    free = current.mask.copy()
    _take(free, current, part.placed)
    found = []
    for row in rows[np.argsort(-worth, kind="stable")].tolist():
        placed = live.mask(row)
        common = placed.common(current)
        if common is None:
            continue
        if np.count_nonzero(placed.mask[common[0]] & free[common[1]]) >= (1 - _SHARED) * placed.area:
            found.append(Found(row, placed))
            _take(free, current, placed)
    return found


def _take(free: NDArray[np.bool_], around: Placed, placed: Placed) -> None:
    common = placed.common(around)
    if common is not None:
        free[common[1]] &= ~placed.mask[common[0]]


def _at(live: LiveSelection, y: int, x: int) -> list[Found]:
    """Return the candidates that have a pixel, in order of their rows."""
    candidates, settings = live.candidates, _settings(live)
    x0, y0, x1, y1 = _measures(live).boxes.T
    rows = np.flatnonzero((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)).tolist()
    if settings.mask_threshold == candidates.settings.mask_threshold and not settings.min_mask_region_area:
        # One pixel is made faster than a mask that may be as large as the image.
        threshold = np.float32(settings.mask_threshold)
        rows = [row for row in rows if candidates.logits(row, (y, x, y + 1, x + 1))[2][0, 0] > threshold]
    found = []
    for row in rows:
        placed = live.mask(row)
        top, left, bottom, right = placed.extent
        if top <= y < bottom and left <= x < right and placed.mask[y - top, x - left]:
            found.append(Found(row, placed))
    return found


def _quality(live: LiveSelection) -> NDArray[np.float32]:
    return counted_quality(live.candidates, _settings(live), _measures(live).area)


def _measures(live: LiveSelection) -> Measures:
    return lookups(live.candidates).measures(_settings(live))


def _settings(live: LiveSelection) -> AmgSettings:
    return live.candidates.settings if live.change is None else live.change.settings


def _shared(one: Placed, other: Placed) -> int:
    common = one.common(other)
    return 0 if common is None else int(np.count_nonzero(one.mask[common[0]] & other.mask[common[1]]))

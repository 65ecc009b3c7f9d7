"""Non-maximum suppression of candidates by their boxes: within each crop, then across crops."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.geometry.nms import BoxPairs, non_maximum_suppression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["BoxTable", "suppress", "suppression_order"]


class BoxTable:
    """Overlapping boxes of candidates at the proposal's mask threshold, for suppressing again and again.

    Parameters
    ----------
    candidates : Candidates
        The candidates.
    """

    #: Candidates up to which a table pays: it may hold all their pairs.
    LARGEST = 6000

    def __init__(self, candidates: Candidates) -> None:
        self._best_first = np.argsort(-candidates.predicted_iou, kind="stable")
        self._within = BoxPairs.of(
            candidates.boxes[self._best_first], candidates.crop_index[self._best_first]
        )
        self._order = suppression_order(candidates, candidates.predicted_iou)
        many = len(candidates.crop_boxes) > 1
        self._across = BoxPairs.of(candidates.boxes[self._order]) if many else None
        self._ranked: tuple[bytes, BoxTable] | None = None

    def ranked(self, candidates: Candidates, quality: NDArray[np.floating]) -> BoxTable:
        """Return a table of the same candidates in which others are the better ones; the last is kept.

        Parameters
        ----------
        candidates : Candidates
            Those of this table.
        quality : (N,) array
            By which they suppress one another within a crop, in place of their predicted IoU.
        """
        best_first = np.argsort(-quality, kind="stable")
        key = best_first.tobytes()
        if self._ranked is None or self._ranked[0] != key:
            # Sorting an order tells where each row stands in it.
            other = copy(self)
            other._best_first, other._order = best_first, suppression_order(candidates, quality)
            other._within = self._within.reordered(np.argsort(self._best_first)[best_first])
            if self._across is not None:
                other._across = self._across.reordered(np.argsort(self._order)[other._order])
            self._ranked = key, other
        return self._ranked[1]

    def suppress(
        self, alive: NDArray[np.bool_], settings: AmgSettings, removed: dict[str, int]
    ) -> NDArray[np.bool_]:
        """Return which rows are kept, (N,) bool, and count what each suppression removed."""
        kept = np.zeros_like(alive)
        kept[self._best_first] = self._within.suppress(alive[self._best_first], settings.box_nms_thresh)
        removed["box NMS"] = int(alive.sum() - kept.sum())
        if self._across is None:
            return kept
        final = np.zeros_like(kept)
        final[self._order] = self._across.suppress(kept[self._order], settings.crop_nms_thresh)
        removed["crop NMS"] = int(kept.sum() - final.sum())
        return final


def suppression_order(candidates: Candidates, quality: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return all rows in the order in which they suppress one another across crops: small crops first.

    Within a crop the better in `quality`, (N,), comes first.
    """
    x0, y0, x1, y1 = candidates.crop_boxes[candidates.crop_index].T
    size = (1 / ((x1 - x0) * (y1 - y0))).astype(np.float32)
    rows = np.arange(len(candidates))
    return np.lexsort((rows, -quality, candidates.crop_index, -size))


def suppress(
    candidates: Candidates,
    settings: AmgSettings,
    boxes: NDArray[np.int64],
    quality: NDArray[np.floating],
    alive: NDArray[np.bool_],
    removed: dict[str, int],
) -> NDArray[np.bool_]:
    """Suppress overlapping boxes within each crop, then across crops, as Meta's generator does.

    Parameters
    ----------
    candidates : Candidates
        The candidates.
    settings : AmgSettings
        For the thresholds.
    boxes : (N, 4) int64 array
        Their boxes at the settings' mask threshold.
    quality : (N,) array
        What is the better of two that overlap in one crop: their predicted IoU as it counts.
    alive : (N,) bool array
        Which of them are left.
    removed : dict
        Takes how many each suppression removed.

    Returns
    -------
    (N,) bool array
        Which are kept.
    """
    rows = np.flatnonzero(alive)
    rows = _nms_within_crops(candidates, rows, boxes, quality, settings.box_nms_thresh, removed)
    if len(candidates.crop_boxes) > 1:
        rows = _nms_across_crops(candidates, rows, boxes, settings.crop_nms_thresh, removed)
    kept = np.zeros(len(candidates), bool)
    kept[rows] = True
    return kept


def _nms_within_crops(
    candidates: Candidates,
    rows: NDArray[np.int64],
    boxes: NDArray[np.int64],
    quality: NDArray[np.floating],
    threshold: float,
    removed: dict[str, int],
) -> NDArray[np.int64]:
    kept = []
    for crop in range(len(candidates.crop_boxes)):
        mine = rows[candidates.crop_index[rows] == crop]
        best = non_maximum_suppression(boxes[mine], quality[mine], threshold)
        kept.append(mine[best])
    result = np.concatenate(kept) if kept else rows
    removed["box NMS"] = len(rows) - len(result)
    return result


def _nms_across_crops(
    candidates: Candidates,
    rows: NDArray[np.int64],
    boxes: NDArray[np.int64],
    threshold: float,
    removed: dict[str, int],
) -> NDArray[np.int64]:
    x0, y0, x1, y1 = candidates.crop_boxes[candidates.crop_index[rows]].T
    # Masks from smaller crops are preferred.
    scores = (1 / ((x1 - x0) * (y1 - y0))).astype(np.float32)
    kept = rows[non_maximum_suppression(boxes[rows], scores, threshold)]
    removed["crop NMS"] = len(rows) - len(kept)
    return kept

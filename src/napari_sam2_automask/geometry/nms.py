"""Non-maximum suppression of boxes: over all boxes, or over the pairs that overlap, kept for reuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BoxPairs", "non_maximum_suppression"]


def non_maximum_suppression(
    boxes: NDArray[np.integer] | NDArray[np.floating], scores: NDArray[np.floating], threshold: float
) -> NDArray[np.int64]:
    """Keep the best-scored boxes that do not overlap a better one, as ``torchvision.ops.nms`` does.

    Parameters
    ----------
    boxes : (N, 4) array
        ``x0, y0, x1, y1``; a box from 3 to 5 counts as 2 wide, as in torchvision.
    scores : (N,) array
        Higher is better; at equal scores the earlier box wins.
    threshold : float
        IoU above which the worse of two boxes is dropped.

    Returns
    -------
    (K,) int64 array
        Rows kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].astype(np.float32).T
    area = (right - left) * (bottom - top)
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if not alive[i]:
            continue
        rest = slice(i + 1, None)
        iou = _iou(i, rest, left, top, right, bottom, area)
        alive[rest] &= ~(iou.astype(np.float64) > threshold)
    return order[alive]


def _iou(
    i: int,
    rest: slice,
    left: NDArray[np.float32],
    top: NDArray[np.float32],
    right: NDArray[np.float32],
    bottom: NDArray[np.float32],
    area: NDArray[np.float32],
) -> NDArray[np.float32]:
    wide = np.minimum(right[i], right[rest]) - np.maximum(left[i], left[rest])
    high = np.minimum(bottom[i], bottom[rest]) - np.maximum(top[i], top[rest])
    shared = np.maximum(wide, np.float32(0)) * np.maximum(high, np.float32(0))
    # Two boxes without area give 0 / 0, which suppresses nothing, there as here.
    with np.errstate(invalid="ignore"):
        iou: NDArray[np.float32] = shared / (area[i] + area[rest] - shared)
    return iou


@dataclass(frozen=True, slots=True, eq=False)
class BoxPairs:
    """The overlapping pairs of a list of boxes that is sorted best first.

    Attributes
    ----------
    starts : (N + 1,) int64 array
        The partners of box i, all of them worse, are ``partner[starts[i]:starts[i + 1]]``.
    partner : (P,) int32 array
        Positions in the list.
    iou : (P,) float32 array
        IoU of each pair of boxes, above 0.
    """

    starts: NDArray[np.int64]
    partner: NDArray[np.int32]
    iou: NDArray[np.float32]

    @classmethod
    def of(cls, boxes: NDArray[np.integer], groups: NDArray[np.integer] | None = None) -> BoxPairs:
        """Find the overlapping pairs of (N, 4) boxes, best first; only those of equal `groups` if given."""
        left, top, right, bottom = boxes.astype(np.float32).T
        area = (right - left) * (bottom - top)
        counts, partners, ious = np.zeros(len(boxes) + 1, np.int64), [], []
        for i in range(len(boxes)):
            iou = _iou(i, slice(i + 1, None), left, top, right, bottom, area)
            found = np.flatnonzero(iou > 0 if groups is None else (iou > 0) & (groups[i + 1 :] == groups[i]))
            counts[i + 1] = len(found)
            partners.append((found + i + 1).astype(np.int32))
            ious.append(iou[found])
        return cls(
            np.cumsum(counts),
            np.concatenate([np.zeros(0, np.int32), *partners]),
            np.concatenate([np.zeros(0, np.float32), *ious]),
        )

    def reordered(self, order: NDArray[np.int64]) -> BoxPairs:
        """Return the pairs of the same boxes in another order, which is given as positions in this list."""
        rank = np.argsort(order).astype(np.int32)
        one, other = rank[np.repeat(np.arange(len(order)), np.diff(self.starts))], rank[self.partner]
        first, second = np.minimum(one, other), np.maximum(one, other)
        sorted_ = np.lexsort((second, first))
        counts = np.bincount(first, minlength=len(order))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return BoxPairs(starts, second[sorted_], self.iou[sorted_])

    def suppress(self, alive: NDArray[np.bool_], threshold: float) -> NDArray[np.bool_]:
        """Return which boxes are kept, (N,) bool: those of `alive` that overlap no better one kept.

        The same boxes as :func:`non_maximum_suppression` keeps of those in `alive`.
        """
        kept = alive.copy()
        # x > t for single precision x and double t is x > the largest single precision number up to t.
        limit = np.float32(threshold)
        limit = limit if float(limit) <= threshold else np.nextafter(limit, np.float32(-1))
        over = np.flatnonzero(self.iou > limit)
        starts = np.searchsorted(over, self.starts)
        partner = self.partner[over]
        busy = np.flatnonzero(alive & (np.diff(starts) > 0))
        for i, start, stop in zip(
            busy.tolist(), starts[busy].tolist(), starts[busy + 1].tolist(), strict=True
        ):
            if kept[i]:
                kept[partner[start:stop]] = False
        return kept

"""What need not be kept of candidates: near-duplicates, and what exceeds the memory that they may take.

A grid of points finds each object many times. Where thresholds can be lowered afterwards all of these looks
are kept, although almost all of them can never show: another mask of the same pixels is rated better in every
way. Such a mask is dropped for the better one if

- both were found in the same crop, their pixels overlap by `NEAR` (IoU) and their boxes by `NEAR_BOXES`,
- the better one is rated at least as high in predicted IoU and in stability, and touches the edge of the
  image only if the other does: whatever threshold of these the other passes, the better one passes too,
- and the choice at the settings of the run does not depend on it: it is chosen neither then nor does it, by
  surviving box NMS, decide what is. So the run gives the same masks with and without it.

It could have shown only where a third mask's box suppresses the better one's but not its own, with box NMS
above `NEAR_BOXES`, at a smallest or largest object between the two areas, or at a stability offset or mask
threshold at which the order of the two stabilities changes, or where it is more like typical objects (see
`napari_sam2_automask.selection.likeness`) by the little that two masks of almost the same pixels differ.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.candidates.candidates import BEYOND_MEMORY, most_bytes
from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.candidates.overlap_pairs import make_pairs
from napari_sam2_automask.candidates.pooling import take
from napari_sam2_automask.selection.choosing import choose, touches_edge

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["NEAR", "NEAR_BOXES", "NEAR_DUPLICATES", "merge_near_duplicates", "within_memory"]

#: Two masks whose pixels overlap by the first IoU, and whose boxes by the second, are near-duplicates.
NEAR = 0.95
NEAR_BOXES = 0.9
#: Under this name `Candidates.removed` counts them.
NEAR_DUPLICATES = "near-duplicates"
# A mask of at least so many samples of the logits is compared there, to about a percent; else pixel by pixel.
_SAMPLES = 1024


def merge_near_duplicates(
    candidates: Candidates,
    settings: AmgSettings,
    tick: Callable[[], None] | None = None,
    count: Callable[[int], None] | None = None,
) -> Candidates:
    """Drop candidates that another one stands for.

    Parameters
    ----------
    candidates : Candidates
        What a proposal found.
    settings : AmgSettings
        The settings of the run, at which the choice stays the same.
    tick : callable, optional
        Called often; may raise to stop.
    count : callable, optional
        Told how many candidates have been looked at; may raise to stop.

    Returns
    -------
    Candidates
        The others; those dropped are counted in `removed`.
    """
    if len(candidates) < 2:
        return candidates
    keep = _decisive(candidates, settings, tick)
    dropped = np.zeros(len(candidates), bool)
    done = 0
    for crop in np.unique(candidates.crop_index):
        rows = np.flatnonzero(candidates.crop_index == crop)
        told = None if count is None else partial(_add, count, done)
        dropped[rows] = _duplicates(candidates, rows, keep[rows], told)
        done += len(rows)
    return _without(candidates, dropped, NEAR_DUPLICATES)


def within_memory(candidates: Candidates, settings: AmgSettings) -> Candidates:
    """Drop the worst rated candidates that do not fit into the memory that the settings allow."""
    fits = np.cumsum(candidates.windows.counts) <= most_bytes(settings)
    return _without(candidates, ~fits, BEYOND_MEMORY)


def _without(candidates: Candidates, dropped: NDArray[np.bool_], name: str) -> Candidates:
    if not dropped.any():
        return candidates
    removed = dict(candidates.removed)
    removed[name] = removed.get(name, 0) + int(dropped.sum())
    return replace(take(candidates, np.flatnonzero(~dropped)), removed=removed)


def _decisive(
    candidates: Candidates, settings: AmgSettings, tick: Callable[[], None] | None
) -> NDArray[np.bool_]:
    """Return the candidates that the choice at some settings depends on, (N,) bool."""
    boxes_only = settings.replace(nested="keep", duplicate_iou=1.0, gap_leniency=0.0)
    decisive = choose(candidates, boxes_only).decisive
    if settings.gap_leniency > 0:
        # Where there are gaps is decided by what these share with the others, and with one another. A set of
        # its own, so that nobody else is given pairs of which some are missing.
        same = replace(candidates)
        lookups(same).adopt_pairs(make_pairs(same, tick, decisive))
        decisive = choose(same, settings).decisive
    return decisive


def _duplicates(
    candidates: Candidates,
    rows: NDArray[np.intp],
    keep: NDArray[np.bool_],
    count: Callable[[int], None] | None,
) -> NDArray[np.bool_]:
    """Return which candidates of one crop, best first, a better one stands for, (K,) bool."""
    boxes = candidates.boxes[rows]
    left, top, right, bottom = boxes.T.astype(np.float32)
    area = (right - left) * (bottom - top)
    stability = candidates.stability_score[rows]
    edge = touches_edge(boxes, candidates.shape)
    open_ = ~keep
    dropped = np.zeros(len(rows), bool)
    masks = _Masks(candidates)
    for k in range(len(rows)):
        if dropped[k]:
            continue
        if count is not None:
            count(k)
        rest = k + 1 + np.flatnonzero(open_[k + 1 :])
        if edge[k]:
            rest = rest[edge[rest]]
        wide = np.minimum(right[k], right[rest]) - np.maximum(left[k], left[rest])
        high = np.minimum(bottom[k], bottom[rest]) - np.maximum(top[k], top[rest])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        near = (shared >= NEAR_BOXES * (area[k] + area[rest] - shared)) & (shared > 0)
        near &= stability[rest] <= stability[k]
        for other in rest[near].tolist():
            if masks.iou(int(rows[k]), int(rows[other])) >= NEAR:
                dropped[other], open_[other] = True, False
    return dropped


def _add(count: Callable[[int], None], before: int, done: int) -> None:
    count(before + done)


class _Masks:
    """Masks of one crop for comparison: samples of the logits where there are enough of them, else pixels."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._samples: dict[int, tuple[int, int, NDArray[np.bool_], int]] = {}
        self._pixels: dict[int, tuple[int, int, NDArray[np.bool_], int]] = {}

    def iou(self, one: int, other: int) -> float:
        """Return the IoU of two candidates' masks."""
        a, b = self._sampled(one), self._sampled(other)
        # Too different as seen from afar, or large enough to be seen from there.
        rough = _iou(a, b)
        if min(a[3], b[3]) >= _SAMPLES or rough < NEAR / 2:
            return rough
        return _iou(self._made(one), self._made(other))

    def _sampled(self, row: int) -> tuple[int, int, NDArray[np.bool_], int]:
        found = self._samples.get(row)
        if found is None:
            windows, threshold = self._candidates.windows, self._candidates.settings.mask_threshold
            y, x = windows.origins[row].tolist()
            mask = windows.window(row) > np.float32(threshold)
            found = self._samples[row] = (y, x, mask, int(np.count_nonzero(mask)))
        return found

    def _made(self, row: int) -> tuple[int, int, NDArray[np.bool_], int]:
        found = self._pixels.get(row)
        if found is None:
            y, x, mask = self._candidates.mask(row)
            found = self._pixels[row] = (y, x, mask, int(self._candidates.area[row]))
        return found


def _iou(a: tuple[int, int, NDArray[np.bool_], int], b: tuple[int, int, NDArray[np.bool_], int]) -> float:
    """Return the IoU of two masks, each given as first row and column, mask, and its pixels."""
    top, left = max(a[0], b[0]), max(a[1], b[1])
    low = min(a[0] + a[2].shape[0], b[0] + b[2].shape[0])
    right = min(a[1] + a[2].shape[1], b[1] + b[2].shape[1])
    if top >= low or left >= right:
        return 0.0
    mine = a[2][top - a[0] : low - a[0], left - a[1] : right - a[1]]
    theirs = b[2][top - b[0] : low - b[0], left - b[1] : right - b[1]]
    shared = int(np.count_nonzero(mine & theirs))
    return shared / max(a[3] + b[3] - shared, 1)

"""Select: from candidates to masks, cheap enough to run again whenever a threshold moves.

The filters and their order are those of ``SAM2AutomaticMaskGenerator``. One differs on purpose:
`min_mask_region_area` there works on the low-resolution logits and only with a CUDA extension that the
package does not come with; here holes and islands are measured in image pixels, in the masks that survive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.errors import CandidatesError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates import Candidates
    from napari_sam2_automask.settings import AmgSettings

__all__ = ["Masks", "non_maximum_suppression", "select"]

_PROPOSAL_ONLY = (
    "points_per_side", "point_grids", "stability_score_offset", "mask_threshold", "crop_n_layers",
    "crop_overlap_ratio", "crop_n_points_downscale_factor", "use_m2m", "multimask_output",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The masks selected from candidates, in the order of Meta's generator.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the image.
    ids : (K,) int64 array
        Labels: the candidate's row plus one.
    rows : (K,) int64 array
        Rows of the candidates.
    boxes : (K, 4) int64 array
        ``x0, y0, x1, y1`` in image pixels, end inclusive.
    areas : (K,) int64 array
        Pixels of each mask.
    arrays : tuple of (h, w) bool arrays
        The masks inside their boxes.
    predicted_iou, stability_score : (K,) float32 arrays
        The scores.
    points : (K, 2) float32 array
        The x, y of the prompts in image pixels.
    crop_boxes : (K, 4) int64 array
        ``x0, y0, x1, y1`` of the crop each mask was found in, end exclusive.
    removed : Mapping of str to int
        How many masks each filter removed, those of the proposal included.
    settings : AmgSettings
        The settings of this selection.
    candidates : Candidates
        What was selected from.
    """

    shape: tuple[int, int]
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]
    arrays: tuple[NDArray[np.bool_], ...]
    predicted_iou: NDArray[np.float32]
    stability_score: NDArray[np.float32]
    points: NDArray[np.float32]
    crop_boxes: NDArray[np.int64]
    settings: AmgSettings
    candidates: Candidates
    removed: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def full(self, k: int) -> NDArray[np.bool_]:
        """Return mask k in an array of the size of the image, (Y, X) bool."""
        mask = np.zeros(self.shape, bool)
        x0, y0, x1, y1 = self.boxes[k]
        mask[y0 : y1 + 1, x0 : x1 + 1] = self.arrays[k]
        return mask


def select(candidates: Candidates, settings: AmgSettings) -> Masks:
    """Choose masks from candidates.

    Parameters
    ----------
    candidates : Candidates
        What `propose` found.
    settings : AmgSettings
        Thresholds of predicted IoU and stability, both NMS and the smallest region. Everything else must be
        as it was proposed.

    Returns
    -------
    Masks
        At the settings of the proposal, the masks of Meta's generator; none if nothing is left.

    Raises
    ------
    CandidatesError
        If `settings` ask for more than the candidates hold: another grid, mask threshold or crop, or a
        threshold below the floor.
    """
    _check(candidates, settings)
    removed = dict(candidates.removed)
    rows = np.arange(len(candidates))
    rows = _above(rows, candidates.predicted_iou, settings.pred_iou_thresh, removed)
    keep = candidates.stability_score[rows] >= np.float32(settings.stability_score_thresh)
    if settings.stability_score_thresh > 0:
        rows = _drop(rows, keep, "stability", removed)
    rows = _nms_within_crops(candidates, rows, settings.box_nms_thresh, removed)
    if len(candidates.crop_boxes) > 1:
        rows = _nms_across_crops(candidates, rows, settings.crop_nms_thresh, removed)
    arrays, boxes = _masks(candidates, rows)
    if settings.min_mask_region_area > 0:
        rows, arrays, boxes = _small_regions(rows, arrays, boxes, settings, removed)
    return _make(candidates, settings, rows, arrays, boxes, removed)


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
        wide = np.minimum(right[i], right[rest]) - np.maximum(left[i], left[rest])
        high = np.minimum(bottom[i], bottom[rest]) - np.maximum(top[i], top[rest])
        shared = np.maximum(wide, np.float32(0)) * np.maximum(high, np.float32(0))
        # Two boxes without area give 0 / 0, which suppresses nothing, there as here.
        with np.errstate(invalid="ignore"):
            iou = shared / (area[i] + area[rest] - shared)
        alive[rest] &= ~(iou.astype(np.float64) > threshold)
    return order[alive]


def _check(candidates: Candidates, settings: AmgSettings) -> None:
    for name in _PROPOSAL_ONLY:
        if getattr(settings, name) != getattr(candidates.settings, name):
            raise CandidatesError(
                f"{name} differs from the proposal that found these candidates: propose again"
            )
    for name, lowest in (
        ("pred_iou_thresh", candidates.floor.pred_iou),
        ("stability_score_thresh", candidates.floor.stability),
    ):
        if getattr(settings, name) < lowest:
            raise CandidatesError(
                f"{name}={getattr(settings, name):g} is below {lowest:g}, the lowest that these candidates "
                f"were kept for: raise it to {lowest:g} or propose again with a lower floor"
            )


def _drop(
    rows: NDArray[np.int64], keep: NDArray[np.bool_], name: str, removed: dict[str, int]
) -> NDArray[np.int64]:
    removed[name] = removed.get(name, 0) + int(len(keep) - keep.sum())
    return rows[keep]


def _above(
    rows: NDArray[np.int64], score: NDArray[np.float32], threshold: float, removed: dict[str, int]
) -> NDArray[np.int64]:
    if threshold <= 0:
        return rows
    # Single precision on both sides, as torch compares.
    return _drop(rows, score[rows] > np.float32(threshold), "predicted IoU", removed)


def _nms_within_crops(
    candidates: Candidates, rows: NDArray[np.int64], threshold: float, removed: dict[str, int]
) -> NDArray[np.int64]:
    kept = []
    for crop in range(len(candidates.crop_boxes)):
        mine = rows[candidates.crop_index[rows] == crop]
        best = non_maximum_suppression(candidates.boxes[mine], candidates.predicted_iou[mine], threshold)
        kept.append(mine[best])
    result = np.concatenate(kept) if kept else rows
    removed["box NMS"] = len(rows) - len(result)
    return result


def _nms_across_crops(
    candidates: Candidates, rows: NDArray[np.int64], threshold: float, removed: dict[str, int]
) -> NDArray[np.int64]:
    x0, y0, x1, y1 = candidates.crop_boxes[candidates.crop_index[rows]].T
    # Masks from smaller crops are preferred.
    scores = (1 / ((x1 - x0) * (y1 - y0))).astype(np.float32)
    kept = rows[non_maximum_suppression(candidates.boxes[rows], scores, threshold)]
    removed["crop NMS"] = len(rows) - len(kept)
    return kept


def _masks(
    candidates: Candidates, rows: NDArray[np.int64]
) -> tuple[list[NDArray[np.bool_]], NDArray[np.int64]]:
    return [candidates.mask(int(row))[2] for row in rows], candidates.boxes[rows]


def _small_regions(
    rows: NDArray[np.int64],
    arrays: list[NDArray[np.bool_]],
    boxes: NDArray[np.int64],
    settings: AmgSettings,
    removed: dict[str, int],
) -> tuple[NDArray[np.int64], list[NDArray[np.bool_]], NDArray[np.int64]]:
    """Mend holes and islands, then drop masks that have become duplicates, unmended ones preferred."""
    from napari_sam2_automask.regions import mend

    mended = [mend(array, settings.min_mask_region_area) for array in arrays]
    scores = np.array([float(new is old) for new, old in zip(mended, arrays, strict=True)], np.float32)
    boxes = boxes.copy()
    for k, array in enumerate(mended):
        if scores[k] == 0:
            boxes[k], mended[k] = _tighten(boxes[k], array)
    threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
    kept = non_maximum_suppression(boxes, scores, threshold)
    removed["small regions"] = len(rows) - len(kept)
    kept = np.sort(kept)
    return rows[kept], [mended[k] for k in kept], boxes[kept]


def _tighten(box: NDArray[np.int64], array: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    ys, xs = np.flatnonzero(array.any(1)), np.flatnonzero(array.any(0))
    y0, y1, x0, x1 = int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])
    new = np.array([box[0] + x0, box[1] + y0, box[0] + x1, box[1] + y1], np.int64)
    return new, array[y0 : y1 + 1, x0 : x1 + 1]


def _make(
    candidates: Candidates,
    settings: AmgSettings,
    rows: NDArray[np.int64],
    arrays: list[NDArray[np.bool_]],
    boxes: NDArray[np.int64],
    removed: dict[str, int],
) -> Masks:
    return Masks(
        shape=candidates.shape,
        ids=rows + 1,
        rows=rows,
        boxes=boxes,
        areas=np.array([np.count_nonzero(array) for array in arrays], np.int64),
        arrays=tuple(arrays),
        predicted_iou=candidates.predicted_iou[rows],
        stability_score=candidates.stability_score[rows],
        points=candidates.points[rows],
        crop_boxes=candidates.crop_boxes[candidates.crop_index[rows]],
        settings=settings,
        candidates=candidates,
        removed=removed,
    )

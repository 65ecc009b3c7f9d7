"""Select: from candidates to masks, cheap enough to run again whenever a threshold moves.

The filters and their order are those of ``SAM2AutomaticMaskGenerator``. One differs on purpose:
`min_mask_region_area` there works on the low-resolution logits and only with a CUDA extension that the
package does not come with; here holes and islands are measured in image pixels, in the masks that survive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.geometry.holes_and_islands import mend
from napari_sam2_automask.geometry.nms import non_maximum_suppression
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.selection.choosing import choose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Masks", "drop_mended_duplicates", "non_maximum_suppression", "select"]


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

    def placed(self) -> dict[int, Placed]:
        """Return the masks inside their boxes, by label."""
        corners = self.boxes[:, [1, 0]].tolist()
        return {
            int(label): Placed(y0, x0, array, int(area))
            for label, (y0, x0), array, area in zip(self.ids, corners, self.arrays, self.areas, strict=True)
        }


def select(candidates: Candidates, settings: AmgSettings) -> Masks:
    """Choose masks from candidates.

    Parameters
    ----------
    candidates : Candidates
        What `propose` found.
    settings : AmgSettings
        Every filter, and mask threshold and stability offset as far as the logits were stored. What only the
        model can answer (grid, crops, refinement) must be as it was proposed.

    Returns
    -------
    Masks
        At the settings of the proposal, the masks of Meta's generator; none if nothing is left.

    Raises
    ------
    CandidatesError
        If `settings` ask for more than the candidates hold: another grid or crop, or a threshold below the
        floor.
    """
    rows, removed, measures, _ = choose(candidates, settings)
    arrays, boxes = _masks(candidates, rows, settings.mask_threshold, measures.boxes)
    if settings.min_mask_region_area > 0:
        mended = [mend(array, settings.min_mask_region_area) for array in arrays]
        rows, arrays, boxes = drop_mended_duplicates(rows, arrays, mended, boxes, settings, removed)
    return _make(candidates, settings, rows, measures.stability, arrays, boxes, removed)


def _masks(
    candidates: Candidates, rows: NDArray[np.int64], threshold: float, boxes: NDArray[np.int64]
) -> tuple[list[NDArray[np.bool_]], NDArray[np.int64]]:
    if threshold == candidates.settings.mask_threshold:
        return [candidates.mask(int(row))[2] for row in rows], boxes[rows]
    arrays, found = [], np.zeros((len(rows), 4), np.int64)
    for k, row in enumerate(rows):
        y0, x0, array = candidates.mask(int(row), threshold)
        arrays.append(array)
        # Box look-ups are right to within rounding; the mask itself decides.
        found[k] = x0, y0, x0 + array.shape[1] - 1, y0 + array.shape[0] - 1
    return arrays, found


def drop_mended_duplicates(
    rows: NDArray[np.int64],
    arrays: Sequence[NDArray[np.bool_]],
    mended: list[NDArray[np.bool_]],
    boxes: NDArray[np.int64],
    settings: AmgSettings,
    removed: dict[str, int],
) -> tuple[NDArray[np.int64], list[NDArray[np.bool_]], NDArray[np.int64]]:
    """Drop masks that mending holes and islands has made duplicates, unmended ones preferred.

    Parameters
    ----------
    rows, arrays, boxes
        K candidates, their masks inside their boxes, and the boxes.
    mended : list of (h, w) bool arrays
        The masks after mending, the same objects where nothing changed.
    settings : AmgSettings
        For the thresholds of suppression.
    removed : dict
        Told how many are dropped.

    Returns
    -------
    rows, arrays, boxes
        Of what stays; the boxes fit the mended masks.
    """
    scores = np.array([float(new is old) for new, old in zip(mended, arrays, strict=True)], np.float32)
    boxes = boxes.copy()
    for k, array in enumerate(mended):
        if scores[k] == 0:
            y, x = tight(array)
            left, top = boxes[k, :2]
            boxes[k] = left + x.start, top + y.start, left + x.stop - 1, top + y.stop - 1
            mended[k] = array[y, x]
    threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
    kept = non_maximum_suppression(boxes, scores, threshold)
    removed["small regions"] = len(rows) - len(kept)
    kept = np.sort(kept)
    return rows[kept], [mended[k] for k in kept], boxes[kept]


def _make(
    candidates: Candidates,
    settings: AmgSettings,
    rows: NDArray[np.int64],
    stability: NDArray[np.float32],
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
        stability_score=stability[rows],
        points=candidates.points[rows],
        crop_boxes=candidates.crop_boxes[candidates.crop_index[rows]],
        settings=settings,
        candidates=candidates,
        removed=removed,
    )

"""What was found in one image plane: labels, table, whole masks and how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.geometry.run_lengths import compressed_rle, uncompressed_rle

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.selection.selecting import Masks
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Segmentation"]


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """What was found in one image plane.

    Attributes
    ----------
    labels : ndarray of uint16 or uint32, shape (Y, X)
        0 for background, otherwise the object's id: its rank by predicted IoU among the candidates, so that
        ids are not consecutive and stay the same when filters change. uint32 only where an id exceeds 65535.
    table : pandas.DataFrame
        One row per object that is visible in `labels`, or in `levels`, in order of its id; see
        `object_table`.
    settings : AmgSettings
        The settings used.
    record : dict
        How it was made, ready for JSON; see `napari_sam2_automask.record.making.make_record`.
    masks : Masks
        The whole masks, which may overlap.
    levels : ndarray of the labels' dtype, shape (L, Y, X), or None
        With the overlap policy ``"all_levels"`` every mask whole, with its id: the wholes on level 0, what
        lies in them on level 1, and so on, see `napari_sam2_automask.painting.levels`. `labels` then shows
        them flattened, small ones on top.
    cells : ndarray of the labels' dtype, shape (Y, X), or None
        With `expand_distance` the objects grown to cells, with the same ids.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    table: pd.DataFrame
    settings: AmgSettings
    record: dict[str, Any]
    masks: Masks
    levels: NDArray[np.unsignedinteger[Any]] | None = None
    cells: NDArray[np.unsignedinteger[Any]] | None = None

    def records(self, output_mode: str | None = None) -> list[dict[str, Any]]:
        """Return the masks as ``SAM2AutomaticMaskGenerator.generate`` does.

        Parameters
        ----------
        output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}, optional
            The form of ``segmentation``; the settings' `output_mode` when left out.

        Returns
        -------
        list of dict
            For each mask ``segmentation`` (a full-size bool array (Y, X) or run lengths), ``area`` in pixels,
            ``bbox`` [x, y, x1 - x0, y1 - y0] of the first and last column and row as in Meta's generator,
            ``predicted_iou``, ``point_coords`` [[x, y]], ``stability_score`` and ``crop_box`` [x, y, width,
            height]; the masks are whole, as if there were no overlap.

        Raises
        ------
        SettingsError
            If there is no such output mode.
        """
        settings = self.settings.replace(output_mode=output_mode or self.settings.output_mode)
        return list(_meta_records(self.masks, settings.output_mode))


def _meta_records(masks: Masks, output_mode: str) -> Iterator[dict[str, Any]]:
    """Yield whole masks as Meta's generator returns them; see `Segmentation.records`."""
    shape = (int(masks.shape[0]), int(masks.shape[1]))
    for k, (box, array) in enumerate(zip(masks.boxes, masks.arrays, strict=True)):
        x0, y0, x1, y1 = (int(value) for value in box)
        segmentation: Any
        if output_mode == "binary_mask":
            segmentation = np.zeros(shape, dtype=bool)
            segmentation[y0 : y1 + 1, x0 : x1 + 1] = array
        elif output_mode == "uncompressed_rle":
            segmentation = uncompressed_rle(y0, x0, array, shape)
        else:
            segmentation = compressed_rle(y0, x0, array, shape)
        crop_x0, crop_y0, crop_x1, crop_y1 = (int(value) for value in masks.crop_boxes[k])
        yield {
            "segmentation": segmentation,
            "area": int(masks.areas[k]),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "predicted_iou": float(masks.predicted_iou[k]),
            "point_coords": [[float(value) for value in masks.points[k]]],
            "stability_score": float(masks.stability_score[k]),
            "crop_box": [crop_x0, crop_y0, crop_x1 - crop_x0, crop_y1 - crop_y0],
        }

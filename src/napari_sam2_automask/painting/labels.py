"""Masks to one label image and a table with a row per object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.measures.cells import expand
from napari_sam2_automask.measures.measuring import sides_in_micrometres
from napari_sam2_automask.painting.levels import paint_levels
from napari_sam2_automask.painting.segmentation import Segmentation
from napari_sam2_automask.painting.table import Facts, object_table
from napari_sam2_automask.selection.familiarity import familiarity
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.selection.selecting import Masks

__all__ = ["label_dtype", "paint", "painting_order"]


def paint(
    masks: Masks,
    *,
    overlap: str | None = None,
    image: ArrayLike | None = None,
    pixel_size: tuple[float, float] | None = None,
    unit: str | None = None,
    record: Mapping[str, Any] | None = None,
) -> Segmentation:
    """Paint overlapping masks into one label image and measure what is visible of each.

    Parameters
    ----------
    masks : Masks
        The chosen masks.
    overlap : {"small_on_top", "large_on_top", "best_score", "all_levels"}, optional
        Which of several masks a pixel goes to: the smallest, the largest, or the one of the best predicted
        IoU; or every mask whole on one of several levels. The settings' `overlap` when left out.
    image : array_like, shape (Y, X) or (Y, X, C), optional
        The image as measured; gives the column ``mean_intensity``.
    pixel_size : (float, float), optional
        The height and width of a pixel in `unit`; gives the area in physical units.
    unit : str, optional
        The unit of length, such as ``"um"``; without one there is no such area.
    record : mapping, optional
        The provenance to go with the result, see `make_record`. The number of objects and what each filter
        removed are added.

    Returns
    -------
    Segmentation
        Its table is that of `object_table`. Objects that others cover wholly are not in it; the record counts
        them. With all levels no object is covered.

    Raises
    ------
    SettingsError
        If the overlap policy is unknown or the pixel size is not a pair of positive numbers.
    ImageError
        If the image's shape does not fit the masks.
    """
    settings = masks.settings if overlap is None else masks.settings.replace(overlap=overlap)
    placed = masks.placed()
    labels = _paint_labels(placed, masks.shape, settings.overlap)
    layered = settings.overlap == ALL_LEVELS
    levels = paint_levels(masks.shape, placed, labels.dtype.type) if layered else None
    shown = labels if levels is None else levels
    table = object_table(shown, Facts.of_masks(masks), image=image, pixel_size=pixel_size, unit=unit)
    covered = len(masks.ids) - len(table)
    removed = {**masks.removed, "covered by others": covered} if covered else dict(masks.removed)
    full = {**(record or {}), "objects": len(table), "removed": {k: int(n) for k, n in removed.items()}}
    if masks.candidates.object_diameter:
        full["object_diameter"] = round(masks.candidates.object_diameter, 2)
    full |= familiarity(masks.candidates.disagreement, masks.predicted_iou)
    if pixel_size is not None:
        full |= {"pixel_size": [float(size) for size in pixel_size], "unit": unit}
    images = None if levels is None else levels.labels
    cells = None
    if settings.expand_distance > 0:
        cells = expand(labels, settings.expand_distance, sides_in_micrometres(pixel_size, unit, 2))
    return Segmentation(labels, table, settings, full, masks, images, cells)


def label_dtype(largest: int) -> type[np.uint16] | type[np.uint32] | type[np.uint64]:
    """Return the smallest dtype for label images whose largest id is `largest`."""
    if largest <= np.iinfo(np.uint16).max:
        return np.uint16
    return np.uint32 if largest <= np.iinfo(np.uint32).max else np.uint64


def painting_order(
    ids: NDArray[np.integer[Any]], areas: NDArray[np.integer[Any]], overlap: str
) -> NDArray[np.int64]:
    """Return in which order masks are painted: the last lies on top.

    Parameters
    ----------
    ids : (K,) int array
        Their labels, or whatever has the same order. A lower one is a better score and settles ties.
    areas : (K,) int array
        Pixels of the whole masks.
    overlap : str
        The overlap policy, see `paint`; of all levels small ones lie on top.

    Returns
    -------
    (K,) int64 array
        Positions in `ids`, the lowest first.
    """
    keys = {"large_on_top": areas, "best_score": np.zeros_like(areas)}.get(overlap, -areas)
    return np.lexsort((-ids, keys))


def _paint_labels(
    placed: Mapping[int, Placed], shape: tuple[int, int], overlap: str
) -> NDArray[np.unsignedinteger[Any]]:
    ids = np.array(list(placed), np.int64)
    labels = np.zeros(shape, dtype=label_dtype(int(ids.max(initial=0))))
    areas = np.array([one.area for one in placed.values()], np.int64)
    for label in ids[painting_order(ids, areas, overlap)].tolist():
        labels[placed[label].window][placed[label].mask] = label
    return labels

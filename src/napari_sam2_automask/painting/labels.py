"""Masks to one label image and a table with a row per object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.painting.levels import Levels, paint_levels
from napari_sam2_automask.painting.mask_store import Placed
from napari_sam2_automask.painting.segmentation import Segmentation
from napari_sam2_automask.settings.amg import ALL_LEVELS
from napari_sam2_automask.settings.units import known_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.selection.selecting import Masks

__all__ = ["label_dtype", "paint"]


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
        The image as measured; gives the column ``mean_intensity``. Colours are averaged, alpha left out.
    pixel_size : (float, float), optional
        The height and width of a pixel in `unit`; gives the area in physical units.
    unit : str, optional
        The unit of length, such as ``"um"``.
    record : mapping, optional
        The provenance to go with the result, see `make_record`. The number of objects and what each filter
        removed are added.

    Returns
    -------
    Segmentation
        Its table has the columns ``index`` (the id in the labels), ``predicted_iou``, ``stability_score``,
        ``area`` (pixels of that label, as `skimage.measure.regionprops` counts them), ``area_<unit>2`` (with
        `pixel_size`), ``mask_area`` (pixels of the whole mask, hidden ones included), ``bbox_y0``,
        ``bbox_x0``, ``bbox_y1``, ``bbox_x1`` (of the label, the last row and column excluded as in
        regionprops), ``point_y``, ``point_x`` (the point prompt), ``crop_y0``, ``crop_x0``, ``crop_y1``,
        ``crop_x1`` (the crop it was found in) and ``mean_intensity`` (with `image`; NaN and infinite pixels
        left out). Objects that others cover wholly are not in the table; the record counts them. With all
        levels no object is covered: each is measured whole on its level, and has the columns ``level`` and
        ``parent`` (the label of the smallest object that contains it, 0 for none).

    Raises
    ------
    SettingsError
        If the overlap policy is unknown or the pixel size is not a pair of positive numbers.
    ImageError
        If the image's shape does not fit the masks.
    """
    settings = masks.settings if overlap is None else masks.settings.replace(overlap=overlap)
    labels = _paint_labels(masks, settings.overlap)
    levels = _paint_levels(masks, labels.dtype.type) if settings.overlap == ALL_LEVELS else None
    shown = [labels] * len(masks.ids) if levels is None else _images_of(levels, masks)
    table = _measure(shown, masks, _intensity(image, masks.shape), pixel_size, unit)
    if levels is not None:
        levels.tell(table)
    covered = len(masks.ids) - len(table)
    removed = {**masks.removed, "covered by others": covered} if covered else dict(masks.removed)
    full = {**(record or {}), "objects": len(table), "removed": {k: int(n) for k, n in removed.items()}}
    if masks.candidates.object_diameter:
        full["object_diameter"] = round(masks.candidates.object_diameter, 2)
    if pixel_size is not None:
        full |= {"pixel_size": [float(size) for size in pixel_size], "unit": unit}
    images = None if levels is None else levels.labels
    return Segmentation(labels, table, settings, full, masks, images)


def label_dtype(largest: int) -> type[np.uint16] | type[np.uint32]:
    """Return the smallest dtype for label images whose largest id is `largest`."""
    return np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32


def _paint_labels(masks: Masks, overlap: str) -> NDArray[np.unsignedinteger[Any]]:
    ids = np.asarray(masks.ids, dtype=np.int64)
    labels = np.zeros(masks.shape, dtype=label_dtype(int(ids.max(initial=0))))
    areas = np.asarray(masks.areas, dtype=np.int64)
    # The last painted lies on top. A lower id is a better score and settles ties.
    keys = {"large_on_top": areas, "best_score": np.zeros_like(areas)}.get(overlap, -areas)
    for k in np.lexsort((-ids, keys)):
        window = labels[_window(masks.boxes[k])]
        window[masks.arrays[k]] = ids[k]
    return labels


def _paint_levels(masks: Masks, dtype: type[np.unsignedinteger[Any]]) -> Levels:
    corners = masks.boxes[:, [1, 0]].tolist()
    placed = {
        int(label): Placed(y0, x0, array, int(area))
        for label, (y0, x0), array, area in zip(masks.ids, corners, masks.arrays, masks.areas, strict=True)
    }
    return paint_levels(masks.shape, placed, dtype)


def _images_of(levels: Levels, masks: Masks) -> list[NDArray[np.unsignedinteger[Any]]]:
    """Return the label image that each mask is in."""
    return [levels.labels[n] for n in levels.level[np.searchsorted(levels.ids, masks.ids)]]


def _window(box: NDArray[np.integer[Any]]) -> tuple[slice, slice]:
    """Return the rows and columns of an inclusive x0, y0, x1, y1 box."""
    x0, y0, x1, y1 = (int(value) for value in box)
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def _intensity(image: ArrayLike | None, shape: tuple[int, int]) -> NDArray[Any] | None:
    if image is None:
        return None
    array = np.asarray(image)
    if array.shape[:2] != tuple(shape) or array.ndim not in (2, 3):
        raise ImageError(
            f"the image's shape {array.shape} does not fit the masks' {tuple(shape)}: "
            "pass the image that was segmented"
        )
    return array if array.ndim == 2 else array[..., :3]


def _measure(
    shown: Sequence[NDArray[np.unsignedinteger[Any]]],
    masks: Masks,
    image: NDArray[Any] | None,
    pixel_size: tuple[float, float] | None,
    unit: str | None,
) -> pd.DataFrame:
    """Return the table of what is visible of each mask in its label image."""
    import pandas as pd

    parts = _visible_parts(shown, masks, image)
    kept = np.array([part.row for part in parts], dtype=np.int64)
    area = np.array([part.area for part in parts], dtype=np.int64)
    crops = np.asarray(masks.crop_boxes, dtype=np.int64).reshape(-1, 4)[kept]
    points = np.asarray(masks.points, dtype=np.float64).reshape(-1, 2)[kept]
    boxes = np.array([part.box for part in parts], dtype=np.int64).reshape(-1, 4)
    columns = {
        "index": np.asarray(masks.ids, dtype=np.int64)[kept],
        "predicted_iou": np.asarray(masks.predicted_iou, dtype=np.float64)[kept],
        "stability_score": np.asarray(masks.stability_score, dtype=np.float64)[kept],
        "area": area,
        **_physical_area(area, pixel_size, unit),
        "mask_area": np.asarray(masks.areas, dtype=np.int64)[kept],
        **_named(boxes, "bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"),
        **_named(points[:, ::-1], "point_y", "point_x"),
        **_named(crops[:, [1, 0, 3, 2]], "crop_y0", "crop_x0", "crop_y1", "crop_x1"),
    }
    if image is not None:
        columns["mean_intensity"] = np.array([part.mean for part in parts], dtype=np.float64)
    return pd.DataFrame(columns)


class _Part(NamedTuple):
    """What is visible of the mask in row `row`; the box is y0, x0, y1, x1, the ends excluded."""

    row: int
    area: int
    box: tuple[int, int, int, int]
    mean: float


def _visible_parts(
    shown: Sequence[NDArray[np.unsignedinteger[Any]]], masks: Masks, image: NDArray[Any] | None
) -> list[_Part]:
    """Measure every mask that is visible, in order of the ids, looking at no pixel outside its box."""
    parts = []
    for k in np.argsort(np.asarray(masks.ids, dtype=np.int64)):
        rows, columns = _window(masks.boxes[k])
        visible = shown[k][rows, columns] == masks.ids[k]
        ys, xs = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
        if ys.size == 0:
            continue
        y0, x0 = rows.start, columns.start
        box = (int(y0 + ys[0]), int(x0 + xs[0]), int(y0 + ys[-1] + 1), int(x0 + xs[-1] + 1))
        mean = float("nan") if image is None else _mean(image[rows, columns][visible])
        parts.append(_Part(int(k), int(np.count_nonzero(visible)), box, mean))
    return parts


def _named(array: NDArray[Any], *names: str) -> dict[str, NDArray[Any]]:
    return dict(zip(names, array.T, strict=True))


def _mean(values: NDArray[Any]) -> float:
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")


def _physical_area(
    area: NDArray[np.int64], pixel_size: tuple[float, float] | None, unit: str | None
) -> dict[str, NDArray[np.float64]]:
    """Return the column of areas in `unit` squared, or nothing when the pixel size is not known."""
    if pixel_size is None:
        return {}
    try:
        height, width = (float(size) for size in pixel_size)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"pixel_size must be (height, width), but is {pixel_size!r}: give two numbers"
        ) from error
    if not (0 < height < np.inf and 0 < width < np.inf):
        raise SettingsError(
            f"pixel_size must be two positive numbers, but is {pixel_size!r}: give (height, width)"
        )
    name = known_unit(unit or "") or unit or "unit"
    return {f"area_{name}2": area.astype(np.float64) * (height * width)}

"""The rows of the objects that a layer shows: scores from the candidates, measures from the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates.lookups import lookups

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["live_table"]


def live_table(
    labels: NDArray[np.integer[Any]],
    candidates: Candidates,
    settings: AmgSettings,
    *,
    image: NDArray[Any] | None = None,
    pixel_area: tuple[str, float] | None = None,
) -> pd.DataFrame:
    """Measure every label that shows; for a thread that can wait.

    Parameters
    ----------
    labels : (Y, X) int array
        What the layer shows: candidates, by row plus one, and what a person painted.
    candidates : Candidates
        Where the scores come from.
    settings : AmgSettings
        The settings shown.
    image : (Y, X) or (Y, X, C) array, optional
        The image as measured, for ``mean_intensity``.
    pixel_area : (str, float), optional
        A column's name, and the area of a pixel in its unit.

    Returns
    -------
    DataFrame
        The columns of `paint`'s table, one row per label. Scores, prompt and crop of labels that are no
        candidate's are NaN.
    """
    import pandas as pd
    from scipy.ndimage import find_objects

    ids, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(labels.shape)
    boxes = np.array(
        [(y.start, x.start, y.stop, x.stop) for y, x in find_objects(inverse + 1)], np.int64
    ).reshape(-1, 4)
    shown = ids > 0
    ids, area, boxes = ids[shown].astype(np.int64), counts[shown], boxes[shown]
    known = ids <= len(candidates)
    rows = np.where(known, ids - 1, 0)
    measures = lookups(candidates).measures(settings)

    def of(values: NDArray[Any]) -> NDArray[np.float64]:
        if not len(candidates):
            return np.full(len(ids), np.nan)
        return np.where(known, np.asarray(values, np.float64)[rows], np.nan)

    crops = candidates.crop_boxes[candidates.crop_index] if len(candidates) else np.zeros((0, 4))
    columns = {
        "index": ids,
        "predicted_iou": of(candidates.predicted_iou),
        "stability_score": of(measures.stability),
        "area": area,
        **({pixel_area[0]: area * pixel_area[1]} if pixel_area else {}),
        "mask_area": of(measures.area),
        **dict(zip(("bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"), boxes.T, strict=True)),
        "point_y": of(candidates.points[:, 1]),
        "point_x": of(candidates.points[:, 0]),
        "crop_y0": of(crops[:, 1]),
        "crop_x0": of(crops[:, 0]),
        "crop_y1": of(crops[:, 3]),
        "crop_x1": of(crops[:, 2]),
    }
    if image is not None:
        columns["mean_intensity"] = _means(inverse, image, len(counts))[shown]
    return pd.DataFrame(columns)


def _means(index: NDArray[np.intp], image: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the mean of the finite values under each index; colours are averaged, alpha left out."""
    gray = image if image.ndim == 2 else image[..., :3].mean(-1)
    values = np.asarray(gray, np.float64)
    finite = np.isfinite(values)
    total = np.bincount(index[finite], values[finite], count)
    pixels = np.bincount(index[finite], minlength=count)
    means: NDArray[np.float64] = np.divide(total, pixels, out=np.full(count, np.nan), where=pixels > 0)
    return means

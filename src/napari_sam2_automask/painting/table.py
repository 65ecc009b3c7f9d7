"""The table of objects: a row for each, measured alike after a run and while sliders move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.image.intensity import colours_of, intensity_columns, mean_intensities
from napari_sam2_automask.measures.cells import cell_columns, expand
from napari_sam2_automask.measures.measuring import shape_columns, sides_in_micrometres
from napari_sam2_automask.painting.levels import Levels
from napari_sam2_automask.settings.measure_names import STATISTICS
from napari_sam2_automask.settings.units import in_micrometres

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.selection.selecting import Masks
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Facts", "object_table"]


class Facts(NamedTuple):
    """What is known of K objects beside the pixels that show, in any order.

    Attributes
    ----------
    ids : (K,) int64 array
        Their labels.
    predicted_iou, stability_score : (K,) float arrays
        The scores.
    mask_area : (K,) int64 array
        Pixels of the whole masks.
    points : (K, 2) float array
        The x, y of the prompts in image pixels.
    crop_boxes : (K, 4) int array
        ``x0, y0, x1, y1`` of the crops they were found in, end exclusive.
    measures : tuple of str
        What is measured of them besides, see `MEASURES`.
    expand : float
        How far they are grown to cells, in pixels; 0 if they are not.
    """

    ids: NDArray[np.int64]
    predicted_iou: NDArray[np.floating[Any]]
    stability_score: NDArray[np.floating[Any]]
    mask_area: NDArray[np.int64]
    points: NDArray[np.floating[Any]]
    crop_boxes: NDArray[np.integer[Any]]
    measures: tuple[str, ...] = ()
    expand: float = 0.0

    @classmethod
    def of_masks(cls, masks: Masks) -> Facts:
        """Return what is known of masks."""
        scores = masks.predicted_iou, masks.stability_score
        return cls(masks.ids, *scores, masks.areas, masks.points, masks.crop_boxes, *_asked(masks.settings))

    @classmethod
    def of_candidates(
        cls, candidates: Candidates, settings: AmgSettings, masks: Mapping[int, Placed]
    ) -> Facts:
        """Return what is known of all candidates at some settings; their labels are the rows plus one.

        Of those that the settings choose `masks` holds the whole masks by label, mended as they are.
        """
        measures = lookups(candidates).measures(settings)
        area = measures.area.copy()
        area[np.array(list(masks), np.int64) - 1] = [placed.area for placed in masks.values()]
        return cls(
            np.arange(1, len(candidates) + 1),
            candidates.predicted_iou,
            measures.stability,
            area,
            candidates.points,
            candidates.crop_boxes[candidates.crop_index],
            *_asked(settings),
        )


def object_table(
    shown: NDArray[np.integer[Any]] | Levels,
    facts: Facts,
    *,
    image: ArrayLike | None = None,
    pixel_size: tuple[float, float] | None = None,
    unit: str | None = None,
) -> pd.DataFrame:
    """Measure every object of which a pixel shows.

    Parameters
    ----------
    shown : (Y, X) int array, or Levels
        The label image; or all levels, on which no object is covered and each is measured whole.
    facts : Facts
        What is known of the objects. A label without facts is one that a person painted.
    image : array_like, shape (Y, X) or (Y, X, C), optional
        The image as measured; gives the column ``mean_intensity``.
    pixel_size : (float, float), optional
        The height and width of a pixel in `unit`.
    unit : str, optional
        The unit of length, such as ``"um"`` or ``"nanometer"``; with `pixel_size` it gives ``area_um2``.

    Returns
    -------
    DataFrame
        A row for each object, in order of the labels, with the columns

        - ``index`` (int64): its label;
        - ``predicted_iou``, ``stability_score`` (float64);
        - ``area`` (int64): the pixels of the label, as `skimage.measure.regionprops` counts them;
        - ``area_um2`` (float64): the same in square micrometres, with `pixel_size` in a unit of length;
        - ``mask_area`` (int64): pixels of the whole mask, hidden ones included;
        - ``bbox_y0``, ``bbox_x0``, ``bbox_y1``, ``bbox_x1`` (int64): the box of the label, the last row and
          column excluded as in regionprops;
        - ``point_y``, ``point_x`` (float64): the point prompt;
        - ``crop_y0``, ``crop_x0``, ``crop_y1``, ``crop_x1`` (int64): the crop it was found in, ends excluded;
        - ``mean_intensity`` (float64): with `image`, the mean of the samples that are finite and not masked,
          alpha left out; NaN where there is none, see `mean_intensities`;
        - the measures that the facts ask for (float64), see `napari_sam2_automask.measures.measure`; those of
          intensity with `image`, for each colour;
        - where they are grown to cells, areas and intensities in ring and cell, see `cell_columns`;
        - ``level``, ``parent`` (int64): with levels, where it lies, and the label of the smallest object that
          contains it, 0 for none.

        Labels without facts have NaN for scores, prompt, crop and ``mask_area``; where one has no value, a
        column of whole numbers is float64.

    Raises
    ------
    SettingsError
        If the pixel size is not a pair of positive numbers.
    ImageError
        If the image's shape does not fit the labels.
    """
    import pandas as pd

    labels = shown.labels if isinstance(shown, Levels) else shown
    places = places_of(labels)
    index = np.array(list(places), np.int64)
    area = np.array([np.count_nonzero(labels[place] == label) for label, place in places.items()], np.int64)
    boxes = np.array([(y.start, x.start, y.stop, x.stop) for *_, y, x in places.values()], np.int64)
    known = np.isin(index, facts.ids)
    order = np.argsort(facts.ids)
    rows = order[np.searchsorted(facts.ids, index[known], sorter=order)]

    def of(values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        found = np.full((len(index), *values.shape[1:]), np.nan)
        found[known] = values[rows]
        return found if np.isnan(found).any() else found.astype(dtype)

    columns = {
        "index": index,
        "predicted_iou": of(facts.predicted_iou, np.float64),
        "stability_score": of(facts.stability_score, np.float64),
        "area": area,
        **_physical_area(area, pixel_size, unit),
        "mask_area": of(facts.mask_area, np.int64),
        **_named(boxes.reshape(-1, 4), "bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"),
        **_named(of(facts.points, np.float64)[:, ::-1], "point_y", "point_x"),
        **_named(of(facts.crop_boxes, np.int64)[:, [1, 0, 3, 2]], "crop_y0", "crop_x0", "crop_y1", "crop_x1"),
    }
    if image is not None:
        columns["mean_intensity"] = mean_intensities([image], labels, places)[0]
    sides = sides_in_micrometres(pixel_size, unit, 2)
    columns |= shape_columns(labels, places, facts.measures, sides)
    statistics = [name for name in facts.measures if name in STATISTICS]
    if image is not None and statistics:
        columns |= intensity_columns(colours_of(image, 2), labels, places, statistics)
    if facts.expand > 0 and not isinstance(shown, Levels):
        statistics = statistics or ["intensity_mean"]
        cells = expand(labels, facts.expand, sides)
        channels = {} if image is None else colours_of(image, 2)
        columns |= cell_columns(labels, cells, places, channels, statistics, sides)
    table = pd.DataFrame(columns)
    if isinstance(shown, Levels):
        shown.tell(table)
    return table


def _asked(settings: AmgSettings) -> tuple[tuple[str, ...], float]:
    return settings.measures, settings.expand_distance


def _named(array: NDArray[Any], *names: str) -> dict[str, NDArray[Any]]:
    return dict(zip(names, array.T, strict=True))


def _physical_area(
    area: NDArray[np.int64], pixel_size: tuple[float, float] | None, unit: str | None
) -> dict[str, NDArray[np.float64]]:
    """Return the column of areas in micrometres, or nothing when the pixel size is not known."""
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
    pixel = in_micrometres((height, width), unit)
    return {} if pixel is None else {"area_um2": area.astype(np.float64) * pixel}

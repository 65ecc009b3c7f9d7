"""Objects counted and summed up region by region."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.measures.measuring import sides_in_micrometres
from napari_sam2_automask.settings.measure_names import is_measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["count_in_regions"]

#: A direction, of which a mean says nothing.
_DIRECTION = "orientation"


def count_in_regions(
    labels: NDArray[np.integer[Any]],
    regions: Mapping[str, ArrayLike],
    table: pd.DataFrame | None = None,
    *,
    pixel_size: Sequence[float] | None = None,
    unit: str | None = None,
) -> pd.DataFrame:
    """Count the objects of regions, and sum up what was measured of them.

    Parameters
    ----------
    labels : (Y, X) int array
        The objects.
    regions : mapping of str to (Y, X) bool array
        The regions by name; they may overlap.
    table : DataFrame, optional
        What was measured, a row for each label in ``index``.
    pixel_size : sequence of float, optional
        The height and width of a pixel in `unit`.
    unit : str, optional
        The unit of length.

    Returns
    -------
    DataFrame
        A row for each region, with the columns ``region``, ``area`` (pixels), ``objects`` (whose centre lies
        in it), ``covered`` (the share of its pixels that objects take), with a size of pixels ``area_um2``
        and ``objects_per_mm2``, and for each measure of the table its mean and standard deviation over the
        objects, such as ``circularity_mean`` and ``circularity_std``; NaN of a region without any.

    Raises
    ------
    ImageError
        If a region has another shape than the labels.
    """
    import pandas as pd

    places = places_of(labels)
    # The pixel that the centre lies in: centres of pixels are whole numbers.
    centres = [
        tuple(
            math.floor(points.mean() + side.start + 0.5)
            for points, side in zip((labels[p] == n).nonzero(), p, strict=True)
        )
        for n, p in places.items()
    ]
    ids = np.array(list(places), np.int64)
    measures = _measures(table, ids)
    sides = sides_in_micrometres(pixel_size, unit, 2)
    rows = []
    for name, given in regions.items():
        mask = np.asarray(given, bool)
        if mask.shape != labels.shape:
            raise ImageError(
                f"region {name} has the shape {mask.shape}, the labels {labels.shape}: give masks like it"
            )
        inside = np.array([mask[centre] for centre in centres], bool)
        area = int(np.count_nonzero(mask))
        row: dict[str, Any] = {"region": name, "area": area, "objects": int(inside.sum())}
        row["covered"] = np.count_nonzero(labels[mask] > 0) / area if area else np.nan
        if sides is not None:
            row["area_um2"] = area * sides[0] * sides[1]
            row["objects_per_mm2"] = row["objects"] / row["area_um2"] * 1e6 if area else np.nan
        for measure, values in measures.items():
            own = values[inside & np.isfinite(values)]
            row[f"{measure}_mean"] = float(own.mean()) if len(own) else np.nan
            row[f"{measure}_std"] = float(own.std()) if len(own) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def _measures(table: pd.DataFrame | None, ids: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the measures of a table, in the order of the labels."""
    if table is None or "index" not in table:
        return {}
    numbers = table.drop_duplicates("index").set_index("index").reindex(ids).select_dtypes("number")
    names = [str(name) for name in numbers if is_measure(str(name)) and name != _DIRECTION]
    return {name: numbers[name].to_numpy(np.float64) for name in names}

"""The numbers of a folder's results: every measure over all objects, and what lies far outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.settings.measure_names import is_measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.report.collecting import Result

__all__ = ["ENOUGH", "FENCE", "all_measures", "fences", "median_area", "odd_images"]

#: How far outside of the middle half is an outlier, in widths of it (Tukey), and from how many values on.
FENCE, ENOUGH = 1.5, 5


def numbers_of(result: Result) -> dict[str, NDArray[np.float64]]:
    """Return the measures of a result, by column."""
    numbers = result.table.select_dtypes("number")
    return {str(name): numbers[name].to_numpy(np.float64) for name in numbers if is_measure(str(name))}


def all_measures(results: Sequence[Result]) -> dict[str, NDArray[np.float64]]:
    """Return the finite values of each measure over all objects."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for one in results:
        for name, values in numbers_of(one).items():
            found.setdefault(name, []).append(values[np.isfinite(values)])
    joined = {name: np.concatenate(values) for name, values in found.items()}
    return {name: values for name, values in joined.items() if len(values) and np.ptp(values) > 0}


def fences(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return between which values no outlier lies; of too few values everything."""
    if len(values) < ENOUGH:
        return -np.inf, np.inf
    low, high = np.quantile(values, (0.25, 0.75))
    return float(low - FENCE * (high - low)), float(high + FENCE * (high - low))


def odd_images(results: Sequence[Result]) -> dict[str, list[str]]:
    """Return in what images differ from the others of the folder, by their names."""
    told: dict[str, list[str]] = {}
    count = np.array([len(one.table) for one in results], np.float64)
    area = np.array([median_area(one) for one in results])
    for values, few, many in (
        (count, "few objects", "many objects"),
        (area, "small objects", "large objects"),
    ):
        low, high = fences(values[np.isfinite(values)])
        for one, value in zip(results, values, strict=True):
            if value < low or value > high:
                told.setdefault(one.stem, []).append(few if value < low else many)
    return told


def median_area(result: Result) -> float:
    """Return the median area of the objects of a result, in pixels; NaN without any."""
    name = next((one for one in ("area", "mean_area") if one in result.table), None)
    return float(result.table[name].median()) if name and len(result.table) else np.nan

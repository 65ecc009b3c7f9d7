"""How large the pixels of an OME-Zarr are and where they lie: its coordinate transformations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.files.axis_names import AxisScale, axis_letters
from napari_sam2_automask.files.series import attributes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["place_in_multiscale", "scale_in_zarr"]

#: Scale and place of the first pixel along each axis.
_Place = tuple[list[float], list[float]]


def scale_in_zarr(path: Path, level: int = 0) -> tuple[dict[str, AxisScale], int]:
    """Return the scale of the axes of an OME-Zarr image, and of which level it is.

    A level without a scale of its own is told by that of full resolution. One without a translation lies
    where means of blocks lie: its first pixel in the middle of those of full resolution that it stands for.
    Raises whatever comes of a folder that is no OME-Zarr, or does not say.
    """
    attributes: Any = attributes_of(path)
    multiscale = attributes.get("ome", attributes)["multiscales"][0]
    axes = multiscale["axes"]
    full = _place(multiscale, 0, len(axes))
    try:
        steps, first = _place(multiscale, level, len(axes))
    except (LookupError, TypeError, ValueError, OverflowError):
        (steps, first), level = full, 0
    if level and not any(one["type"] == "translation" for one in _own(multiscale, level)):
        first = [at + (step - fine) / 2 for at, step, fine in zip(full[1], steps, full[0], strict=True)]
    units = [None if isinstance(axis, str) else axis.get("unit") for axis in axes]
    return dict(zip(axis_letters(axes), map(AxisScale, steps, units, first), strict=True)), level


def _own(multiscale: Mapping[str, Any], level: int) -> Sequence[Any]:
    found: Sequence[Any] = multiscale["datasets"][level].get("coordinateTransformations", ())
    return found


def _place(multiscale: Mapping[str, Any], level: int, count: int) -> _Place:
    own, of_all = _own(multiscale, level), multiscale.get("coordinateTransformations", ())
    if not any(one["type"] == "scale" for one in (own if level else [*own, *of_all])):
        raise ValueError("the image does not tell its scale")
    return place_in_multiscale(multiscale, level, count)


def _number(value: Any) -> float:
    """Return a number of JSON; NaN for true, text and what else is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def place_in_multiscale(multiscale: Mapping[str, Any], level: int, count: int) -> _Place:
    """Apply the transformations of a level, and after them those of all levels.

    Parameters
    ----------
    multiscale : mapping
        As OME-Zarr has it.
    level : int
        Which of its datasets.
    count : int
        How many axes it has.

    Returns
    -------
    steps, first : list of float
        The step along each axis, and where the first pixel lies; 1 and 0 where nothing tells, NaN for what is
        no number.

    Raises
    ------
    LookupError, TypeError, ValueError, OverflowError
        If one is damaged, or of a type that is not known.
    """
    steps, first = [1.0] * count, [0.0] * count
    for one in [*_own(multiscale, level), *multiscale.get("coordinateTransformations", ())]:
        if one["type"] == "identity":
            continue
        values = [_number(value) for value in one[one["type"]]]
        if one["type"] == "scale":
            steps = [step * value for step, value in zip(steps, values, strict=True)]
            first = [at * value for at, value in zip(first, values, strict=True)]
        elif one["type"] == "translation":
            first = [at + value for at, value in zip(first, values, strict=True)]
        else:
            raise ValueError(f"a transformation of the type {one['type']!r} is not known")
    return steps, first

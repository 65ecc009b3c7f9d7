"""How large pixels are and where they lie, from files to layers and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.files.axis_names import AxisScale, axis_letters
from napari_sam2_automask.files.pixel_size import FileScale, scale_of_axes
from napari_sam2_automask.settings.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["axes_of_layer", "names_of_axes", "place_in_layer", "scale_of_layer"]

_NAMES = {"T": "time", "Z": "z", "Y": "y", "X": "x"}


def axes_of_layer(meta: Mapping[str, Any], count: int) -> str:
    """Return one letter for each axis of a layer, from its other attributes; Q and on where they are none."""
    before = max(0, count - 2)
    letters = axis_letters([*map(str, meta.get("axis_labels", ())[:before]), "y", "x"])
    known = len(letters) == count and set(letters[:before]) <= set("TZC")
    return letters if known else "QRSTUVW"[:before] + "YX"


def scale_of_layer(meta: Mapping[str, Any], axes: str) -> FileScale:
    """Return how large the pixels of a layer are and where they lie, from its other attributes."""
    steps, units = meta.get("scale", ()), [str(unit) for unit in meta.get("units") or ()]
    first = meta.get("translate", [0.0] * len(axes))
    if not len(steps) == len(units) == len(first) == len(axes):
        return FileScale()
    return scale_of_axes(dict(zip(axes, map(AxisScale, steps, units, first), strict=True)))


def place_in_layer(scale: FileScale, axes: str) -> dict[str, Any]:
    """Return the attributes of a layer that say where it lies: none where no size of pixels is known.

    Parameters
    ----------
    scale : FileScale
        What the file says.
    axes : str
        One letter for each axis of the layer.
    """
    if scale.size is None:
        return {}
    *sides, unit = scale.size
    steps, first = dict(zip("ZYX", sides, strict=True)), dict(zip("ZYX", scale.origin, strict=True))
    about: dict[str, Any] = {
        "scale": tuple(steps.get(axis) or 1.0 for axis in axes),
        "units": tuple(UNITS[unit] if steps.get(axis) else "pixel" for axis in axes),
    }
    place = tuple(first[axis] if steps.get(axis) else 0.0 for axis in axes)
    return about | ({"translate": place} if any(place) else {})


def names_of_axes(axes: str) -> tuple[str, ...]:
    """Return what a layer calls axes."""
    return tuple(_NAMES.get(axis, axis.lower()) for axis in axes)

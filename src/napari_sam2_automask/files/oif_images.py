"""Olympus OIB and OIF files through oiffile: a TIFF for each plane, and settings that tell sizes."""

from __future__ import annotations

import math
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.axis_names import AxisScale, axis_letters
from napari_sam2_automask.files.stored_image import StoredImage, reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["image_by_oiffile", "scale_in_oif"]

_NAME = "oiffile"
# Files have at most so many axes.
_AXES = 8


def image_by_oiffile(path: Path) -> tuple[StoredImage, dict[str, AxisScale]]:
    """Return the image of a file, and the scale of its axes.

    Raises
    ------
    ImageError
        If it holds none, or oiffile cannot read it.
    """
    import zarr
    from oiffile import OifFile

    with reading(path, by=_NAME), OifFile(path) as file:
        if not file.series:
            raise ImageError(f"{path} holds no image: is the folder {path.name}.files beside it?")
        planes = file.series[0]  # more of them are reference images
        array: Any = zarr.open(planes.aszarr(), mode="r")
        stored = {int(np.ravel_multi_index(index, planes.shape)) for index in planes.indices}
        image = StoredImage(
            path,
            [tuple(map(int, array.shape))],
            np.dtype(array.dtype),
            partial(_open, path),
            axis_letters([*planes.axes, *"YXS"[: array.ndim - len(planes.axes)]]),
            absent=(dict.fromkeys({*range(math.prod(planes.shape))} - stored, ""),),
        )
        return image, scale_in_oif(file.mainfile)


def _open(path: Path, level: int) -> Any:
    import zarr
    from oiffile import OifFile

    with reading(path, by=_NAME):
        file = OifFile(path)
    array = zarr.open(file.series[0].aszarr(), mode="r")
    # The store reads through the open file; nobody else closes it.
    weakref.finalize(array, file.close)
    return array


def scale_in_oif(settings: Mapping[str, Any]) -> dict[str, AxisScale]:
    """Return the scale of the axes of which the main settings of an OIF tell."""
    scale = {}
    sides = settings.get("Reference Image Parameter", {})
    for axis, side in (("Y", "Height"), ("X", "Width")):
        scale[axis] = AxisScale(sides.get(f"{side}ConvertValue"), sides.get(f"{side}Unit"))
    for number in range(_AXES):
        told = settings.get(f"Axis {number} Parameters Common", {})
        if told.get("AxisCode") in ("Z", "T"):
            scale[told["AxisCode"]] = AxisScale(told.get("Interval"), told.get("PixUnit"))
    return {axis: one for axis, one in scale.items() if one.step is not None}

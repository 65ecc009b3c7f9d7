"""How large the pixels of a TIFF are, by whatever program wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.files.axis_names import AxisScale
from napari_sam2_automask.files.tiff_series import opened_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.files.ome_set import OmeImage, OmeSet
    from napari_sam2_automask.files.tiff_series import TiffSeries

__all__ = ["scale_in_tiff"]

_CENTIMETRE = 3
# What programs write as resolution that know none.
_SCREEN = 1 / 72


def scale_in_tiff(path: Path, series: int = 0) -> dict[str, AxisScale]:
    """Return the scale of the axes of which an image of a TIFF tells; raises what tifffile raises."""
    with opened_tiff(path) as opened:
        tiff, image = opened.tiff, opened.images[series]
        if opened.ome is not None:
            return _of_ome(opened.ome, image)
        if tiff.imagej_metadata:
            return _of_imagej(tiff)
        # What the first page says is true of the first series, and of it alone.
        first = tiff.pages.first
        if image.series is not tiff.series[0] and first not in list(image.series):
            return {}
        found = (read(tiff) for kind, read in _KINDS.items() if getattr(first, f"is_{kind}"))
        return next(found, {})


def _of_ome(told: OmeSet, image: TiffSeries) -> dict[str, AxisScale]:
    """Return what OME-XML tells of an image; of one that another format describes, if all are alike."""
    images = told.images if image.ome is None else [image.ome]
    every = [_of_pixels(one) for one in images]
    return every[0] if every and all(one == every[0] for one in every) else {}


def _of_pixels(image: OmeImage) -> dict[str, AxisScale]:
    pixels, place = image.pixels, image.place
    scales = {
        axis: _attribute(pixels, f"PhysicalSize{axis}", "µm")._replace(
            place=place.get(f"Position{axis}", 0.0),
            # Without a unit it is a number on the stage, whatever that counts in.
            place_unit=place.get(f"Position{axis}Unit", "reference frame"),
        )
        for axis in "ZYX"
    }
    scales["T"] = _attribute(pixels, "TimeIncrement", "s")
    return {axis: scale for axis, scale in scales.items() if scale.step is not None}


def _attribute(pixels: Any, name: str, unit: str) -> AxisScale:
    return AxisScale(pixels.get(name), pixels.get(f"{name}Unit", unit))


def _of_imagej(tiff: Any) -> dict[str, AxisScale]:
    metadata = tiff.imagej_metadata
    y, x = _resolution(tiff)
    unit = metadata.get("unit")
    # So does ImageJ itself.
    if unit == "um" and tiff.pages.first.tags.valueof("ResolutionUnit") == _CENTIMETRE:
        y, x = y * 10_000, x * 10_000
    if unit == "inch" and y == x == _SCREEN:
        unit = None
    return {
        "Z": AxisScale(metadata.get("spacing"), metadata.get("zunit", unit)),
        "Y": AxisScale(y, metadata.get("yunit", unit)),
        "X": AxisScale(x, unit),
        "T": AxisScale(metadata.get("finterval"), metadata.get("tunit", "s")),
    }


def _resolution(tiff: Any) -> tuple[float, float]:
    """Return height and width of a pixel by the tags, NaN where they tell none."""
    values = (tiff.pages.first.tags.valueof(f"{axis}Resolution", default=(0, 0)) for axis in "YX")
    y, x = (length / pixels if pixels else np.nan for pixels, length in values)
    return y, x


def _of_lsm(tiff: Any) -> dict[str, AxisScale]:
    metadata = tiff.lsm_metadata
    scales = {axis: AxisScale(metadata.get(f"VoxelSize{axis}", 0) * 1e6, "um") for axis in "ZYX"}
    return {**scales, "T": AxisScale(metadata.get("TimeIntervall"), "s")}


def _of_stk(tiff: Any) -> dict[str, AxisScale]:
    metadata = tiff.stk_metadata
    if not metadata.get("SpatialCalibration"):
        return {}
    unit = str(metadata.get("CalibrationUnits")).rstrip("\0")
    scales = {axis: AxisScale(metadata.get(f"{axis}Calibration"), unit) for axis in "YX"}
    return {**scales, "Z": AxisScale(np.ravel(metadata.get("ZDistance", 0))[0], unit)}


def _of_svs(tiff: Any) -> dict[str, AxisScale]:
    import tifffile

    side = tifffile.tifffile.svs_description_metadata(tiff.pages.first.description).get("MPP")
    return {axis: AxisScale(side, "um") for axis in "YX"}


def _of_ndpi(tiff: Any) -> dict[str, AxisScale]:
    if tiff.pages.first.tags.valueof("ResolutionUnit") != _CENTIMETRE:
        return {}
    return {axis: AxisScale(side * 10_000, "um") for axis, side in zip("YX", _resolution(tiff), strict=True)}


# In the order in which tifffile tells kinds.
_KINDS = {"lsm": _of_lsm, "stk": _of_stk, "svs": _of_svs, "ndpi": _of_ndpi}

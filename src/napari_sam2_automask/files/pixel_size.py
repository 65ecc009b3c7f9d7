"""How large pixels are, where they lie and how long a frame lasts, as image files say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.files.axis_names import AxisScale
from napari_sam2_automask.files.kinds import kind_of
from napari_sam2_automask.files.tiff_scale import scale_in_tiff
from napari_sam2_automask.files.vendor import vendor_images
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.files.zarr_scale import scale_in_zarr
from napari_sam2_automask.settings.numbers import LENGTH
from napari_sam2_automask.settings.units import OTHERS_BY_CASE, convert, known_unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FileScale", "PixelSize", "pixel_size_of", "scale_in_file", "scale_of_axes"]

# In micrometres: units of files that nobody types.
_OTHER_LENGTHS = {
    "fm": 1e-9, "femtometer": 1e-9, "pm": 1e-6, "picometer": 1e-6, "dm": 1e5, "decimeter": 1e5, "km": 1e9,
    "kilometer": 1e9, "in": 25400.0, "inch": 25400.0, "inches": 25400.0, "thou": 25.4, "mil": 25.4,
    "ft": 304800.0, "foot": 304800.0, "feet": 304800.0,
}  # fmt: skip
_SECONDS = {
    "ns": 1e-9, "nanosecond": 1e-9, "us": 1e-6, "microsecond": 1e-6, "ms": 1e-3, "millisecond": 1e-3,
    "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0,
    "d": 86400.0, "day": 86400.0,
}  # fmt: skip

#: Distance between planes (None where it is not known), height and width of a pixel, and the short unit.
PixelSize = tuple[float | None, float, float, str]


@dataclass(frozen=True, slots=True)
class FileScale:
    """What a file says of the place of an image's pixels.

    Attributes
    ----------
    spacing : (float or None, float, float) or None
        Distance between planes, where it is told, height and width of a pixel.
    unit : str or None
        The short name of the unit of length; None where the numbers are in none.
    origin : (float, float, float)
        Where the centre of the first pixel lies along Z, Y and X, in the same unit.
    interval : float or None
        Time between frames.
    start : float
        When the first frame was.
    time_unit : str or None
        The unit of both as the file has it.
    level : int
        The level of the pyramid of which all this is told.
    """

    spacing: tuple[float | None, float, float] | None = None
    unit: str | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    interval: float | None = None
    start: float = 0.0
    time_unit: str | None = None
    level: int = 0

    @classmethod
    def of_size(cls, size: PixelSize | None) -> FileScale:
        """Return the scale of pixels of a size, the first of which lies at 0."""
        return cls() if size is None else cls(spacing=size[:3], unit=size[3])

    @property
    def size(self) -> PixelSize | None:
        """How large a pixel is; None where it is not known in a unit of length."""
        return None if self.spacing is None or self.unit is None else (*self.spacing, self.unit)

    @property
    def seconds(self) -> float | None:
        """The time between frames in seconds, None where it is not known."""
        factor = self._seconds_of_unit
        return None if self.interval is None or factor is None else self.interval * factor

    @property
    def start_seconds(self) -> float:
        """When the first frame was, in seconds; 0 where that is not known."""
        return self.start * (self._seconds_of_unit or 0.0)

    @property
    def _seconds_of_unit(self) -> float | None:
        unit = (self.time_unit or "").strip().lower()
        return _SECONDS.get(unit, _SECONDS.get(unit.removesuffix("s")))


def pixel_size_of(path: str | Path, series: int = 0) -> PixelSize | None:
    """Return how large the pixels of an image are at full resolution, None where the file does not tell.

    Parameters
    ----------
    path : str or Path
        The file.
    series : int
        Which image of a TIFF with several.

    Notes
    -----
    OME, ImageJ, Aperio SVS, Hamamatsu NDPI, Zeiss LSM and MetaMorph STK count, OME-Zarr, and vendor files.
    What other programs write as the resolution of a TIFF seldom means anything. Axes in different units of
    length are told in that of X.
    """
    path = given_path(path)
    return scale_in_file(path, series).size


def scale_in_file(path: Path, series: int = 0, level: int = 0) -> FileScale:
    """Return what a file says of the place of an image's pixels.

    Whatever is damaged, is no number or lies outside of what can be counts as not told; nothing is raised.

    Parameters
    ----------
    path, series
        As for `pixel_size_of`.
    level : int
        Which level of a pyramid; where the file does not tell of it, full resolution is told.
    """
    try:
        kind, start = kind_of(path)
        if kind == "Zarr":
            axes, level = scale_in_zarr(path, level)
            return scale_of_axes(axes, level)
        if kind == "vendor":
            return scale_of_axes(vendor_images(path, start)[series].scale)
        found = scale_of_axes(scale_in_tiff(path, series))
    except Exception:  # parsers raise whatever they meet; who reads the pixels says if the file is damaged
        return FileScale()
    # A TIFF without a unit has a resolution all the same, which means nothing.
    return found if found.unit is not None else replace(found, spacing=None, origin=(0.0, 0.0, 0.0))


def scale_of_axes(axes: Mapping[str, AxisScale], level: int = 0) -> FileScale:
    """Return the scale of an image from that of each axis, by its letter, in one unit of length."""
    steps = {axis: step for axis, one in axes.items() if (step := _number(one.step) or 0.0) > 0}
    time = axes.get("T", AxisScale(None))
    told = FileScale(
        interval=steps.get("T"),
        start=_number(time.place) or 0.0,
        time_unit=str(time.unit or "") if "T" in axes else None,
        level=level,
    )
    if not {"Y", "X"} <= steps.keys():
        return told
    lengths = {axis: _length(axes[axis].unit) for axis in "ZYX" if axis in steps}
    unit = lengths["X"][0] if lengths["X"] and lengths["Y"] else None

    def told_in_unit(axis: str, value: Any, own_unit: Any = None) -> float | None:
        """Return a length along an axis in the unit of all, or as it is if there is none."""
        number, length = _number(value), lengths.get(axis) if own_unit is None else _length(own_unit)
        if number is None or unit is None:
            return number
        return None if length is None else convert(number * length[1], length[0], unit)

    z, y, x = (told_in_unit(axis, steps.get(axis)) for axis in "ZYX")
    if y is None or x is None:
        return told
    at = {axis: told_in_unit(axis, axes[axis].place, axes[axis].place_unit) or 0.0 for axis in lengths}
    return replace(told, spacing=(z, y, x), unit=unit, origin=(at.get("Z", 0.0), at["Y"], at["X"]))


def _number(value: Any) -> float | None:
    """Return a number whose cube is finite and not 0 either, None for anything else."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):  # to Python they are numbers
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == 0 or LENGTH.minimum <= abs(number) <= LENGTH.maximum else None


def _length(unit: Any) -> tuple[str, float] | None:
    """Return the unit of length that is meant, and how many of it; None if it is no length."""
    text = str(unit or "")
    short = known_unit(text)
    if short is not None:
        return short, 1.0
    if text.strip() in OTHERS_BY_CASE:
        return None
    factor = _OTHER_LENGTHS.get(text.strip().lower().replace("metre", "meter"))
    return None if factor is None else ("um", factor)

"""How large a pixel is, as image files say it, and the names of the units of length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UNITS", "PixelSize", "long_unit", "pixel_size_of", "short_unit"]

#: Units of length: the short name, for columns of tables, and the one of UDUNITS-2, for OME-Zarr.
UNITS = {
    "angstrom": "angstrom", "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter",
}  # fmt: skip
_OTHER_NAMES = {
    "å": "angstrom", "nanometre": "nm", "µm": "um", "μm": "um", "\\u00b5m": "um", "micron": "um",
    "microns": "um", "micrometre": "um", "millimetre": "mm", "centimetre": "cm", "metre": "m",
}  # fmt: skip
_SHORT = {long: short for short, long in UNITS.items()} | {short: short for short in UNITS} | _OTHER_NAMES
# What files say that do not know their pixel size.
_NO_UNIT = ("", "pixel", "pixels", "px", "null", "none", "inch")

#: Distance between planes (None where it is not known), height and width of a pixel, and the short unit.
PixelSize = tuple[float | None, float, float, str]


def short_unit(name: str) -> str:
    """Return the short name of a unit of length.

    Raises
    ------
    SettingsError
        If the unit is not known.
    """
    found = _SHORT.get(name.strip().lower())
    if found is None:
        raise SettingsError(f"unknown unit {name!r}: choose from {', '.join(UNITS)}")
    return found


def long_unit(name: str) -> str:
    """Return the name of a unit of length in UDUNITS-2; SettingsError if it is not known."""
    return UNITS[short_unit(name)]


def pixel_size_of(path: Path) -> PixelSize | None:
    """Return how large the pixels of a TIFF (OME, ImageJ) or OME-Zarr are, None where the file does not tell.

    Raises
    ------
    ImageError
        If the file gives sizes in a unit that is not known; it has to be said then.
    """
    found = _of_zarr(path) if path.is_dir() else _of_tiff(path)
    if found is None:
        return None
    z, y, x, unit = found
    if unit.strip().lower() in _NO_UNIT or min(y, x) <= 0:
        return None
    try:
        return (z if z is not None and z > 0 else None), y, x, short_unit(unit)
    except SettingsError as error:
        raise ImageError(
            f"{path} gives its pixel size in {unit!r}, which is no known unit: say it with --spacing and "
            "--unit, or --unit pixel for none"
        ) from error


def _of_tiff(path: Path) -> tuple[float | None, float, float, str] | None:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            if tiff.ome_metadata:
                return _of_ome(tifffile.xml2dict(tiff.ome_metadata))
            return _of_imagej(tiff) if tiff.imagej_metadata else None
    except (OSError, ValueError, KeyError, TypeError, tifffile.TiffFileError):
        return None


def _of_ome(data: dict[str, Any]) -> tuple[float | None, float, float, str] | None:
    image = data["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    if "PhysicalSizeX" not in pixels or "PhysicalSizeY" not in pixels:
        return None
    unit = str(pixels.get("PhysicalSizeXUnit", "um"))
    z = pixels.get("PhysicalSizeZ")
    return (
        None if z is None else float(z),
        float(pixels["PhysicalSizeY"]),
        float(pixels["PhysicalSizeX"]),
        unit,
    )


def _of_imagej(tiff: Any) -> tuple[float | None, float, float, str] | None:
    tags = tiff.pages[0].tags
    x, y = (tags.get(name) for name in ("XResolution", "YResolution"))
    if x is None or y is None or 0 in (*x.value, *y.value):
        return None
    z = tiff.imagej_metadata.get("spacing")
    (x_pixels, x_length), (y_pixels, y_length) = x.value, y.value
    unit = str(tiff.imagej_metadata.get("unit", "")).replace("\\u00B5", "u")
    return None if z is None else float(z), y_length / y_pixels, x_length / x_pixels, unit


def _of_zarr(path: Path) -> tuple[float | None, float, float, str] | None:
    import zarr

    try:
        attributes: Any = dict(zarr.open_group(path, mode="r").attrs)
        multiscale = attributes.get("ome", attributes)["multiscales"][0]
        (scale,) = (
            t["scale"] for t in multiscale["datasets"][0]["coordinateTransformations"] if t["type"] == "scale"
        )
        axes = {axis["name"].lower(): (float(s), axis.get("unit", "")) for axis, s in
                zip(multiscale["axes"], scale, strict=True)}  # fmt: skip
        (y, unit), (x, _) = axes["y"], axes["x"]
    except Exception:  # no OME-Zarr, or one that does not say
        return None
    return axes["z"][0] if "z" in axes else None, y, x, unit or ""

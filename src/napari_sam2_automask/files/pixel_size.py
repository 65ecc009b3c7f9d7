"""How large a pixel is, as image files say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.stored_image import reading
from napari_sam2_automask.settings.units import known_unit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PixelSize", "pixel_size_of"]

# What files say that do not know their pixel size.
_NO_UNIT = ("", "pixel", "pixels", "px", "null", "none", "inch")

#: Distance between planes (None where it is not known), height and width of a pixel, and the short unit.
PixelSize = tuple[float | None, float, float, str]


def pixel_size_of(path: Path, series: int = 0, *, any_unit: bool = False) -> PixelSize | None:
    """Return how large the pixels of a TIFF (OME, ImageJ) or OME-Zarr are, None where the file does not tell.

    Parameters
    ----------
    path : Path
        The file.
    series : int
        Which image of a TIFF with several.
    any_unit : bool
        Leave a unit that is not known as it is, in place of refusing it.

    Raises
    ------
    ImageError
        If the file gives sizes in a unit that is not known; it has to be said then.

    Notes
    -----
    OME and ImageJ count: what other programs write as the resolution of a TIFF seldom means anything.
    """
    with reading(path):
        found = _of_zarr(path) if path.is_dir() else _of_tiff(path, series)
    if found is None:
        return None
    z, y, x, unit = found
    if unit.strip().lower() in _NO_UNIT or min(y, x) <= 0:
        return None
    if known_unit(unit) is None and not any_unit:
        raise ImageError(
            f"{path} gives its pixel size in {unit!r}, which is no known unit: say it with --spacing and "
            "--unit, or --unit pixel for none"
        )
    return (z if z is not None and z > 0 else None), y, x, known_unit(unit) or unit


def _of_tiff(path: Path, series: int) -> tuple[float | None, float, float, str] | None:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            return _in_tiff(tiff, series)
    except (OSError, ValueError, KeyError, TypeError, tifffile.TiffFileError):
        return None


def _in_tiff(tiff: Any, series: int = 0) -> tuple[float | None, float, float, str] | None:
    import tifffile

    if tiff.ome_metadata:
        return _of_ome(tifffile.xml2dict(tiff.ome_metadata), series)
    return _of_imagej(tiff) if tiff.imagej_metadata else None


def _of_ome(data: dict[str, Any], series: int) -> tuple[float | None, float, float, str] | None:
    image = data["OME"]["Image"]
    pixels = (image[series] if isinstance(image, list) else image)["Pixels"]
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

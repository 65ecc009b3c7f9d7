"""Label images as TIFFs that tell Fiji, QuPath and others how large their pixels are."""

from __future__ import annotations

import uuid
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.files.own_results import SOFTWARE
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.settings.units import convert, known_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.files.pixel_size import PixelSize

__all__ = ["size_in_record", "write_labels"]

# What ImageJ opens: these axes in this order, of one byte or two; a file of its own kind ends at 4 GB.
_IMAGEJ_AXES = ("YX", "ZYX", "TYX", "TZYX")
_IMAGEJ_BYTES = 2**32 - 2**25


def size_in_record(record: Mapping[str, Any]) -> PixelSize | None:
    """Return how large the pixels of a picture are by the record of its run, None if that does not tell."""
    side, unit = record.get("pixel_size"), record.get("unit")
    return (None, *side, unit) if side and unit else None


def write_labels(
    file: IO[bytes],
    labels: NDArray[Any],
    axes: str = "YX",
    size: PixelSize | None = None,
    interval: float | None = None,
) -> None:
    """Write a label image as a compressed TIFF that ImageJ, QuPath and napari open.

    Parameters
    ----------
    file : binary file
        Where to.
    labels : (..., Y, X) int array
        The labels.
    axes : str
        One letter for each axis: Y, X, Z and T; others are planes of no kind that these programs know.
    size : PixelSize, optional
        Distance between planes, if known, height and width of a pixel, and their unit. It is written in
        micrometres, as ImageJ metadata or, where ImageJ has no such labels, as OME-TIFF.
    interval : float, optional
        Seconds between frames.
    """
    import tifffile

    told = _in_micrometres(size) | ({"T": interval} if "T" in axes and interval else {})
    how: dict[str, Any] = {"metadata": {"axes": axes}}
    labels = _smaller(labels) if told else labels
    if told and labels.dtype.itemsize <= 4:
        how = _as_imagej(axes, told) if _is_for_imagej(labels, axes) else _as_ome(labels, axes, told)
    tifffile.imwrite(file, labels, compression="zlib", photometric="minisblack", software=SOFTWARE, **how)


def _in_micrometres(size: PixelSize | None) -> dict[str, float]:
    unit = None if size is None else known_unit(size[3])
    if size is None or unit is None:
        return {}
    sides = zip("ZYX", size[:3], strict=True)
    return {axis: convert(float(side), unit, "um") for axis, side in sides if side is not None}


def _smaller(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels of 64 bits in 32, which more programs read, if they fit."""
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    wide = labels.dtype.kind == "b" or labels.dtype.itemsize > 4
    fits = np.result_type(np.min_scalar_type(low), np.min_scalar_type(high), "u2" if low >= 0 else "i4")
    return labels.astype(fits) if wide and fits.itemsize <= 4 else labels


def _is_for_imagej(labels: NDArray[Any], axes: str) -> bool:
    return axes in _IMAGEJ_AXES and labels.dtype.char in "BH" and labels.nbytes < _IMAGEJ_BYTES


def _as_imagej(axes: str, told: Mapping[str, float]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": axes}
    resolution = None
    if "X" in told:
        metadata["unit"], resolution = "um", (1 / told["X"], 1 / told["Y"])
    metadata |= {name: told[axis] for axis, name in (("Z", "spacing"), ("T", "finterval")) if axis in told}
    return {"imagej": True, "byteorder": "<", "resolution": resolution, "metadata": metadata}


def _as_ome(labels: NDArray[Any], axes: str, told: Mapping[str, float]) -> dict[str, Any]:
    # The same labels give the same file.
    metadata: dict[str, Any] = {"axes": axes, "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, image_hash(labels)))}
    names = {axis: (f"PhysicalSize{axis}", "µm") for axis in "XYZ"} | {"T": ("TimeIncrement", "s")}
    for axis, value in told.items():
        name, unit = names[axis]
        metadata |= {name: value, f"{name}Unit": unit}
    how: dict[str, Any] = {"ome": True, "metadata": metadata}
    if "X" in told:
        how |= {"resolution": (10_000 / told["X"], 10_000 / told["Y"]), "resolutionunit": "CENTIMETER"}
    return how

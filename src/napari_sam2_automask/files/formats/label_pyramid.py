"""Labels as an OME-Zarr of several levels: in a folder, or in a zip file of their own."""

from __future__ import annotations

import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.painting.labels import label_dtype
from napari_sam2_automask.settings.units import long_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.files.formats.outlined import Outlines
    from napari_sam2_automask.files.pixel_size import FileScale

__all__ = ["add_folder", "labels_ozx", "write_label_pyramid"]

#: The largest side of the smallest level, and of a chunk.
_SMALLEST, _CHUNK = 256, 1024


def write_label_pyramid(
    folder: Path,
    labels: NDArray[np.integer[Any]],
    axes: list[dict[str, Any]],
    scale: list[float],
    version: str,
    source: str = "",
    place: Sequence[float] = (),
) -> None:
    """Write labels as an OME-Zarr group: a level has every second row and column of the one before.

    Parameters
    ----------
    folder : Path
        Where to; nothing is there.
    labels : (..., Y, X) int array
        The labels, from 0.
    axes : list of dict
        As OME-Zarr tells them, one for each axis.
    scale : list of float
        The step along each axis.
    version : {"0.4", "0.5"}
        Of OME-Zarr.
    source : str
        The image relative to the labels; empty where it is elsewhere.
    place : sequence of float
        Where the first pixel lies along each axis; 0 if left out. That of every level lies there.
    """
    import zarr

    group: Any = zarr.create_group(str(folder), zarr_format=3 if version == "0.5" else 2)
    unsigned = labels.astype(label_dtype(int(labels.max(initial=0))))
    datasets: list[dict[str, Any]] = []
    level = unsigned
    while True:
        number = str(len(datasets))
        chunks = (*(1 for _ in level.shape[:-2]), *(min(_CHUNK, max(1, side)) for side in level.shape[-2:]))
        more: dict[str, Any] = (
            {"dimension_names": [axis["name"] for axis in axes]} if version == "0.5" else {}
        )
        array = group.create_array(number, shape=level.shape, chunks=chunks, dtype=level.dtype, **more)
        array[...] = level
        factor = 2.0 ** len(datasets)
        own = [step * (factor if at >= len(scale) - 2 else 1) for at, step in enumerate(scale)]
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": own}]
        if any(place):
            steps.append({"type": "translation", "translation": list(place)})
        datasets.append({"path": number, "coordinateTransformations": steps})
        if max(level.shape[-2:]) <= _SMALLEST:
            break
        level = level[..., ::2, ::2]
    multiscale: dict[str, Any] = {"axes": axes, "datasets": datasets, "name": "labels"}
    about: dict[str, Any] = {"version": version, **({"source": {"image": source}} if source else {})}
    told = {"image-label": about}
    if version == "0.5":
        group.attrs.put({"ome": {"version": version, "multiscales": [multiscale], **told}})
    else:
        group.attrs.put({"multiscales": [{"version": version, **multiscale}], **told})


def labels_ozx(outlines: Outlines) -> bytes:
    """Return a zip file with the labels as an OME-Zarr of version 0.5, which lie where `scale` says."""
    labels = outlines.labels()
    names = [outlines.axis, "y", "x"][3 - labels.ndim :]
    axes: list[dict[str, Any]] = [
        {"name": name, "type": "time" if name == "t" else "space"} for name in names
    ]
    told = [_along(outlines.scale, name) for name in names]
    for axis, (_, _, unit) in zip(axes, told, strict=True):
        axis |= {"unit": unit} if unit else {}
    scale, place = [one[0] for one in told], [one[1] for one in told]
    made = BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(made, "w") as file:
        write_label_pyramid(Path(folder) / "a", labels, axes, scale, "0.5", place=place)
        add_folder(file, Path(folder) / "a", "")
    return made.getvalue()


def _along(scale: FileScale, axis: str) -> tuple[float, float, str]:
    """Return the step along an axis, where its first pixel lies, and the unit of both if there is one."""
    if axis == "t":
        if scale.seconds is not None:
            return scale.seconds, scale.start_seconds, "second"
        return scale.interval or 1.0, 0.0 if scale.interval is None else scale.start, ""
    at = "zyx".index(axis)
    side = None if scale.spacing is None else scale.spacing[at]
    if side is None:
        return 1.0, 0.0, ""
    return side, scale.origin[at], long_unit(scale.unit) if scale.unit else ""


def add_folder(file: zipfile.ZipFile, folder: Path, start: str) -> None:
    """Put the files of a folder into a zip as they are, descriptions first; `start` precedes their names."""
    found = sorted((one for one in folder.rglob("*") if one.is_file()), key=lambda one: len(one.parts))
    for one in found:
        file.write(one, start + one.relative_to(folder).as_posix())

"""Labels inside the OME-Zarr of their image, in ``labels/NAME``, where napari and others look for them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.atomic import sync, write_one
from napari_sam2_automask.disk.json_file import json_bytes, read_json
from napari_sam2_automask.disk.leftovers import free_path
from napari_sam2_automask.disk.output_errors import writing
from napari_sam2_automask.errors import FormatError, ImageError, OutputNameError
from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.series import attributes_of, is_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["write_zarr_labels"]

#: The largest side of the smallest level, and of a chunk.
_SMALLEST, _CHUNK = 256, 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_KIND = "an OME-Zarr image"


def write_zarr_labels(
    image: Path, labels: NDArray[np.integer[Any]], name: str = "sam2_automask", *, overwrite: bool = False
) -> Path:
    """Write labels into the OME-Zarr of their image.

    They are written aside and moved into their place when they are whole; then the list of labels names them.

    Parameters
    ----------
    image : Path
        An OME-Zarr image of version 0.4 or 0.5; the labels get the same version.
    labels : int array
        Of the shape of its first level without the channels; axes of length 1 may be left out.
    name : str
        What the labels are called: letters, digits, ``_``, ``-`` and ``.``.
    overwrite : bool
        Replace labels of that name; those that are there are kept otherwise.

    Returns
    -------
    Path
        The group of the labels, ``labels/NAME`` in the image.

    Raises
    ------
    FormatError
        If the labels have another shape than the image, or are no whole numbers from 0.
    ImageError
        If it is no OME-Zarr image.
    OutputNameError
        If there are labels of that name, or the name cannot be.
    OutputError
        If they cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise OutputNameError(f"labels cannot be called {name[:99]!r}: choose letters, digits, _ and -")
    if not image.is_dir() or not is_zarr(image):
        raise ImageError(f"{image} is no OME-Zarr: give {_KIND}")
    told, axes, scale = _described(image)
    whole = _fitting(image, np.asarray(labels), axes)
    folder = image / "labels"
    target = folder / name
    if any(one.is_symlink() for one in (image, folder, target)):
        raise OutputNameError(f"{target} leads elsewhere by a link: give the folder that it leads to")
    if target.exists() and not overwrite:
        raise OutputNameError(f"{target} is there already: choose another name, or overwrite it")
    with writing(target):
        folder.mkdir(exist_ok=True)
        draft, aside = free_path(folder), free_path(folder)
        try:
            _write(draft, whole, [axis for axis in axes if axis["name"] != "c"], scale, told)
            if target.exists():
                target.replace(aside)
            draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            if aside.exists() and not target.exists():
                aside.replace(target)
            shutil.rmtree(aside, ignore_errors=True)
        sync(folder)
    _list(folder, name, told)
    return target


def _described(image: Path) -> tuple[str, list[dict[str, Any]], list[float]]:
    """Return version and axes of an image, and the scale of its first level without channels."""
    attributes = attributes_of(image)
    ome = attributes.get("ome", attributes)
    try:
        (multiscale, *_) = ome["multiscales"]
        axes = [dict(axis) for axis in multiscale["axes"]]
        names = [str(axis["name"]) for axis in axes]
        version = "0.5" if "ome" in attributes else "0.4"
        steps = multiscale["datasets"][0].get("coordinateTransformations", [])
        scales = [one["scale"] for one in steps if one.get("type") == "scale"]
        scale = [float(one) for one in scales[0]] if scales else [1.0] * len(axes)
        if len(scale) != len(axes) or names[-2:] != ["y", "x"] or not set(names) <= set("tczyx"):
            raise ValueError("its axes are not those of an image")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ImageError(f"{image} is no OME-Zarr image of version 0.4 or 0.5: give {_KIND}") from error
    return version, axes, [step for step, axis in zip(scale, names, strict=True) if axis != "c"]


def _fitting(
    image: Path, labels: NDArray[np.integer[Any]], axes: list[dict[str, Any]]
) -> NDArray[np.integer[Any]]:
    """Return labels with all axes of the image but channels."""
    (stored,) = images_in(image)
    sides = zip(stored.shapes[0], axes, strict=True)
    shape = tuple(side for side, axis in sides if axis["name"] != "c")
    fits = [side for side in labels.shape if side > 1] == [side for side in shape if side > 1]
    if labels.dtype.kind not in "iu" or not fits or (labels.size and int(labels.min()) < 0):
        raise FormatError(
            f"{image} takes labels of whole numbers from 0 of the shape {shape}, not {labels.dtype} of "
            f"{labels.shape}: give the labels of that image"
        )
    return labels.reshape(shape)


def _write(
    folder: Path,
    labels: NDArray[np.integer[Any]],
    axes: list[dict[str, Any]],
    scale: list[float],
    version: str,
) -> None:
    """Write a pyramid: from level to level every second row and column, so that numbers stay."""
    import zarr

    group: Any = zarr.create_group(str(folder), zarr_format=3 if version == "0.5" else 2)
    unsigned = labels.astype(np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32)
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
        datasets.append({"path": number, "coordinateTransformations": [{"type": "scale", "scale": own}]})
        if max(level.shape[-2:]) <= _SMALLEST:
            break
        level = level[..., ::2, ::2]
    multiscale: dict[str, Any] = {"axes": axes, "datasets": datasets, "name": "labels"}
    source: dict[str, Any] = {"image-label": {"version": version, "source": {"image": "../../"}}}
    if version == "0.5":
        group.attrs.put({"ome": {"version": version, "multiscales": [multiscale], **source}})
    else:
        group.attrs.put({"multiscales": [{"version": version, **multiscale}], **source})


def _list(folder: Path, name: str, version: str) -> None:
    """Name the labels in the list of labels, which is made if there is none."""
    path = folder / ("zarr.json" if version == "0.5" else ".zattrs")
    whole = read_json(path, "a list of labels", ImageError) if path.exists() else {}
    if version == "0.5":
        whole = whole or {"zarr_format": 3, "node_type": "group", "attributes": {}}
        place = whole.setdefault("attributes", {}).setdefault("ome", {"version": version})
    else:
        place = whole
        if not (folder / ".zgroup").exists():
            write_one(folder / ".zgroup", json_bytes({"zarr_format": 2}))
    place["labels"] = list(dict.fromkeys([*place.get("labels", []), name]))
    write_one(path, json_bytes(whole))

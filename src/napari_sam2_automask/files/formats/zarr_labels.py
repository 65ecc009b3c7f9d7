"""Labels inside the OME-Zarr of their image, in ``labels/NAME``, where napari and others look for them."""

from __future__ import annotations

import copy
import re
import shutil
import zipfile
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.atomic import sync, write_one
from napari_sam2_automask.disk.json_file import LIMIT, json_bytes, parse_json, read_json
from napari_sam2_automask.disk.leftovers import free_path
from napari_sam2_automask.disk.output_errors import writing
from napari_sam2_automask.errors import FormatError, ImageError, OutputNameError
from napari_sam2_automask.files.formats.label_pyramid import add_folder, write_label_pyramid
from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.series import attributes_of, is_zarr
from napari_sam2_automask.files.web_address import Address, given_path
from napari_sam2_automask.files.zarr_places import ZipPlace, is_zipped_zarr, zip_of
from napari_sam2_automask.files.zarr_scale import place_in_multiscale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "LABELS", "check_name_of_labels", "check_zarr_labels", "has_zarr_labels", "write_zarr_labels",
    "zarr_labels_placed",
]  # fmt: skip

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_KIND = "an OME-Zarr image"
#: How often a list of labels is written that others change meanwhile.
_TRIES = 9
#: What labels are called where nobody says.
LABELS = "sam2_automask"


def write_zarr_labels(
    image: str | Path, labels: NDArray[np.integer[Any]], name: str = LABELS, *, overwrite: bool = False
) -> Path:
    """Write labels into the OME-Zarr of their image.

    They are written aside and moved into their place when they are whole; then the list of labels names them.

    Parameters
    ----------
    image : str or Path
        An OME-Zarr image of version 0.4 or 0.5, in a folder or a zip file; the labels get the same version.
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
    image = given_path(image)
    with zarr_labels_placed(image, labels, name, overwrite=overwrite) as target:
        return target


@contextmanager
def zarr_labels_placed(
    image: Path, labels: NDArray[np.integer[Any]], name: str, *, overwrite: bool = False
) -> Iterator[Path]:
    """Write labels as `write_zarr_labels` does, into their place when what is done meanwhile succeeds."""
    labels = np.asarray(labels)
    target = check_zarr_labels(image, labels.shape, name, overwrite=overwrite)
    if labels.dtype.kind not in "iu" or (labels.size and int(labels.min()) < 0):
        raise FormatError(f"{image} takes labels of whole numbers from 0, not {labels.dtype}: give such")
    told, axes, scale, place = _described(image)
    flat = [axis for axis in axes if axis["name"] != "c"]
    file = zip_of(image)
    draft = free_path(image if file is None else file.parent)
    try:
        with writing(target):
            write_label_pyramid(
                draft, labels.reshape(_shape(image, axes)), flat, scale, told, "../../", place
            )
        yield target
        with writing(target):
            if file is None:
                _place(draft, target, told)
            else:
                write_one(file, lambda new: _zip_with(image, draft, name, told, new))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _place(draft: Path, target: Path, version: str) -> None:
    """Move labels into their place in a folder, and name them in the list of labels."""
    folder = target.parent
    folder.mkdir(exist_ok=True)
    aside = free_path(folder)
    try:
        if target.exists():
            target.replace(aside)
        draft.replace(target)
    finally:
        if aside.exists() and not target.exists():
            aside.replace(target)
        shutil.rmtree(aside, ignore_errors=True)
    sync(folder)
    _list(folder, target.name, version)


def _zip_with(image: Path, draft: Path, name: str, version: str, file: IO[bytes]) -> None:
    """Write a zipped image anew, with labels added."""
    place = ZipPlace(image)
    with closing(place), zipfile.ZipFile(file, "w") as new:
        new.comment = place.comment
        listed = f"labels/{'zarr.json' if version == '0.5' else '.zattrs'}"
        data = place.read(listed, None, LIMIT)
        whole = {} if data is None else parse_json(data, image / listed, "a list of labels", ImageError)
        # The new description of the labels comes in place of the old one.
        new.writestr(place.start + listed, json_bytes(_with_name(whole, name, version)))
        marks = [f"{place.start}labels/.zgroup"] if version != "0.5" else []
        for mark in marks:
            new.writestr(mark, json_bytes({"zarr_format": 2}))
        place.copy(new, lambda key: key != listed and not key.startswith(f"labels/{name}/"), marks)
        add_folder(new, draft, f"{place.start}labels/{name}/")


def has_zarr_labels(image: Path, name: str) -> bool:
    """Tell whether there are labels of a name in the OME-Zarr of their image."""
    if not is_zipped_zarr(image):
        return (image / "labels" / name).exists()
    with closing(ZipPlace(image)) as place:
        return any(key.startswith(f"labels/{name}/") for key in place.keys())  # noqa: SIM118


def check_zarr_labels(image: Path, shape: Sequence[int], name: str, *, overwrite: bool = False) -> Path:
    """Return where labels of a shape go in an OME-Zarr; raises what `write_zarr_labels` raises."""
    target = check_name_of_labels(image, name, overwrite=overwrite)
    wanted = _shape(image, _described(image)[1])
    if [side for side in shape if side > 1] != [side for side in wanted if side > 1]:
        raise FormatError(
            f"{image} takes labels of the shape {wanted}, not {tuple(shape)}: give those of the whole "
            "image, of stacks linked ones"
        )
    return target


def check_name_of_labels(image: Path, name: str, *, overwrite: bool = False) -> Path:
    """Return where labels go in an OME-Zarr; raises what `write_zarr_labels` raises."""
    if not _NAME.fullmatch(name):
        raise OutputNameError(f"labels cannot be called {name[:99]!r}: choose letters, digits, _ and -")
    if isinstance(image, Address) or not is_zarr(image):
        raise ImageError(f"{image} is no OME-Zarr: give {_KIND}")
    target = image / "labels" / name
    if any(one.is_symlink() for one in (zip_of(image) or image, target.parent, target)):
        raise OutputNameError(f"{target} leads elsewhere by a link: give the folder that it leads to")
    if not overwrite and has_zarr_labels(image, name):
        raise OutputNameError(f"{target} is there already: choose another name, or overwrite it")
    return target


def _described(image: Path) -> tuple[str, list[dict[str, Any]], list[float], list[float]]:
    """Return version and axes of an image; scale and place of its first level, without channels."""
    attributes = attributes_of(image)
    ome = attributes.get("ome", attributes)
    try:
        (multiscale, *_) = ome["multiscales"]
        axes = [dict(axis) for axis in multiscale["axes"]]
        names = [str(axis["name"]) for axis in axes]
        version = "0.5" if "ome" in attributes else "0.4"
        steps, first = place_in_multiscale(multiscale, 0, len(axes))
        if not np.isfinite([*steps, *first]).all():
            raise ValueError("nothing tells where it lies")
        if names[-2:] != ["y", "x"] or not set(names) <= set("tczyx"):
            raise ValueError("its axes are not those of an image")
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ImageError(f"{image} is no OME-Zarr image of version 0.4 or 0.5: give {_KIND}") from error
    kept = [at for at, name in enumerate(names) if name != "c"]
    return version, axes, [steps[at] for at in kept], [first[at] for at in kept]


def _shape(image: Path, axes: list[dict[str, Any]]) -> tuple[int, ...]:
    """Return the shape of an image without its channels."""
    (stored,) = images_in(image)
    return tuple(side for side, axis in zip(stored.shapes[0], axes, strict=True) if axis["name"] != "c")


def _list(folder: Path, name: str, version: str) -> None:
    """Name labels in the list of labels, which is made if there is none."""
    path = folder / ("zarr.json" if version == "0.5" else ".zattrs")
    if version != "0.5" and not (folder / ".zgroup").exists():
        write_one(folder / ".zgroup", json_bytes({"zarr_format": 2}))
    for _ in range(_TRIES):
        whole = read_json(path, "a list of labels", ImageError) if path.exists() else {}
        listed = _with_name(whole, name, version)
        if listed == whole:
            return
        # Another process may have read the list before, and write it after: it is looked at again.
        write_one(path, json_bytes(listed))


def _with_name(whole: Any, name: str, version: str) -> dict[str, Any]:
    """Return the description of the group of labels with one more name in its list."""
    found: dict[str, Any] = copy.deepcopy(whole)
    place = found
    if version == "0.5":
        found = found or {"zarr_format": 3, "node_type": "group", "attributes": {}}
        place = found.setdefault("attributes", {}).setdefault("ome", {"version": version})
    place["labels"] = list(dict.fromkeys([*place.get("labels", []), name]))
    return found

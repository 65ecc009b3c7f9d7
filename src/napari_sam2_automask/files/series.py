"""Zarrs that hold several images: plates, and the layout of bioformats2raw. What their images are called."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.disk.json_file import LIMIT, parse_json, read_json
from napari_sam2_automask.errors import AutomaskError, ImageError
from napari_sam2_automask.files.stored_image import reading
from napari_sam2_automask.files.web_address import Address
from napari_sam2_automask.files.zarr_places import MARKS, ZIPPED, is_zipped_zarr, place_of, zarrs_in_zip

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.files.zarr_parts import Place

__all__ = ["attributes_of", "images_in_zarr", "is_zarr", "name_of"]

_KIND = "an OME-Zarr image"
# What images of one Zarr are called that no description names.
_NUMBER = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)


def is_zarr(path: Path) -> bool:
    """Tell whether a folder or a zip file is a Zarr array or group; a web address is taken for one."""
    if isinstance(path, Address) or any((path / mark).is_file() for mark in MARKS):
        return True
    return is_zipped_zarr(path)


def attributes_of(path: Path) -> dict[str, Any]:
    """Return the attributes of a Zarr group or array, as its files tell them.

    Raises
    ------
    ImageError
        If they are no JSON object.
    """
    told = _told_by(path, "zarr.json")
    if told is not None:
        told = told.get("attributes", {}) if isinstance(told, dict) else ""
    else:
        told = _told_by(path, ".zattrs")
    told = {} if told is None else told
    if not isinstance(told, dict):
        raise ImageError(f"{path} cannot be read, its attributes are no JSON object: give {_KIND}")
    return told


def _told_by(path: Path, key: str) -> Any:
    """Return what a JSON file of a Zarr says; None if there is none."""
    place = None if path.is_dir() else place_of(path)
    if place is None:
        return read_json(path / key, _KIND, ImageError) if (path / key).is_file() else None
    data = place.read(key, None, LIMIT)
    return None if data is None else parse_json(data, path / key, _KIND, ImageError)


def images_in_zarr(path: Path) -> list[Path]:
    """Return the images of a Zarr: one, or the fields of a plate, or the series that bioformats2raw wrote.

    Parameters
    ----------
    path : Path
        A Zarr array, an OME-Zarr image, a well, a plate, or a group of images called 0, 1, 2 ...; or a zip
        file of several of these.

    Returns
    -------
    list of Path
        Wells and images that are absent or damaged among them: who opens them says what is wrong.

    Raises
    ------
    ImageError
        If it holds none, or its description is damaged.
    """
    with reading(path):
        side_by_side = zarrs_in_zip(path)
        found = [image for one in side_by_side for image in _images_or_itself(one)] or _images_in_one(path)
    if not found:
        raise ImageError(f"{path} is a Zarr group without an OME-Zarr image: give the path of an array in it")
    return found


def _images_in_one(path: Path) -> list[Path]:
    import zarr

    from napari_sam2_automask.files.zarr_store import open_zarr

    return [path] if isinstance(open_zarr(path), zarr.Array) else _images_of(path)


def _images_or_itself(path: Path) -> list[Path]:
    """Return the images of one Zarr of several; of a damaged one itself, so that whoever opens it says so."""
    try:
        with reading(path):
            return _images_in_one(path)
    except ImageError:
        return [path]


def _images_of(path: Path) -> list[Path]:
    # Held while it is gone through, so that a zip file is opened once.
    place = None if path.is_dir() else place_of(path)
    attributes = _ome(path)
    if "plate" in attributes:
        wells = _told_inside(path, attributes["plate"], "wells")
        return [image for well in wells for image in _fields(well)]
    if "well" in attributes:
        return _fields(path)
    if "multiscales" in attributes:
        return [path]
    if isinstance(path, Address):
        return []
    names = {one.name for one in path.iterdir()} if place is None else _folders_in(place)
    numbers = sorted(int(name) for name in names if _NUMBER.fullmatch(name) and is_zarr(path / name))
    return [path / str(n) for n in numbers if _may_be_image(path / str(n))]


def _folders_in(place: Place) -> set[str]:
    return {key.partition("/")[0] for key in place.keys() or () if "/" in key}


def _inside(path: Path, name: Any) -> Path:
    """Return what lies in a Zarr under a name that it tells, whether it is there or not.

    Raises
    ------
    ImageError
        If the name leads out of it.
    """
    # Lone surrogates are no name of a file on any system.
    text = str(name).encode(errors="backslashreplace").decode().replace("\0", "\\0")
    if PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts:
        raise ImageError(
            f"{path} cannot be read, it tells of an image outside of it ({text[:60]}): replace it"
        )
    return path / text


def _told_inside(path: Path, attributes: Any, what: str) -> list[Path]:
    """Return the wells, or the images of a well, that a Zarr tells of.

    In place of one whose entry is damaged or leads out of it stands what is not there, such as ``wells[3]``,
    so that whoever opens it says so. If all are, the error of the first is raised.
    """
    found, wrong = [], []
    for k, entry in enumerate(attributes[what]):
        try:
            found.append(_inside(path, entry["path"]))
        except (AutomaskError, LookupError, TypeError) as error:
            found.append(path / f"{what}[{k}]")
            wrong.append(error)
    if wrong and len(wrong) == len(found):
        raise wrong[0]
    return found


def _fields(well: Path) -> list[Path]:
    """Return the images of a well; the well itself if it does not tell of any."""
    try:
        return _told_inside(well, _ome(well)["well"], "images") or [well]
    except (AutomaskError, LookupError, TypeError):
        return [well]


def _may_be_image(path: Path) -> bool:
    try:
        return "multiscales" in _ome(path)
    except AutomaskError:
        return True


def _ome(path: Path) -> dict[str, Any]:
    attributes = attributes_of(path)
    found = attributes.get("ome", attributes)
    return found if isinstance(found, dict) else {}


def name_of(path: Path) -> str:
    """Return a name for the results of an image: of one inside a Zarr, with the Zarr's name before."""
    root = next((one for one in (path, *path.parents) if one.suffix.lower() == ".zarr"), None)
    if root is None:
        root = next((one for one in (path, *path.parents) if one.name.lower().endswith(ZIPPED)), None)
    if root is None:
        return path.name if path.is_dir() else path.stem
    ending = next((one for one in ZIPPED if root.name.lower().endswith(one)), root.suffix)
    stem = root.name[: -len(ending)].removesuffix(".ome")
    return "_".join([stem, *path.relative_to(root).parts])

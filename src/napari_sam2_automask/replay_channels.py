"""The channels of a record from the viewer: found in their files by their pixels, shown as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.channels import Look
from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.image import image_hash
from napari_sam2_automask.reading import LoadedImage
from napari_sam2_automask.stack_reading import every_plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["channels_of", "load_channels"]


def channels_of(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a record says about several channels of a viewer; None for one of a single image."""
    viewer = record.get("viewer")
    found = viewer.get("channels") if isinstance(viewer, dict) else None
    return found if isinstance(found, dict) else None


def load_channels(
    channels: Mapping[str, Any], path: Path, given: Path | None = None, level: int = 0
) -> tuple[LoadedImage, Path]:
    """Read the channels of a record.

    Parameters
    ----------
    channels : mapping
        From `channels_of`.
    path : Path
        The record; files that are no longer where they were are looked for beside it.
    given : Path, optional
        The file that holds all channels, or the folder that holds their files.
    level : int
        Which level of a pyramid; 0 is full resolution.

    Returns
    -------
    image : LoadedImage
        The channels on the last axis, with their looks.
    source : Path
        The file of the first channel.

    Raises
    ------
    ImageError
        If a file is missing, or does not hold the channel's pixels.
    SettingsError
        If the record does not say enough: it was made by an earlier version, or edited.
    """
    try:
        how, entries = channels["how"], list(channels["channels"])
        looks = tuple(_look(entry) for entry in entries)
        names = [(str(e["name"]), e["path"]) for e in entries]
        pixels = [(str(e["sha256"]), np.dtype(e["dtype"])) for e in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"the record does not say enough about its channels ({error}): run again and save"
        ) from error
    files = [_file(name, known, path, given) for name, known in names]
    arrays = [
        _find(file, level, name, *one) for file, (name, _), one in zip(files, names, pixels, strict=True)
    ]
    image = LoadedImage(np.stack(arrays, -1), False, channels=how, looks=looks)
    return image, files[0]


def _look(entry: Mapping[str, Any]) -> Look:
    limits = entry["contrast_limits"]
    limits = None if limits is None else (float(limits[0]), float(limits[1]))
    if "colours" not in entry:  # channels by themselves are gray
        return Look(limits)
    colours = tuple(tuple(float(value) for value in colour) for colour in entry["colours"])
    return Look(limits, colours, float(entry["gamma"]), float(entry["opacity"]), str(entry["blending"]))


def _file(name: str, known: str | None, path: Path, given: Path | None) -> Path:
    if given is not None and not given.is_dir():
        return given
    if known is None:
        raise ImageError(f"channel {name!r} was not read from a file: give the file that holds all channels")
    places = (
        [given / Path(known).name] if given is not None else [Path(known), path.parent / Path(known).name]
    )
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ImageError(f"{known}, the file of channel {name!r}, is not where it was: give its folder")
    return found


def _find(file: Path, level: int, name: str, sha256: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the plane of a file that holds these pixels in some type."""
    for plane in every_plane(file, level):
        array = plane.array.astype(dtype, copy=False)
        if image_hash(array) == sha256:
            return array
    raise ImageError(
        f"{file} does not hold the pixels of channel {name!r} (SHA-256 {sha256[:12]}...): give the file that "
        "was segmented"
    )

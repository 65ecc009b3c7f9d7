"""The channels of a record from the viewer: found in their files by their pixels, shown as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.files.reading import every_plane
from napari_sam2_automask.image.channels import Look
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.image.view import image_hash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.replay.viewer_planes import ViewerCut

__all__ = ["channels_of", "load_channels"]


def channels_of(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a record says about several channels of a viewer; None for one of a single image."""
    viewer = record.get("viewer")
    found = viewer.get("channels") if isinstance(viewer, dict) else None
    return found if isinstance(found, dict) else None


def load_channels(
    channels: Mapping[str, Any],
    path: Path,
    given: Path | None = None,
    cut: ViewerCut | None = None,
    number: int = 0,
) -> tuple[LoadedImage, Path]:
    """Read the channels of one plane of a record.

    Parameters
    ----------
    channels : mapping
        From `channels_of`.
    path : Path
        The record; files that are no longer where they were are looked for beside it.
    given : Path, optional
        The file that holds all channels, or the folder that holds their files.
    cut : ViewerCut, optional
        How the viewer cut planes out of the files.
    number : int
        Which of these planes; the record holds hashes of the first one's channels.

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
    array = None if cut is None else cut.stacked(files, number)
    if number == 0 and (array is None or not _same(array, pixels)):
        level = 0 if cut is None else cut.level
        found = [
            _find(file, level, name, *one) for file, (name, _), one in zip(files, names, pixels, strict=True)
        ]
        array = np.stack(found, -1)
    if array is None:
        raise ImageError(f"{files[0]} has no plane {number} of the record: give the file that was segmented")
    return LoadedImage(array, False, channels=how, looks=looks), files[0]


def _same(array: NDArray[Any], pixels: Sequence[tuple[str, np.dtype[Any]]]) -> bool:
    """Tell whether the channels (Y, X, C) have the pixels of the record."""
    return array.shape[-1] == len(pixels) and all(
        image_hash(array[..., k].astype(dtype, copy=False)) == sha256
        for k, (sha256, dtype) in enumerate(pixels)
    )


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

"""The channels of a record from the viewer: found in their files by their pixels, shown as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.reading import every_plane
from napari_sam2_automask.image.channels import Look
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.image.view import image_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.record.entries import Channel, Channels
    from napari_sam2_automask.replay.viewer_planes import ViewerCut

__all__ = ["LONGEST", "load_channels"]

#: Characters that a message shows of a name in a record.
LONGEST = 200


def load_channels(
    channels: Channels,
    path: Path,
    given: Path | None = None,
    cut: ViewerCut | None = None,
    number: int = 0,
) -> tuple[LoadedImage, Path]:
    """Read the channels of one plane of a record.

    Parameters
    ----------
    channels : Channels
        What the record says of them.
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
    """
    files = [_file(channel, path, given) for channel in channels.channels]
    array = None if cut is None else cut.stacked(files, number)
    if number == 0 and (array is None or not _same(array, channels)):
        level = 0 if cut is None else cut.level
        found = [_find(file, level, one) for file, one in zip(files, channels.channels, strict=True)]
        array = np.stack(found, -1)
    if array is None:
        raise ImageError(f"{files[0]} has no plane {number} of the record: give the file that was segmented")
    looks = tuple(_look(channel) for channel in channels.channels)
    return LoadedImage(array, False, channels=channels.how, looks=looks), files[0]


def _same(array: NDArray[Any], channels: Channels) -> bool:
    """Tell whether the channels (Y, X, C) have the pixels of the record."""
    return array.shape[-1] == len(channels.channels) and all(
        image_hash(array[..., k].astype(channel.dtype, copy=False)) == channel.sha256
        for k, channel in enumerate(channels.channels)
    )


def _look(channel: Channel) -> Look:
    if channel.colours is None:  # channels by themselves are gray
        return Look(channel.contrast_limits)
    return Look(channel.contrast_limits, channel.colours, channel.gamma, channel.opacity, channel.blending)


def _file(channel: Channel, path: Path, given: Path | None) -> Path:
    name, known = channel.name, channel.path
    if given is not None and not given.is_dir():
        return given
    if known is None:
        raise ImageError(f"channel {name!r} was not read from a file: give the file that holds all channels")
    places = (
        [given / Path(known).name] if given is not None else [Path(known), path.parent / Path(known).name]
    )
    found = next((place for place in places if os.path.exists(place)), None)
    if found is None:
        raise ImageError(
            f"{known[:LONGEST]}, the file of channel {name!r}, is not where it was: give its folder"
        )
    return found


def _find(file: Path, level: int, channel: Channel) -> NDArray[Any]:
    """Return the plane of a file that holds a channel's pixels in some type."""
    for plane in every_plane(file, level):
        array = plane.array.astype(channel.dtype, copy=False)
        if image_hash(array) == channel.sha256:
            return array
    raise ImageError(
        f"{file} does not hold the pixels of channel {channel.name!r} (SHA-256 {channel.sha256[:12]}...): "
        "give the file that was segmented"
    )

"""Image files of any kind to single planes, counted over everything that a file holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.stack_file import Stack, check_plane, stack_of
from napari_sam2_automask.files.stored_image import check_whole
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.settings.numbers import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_sam2_automask.files.stored_image import StoredImage
    from napari_sam2_automask.image.picture import LoadedImage

__all__ = ["every_plane", "image_of_plane", "read_beside", "read_image", "read_picked"]


def read_image(path: str | Path, plane: int | None = None) -> LoadedImage:
    """Read one plane of an image file.

    Parameters
    ----------
    path : str or Path
        The file; what it is is told by its content, not by its name.
    plane : int, optional
        Which plane to take of a file with several, counted from 0 over all its images, channels counted as
        planes, with the last axis fastest.

    Raises
    ------
    ImageError
        If the file cannot be read, is no image, or holds several planes and none was chosen.
    """
    path = given_path(path)
    return _plane(path, images_in(path), plane)


def read_picked(path: str | Path, pick: Pick) -> LoadedImage:
    """Read the picture that a pick asks for.

    Its number alone counts the planes of all images of a file; whoever says more has chosen one of them.

    Parameters
    ----------
    path : str or Path
        The file.
    pick : Pick
        What to take of it.

    Raises
    ------
    ImageError
        If the file cannot be read, or does not hold what is to be taken of it.
    """
    return read_image(path, pick.plane) if pick.is_plain else stack_of(path, pick).read(pick)


def read_beside(path: str | Path, plane: int | None) -> LoadedImage:
    """Read labels or a mask of one plane of an image: of several planes that one, of one that there is.

    Parameters
    ----------
    path : str or Path
        The file.
    plane : int or None
        Which plane of the image, if it has several.

    Raises
    ------
    ImageError
        As `read_image`.
    """
    path = given_path(path)
    images = images_in(path)
    return _plane(path, images, plane if sum(image.count(0) for image in images) > 1 else None)


def every_plane(path: str | Path, level: int = 0) -> Iterator[LoadedImage]:
    """Read all planes of a file, one after the other, channels counted as planes.

    Parameters
    ----------
    path : str or Path
        The file.
    level : int
        Which level of a pyramid; 0 is full resolution.

    Raises
    ------
    ImageError
        If the file cannot be read or has no such level.
    """
    path = given_path(path)
    images = images_in(path)
    total = sum(image.count(level) for image in images)
    for plane in range(total):
        yield _plane(path, images, plane if total > 1 else None, level)


def image_of_plane(images: Sequence[StoredImage], plane: int, level: int = 0) -> tuple[int, int]:
    """Return of which image a plane is that is counted over all of them, and which of its planes it is."""
    ends = np.cumsum([image.count(level) for image in images]).tolist()
    series = int(np.searchsorted(ends, plane, side="right"))
    return series, plane - (ends[series - 1] if series else 0)


def _plane(path: Path, images: Sequence[StoredImage], plane: int | None, level: int = 0) -> LoadedImage:
    """Read one plane, counted over all images."""
    if plane is None:
        check_whole(path, images[0].cut_off, ", or choose a plane that is left with --plane")
    number, first = 0 if plane is None else WHOLE.check(plane, "plane"), images[0]
    total = sum(image.count(level) for image in images)
    check_plane(plane, total, f"{path} ({first.likely_axes} {'x'.join(map(str, first.shapes[level]))})")
    series, number = image_of_plane(images, number, level)
    return replace(Stack.of(images[series], level=level, series=series).read(Pick(number)), plane=plane)

"""Open an image file of any kind without reading more of it than has to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.gaps import WithGaps
from napari_sam2_automask.files.kinds import kind_of
from napari_sam2_automask.files.raster import images_in_raster
from napari_sam2_automask.files.series import is_zarr
from napari_sam2_automask.files.stored_image import StoredImage, reading
from napari_sam2_automask.files.tiff import images_in_tiff
from napari_sam2_automask.files.vendor import vendor_images
from napari_sam2_automask.files.web_address import Address, given_path
from napari_sam2_automask.files.zarr_image import missing_chunks, zarr_image
from napari_sam2_automask.settings.numbers import WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "absent_in", "check_chunks", "count_series", "images_in", "left_out", "level_shapes", "open_file",
    "series_of",
]  # fmt: skip


def images_in(path: Path) -> list[StoredImage]:
    """Return the images of a file: those of a TIFF, the scenes of a vendor file, otherwise usually one.

    Parameters
    ----------
    path : Path
        A TIFF, PNG, JPEG, BMP, WebP, GIF or ``.npy`` file, told by its first bytes whatever its name; a
        vendor file that something reads that is installed; a Zarr array, or an OME-Zarr image.

    Raises
    ------
    ImageError
        If there is no such file, it cannot be read, or it is of no such kind.
    """
    with reading(path):
        kind, start = kind_of(path)
        if kind == "Zarr":
            return [zarr_image(path)]
        if kind == "vendor":
            return [one.image for one in vendor_images(path, start)]
        if kind == "TIFF":
            return images_in_tiff(path)
        if kind == "npy":
            return [StoredImage.of(path, [np.load(path, mmap_mode="r", allow_pickle=False)])]
        return images_in_raster(path, start)


def count_series(path: str | Path) -> int:
    """Return how many images a TIFF, or scenes a vendor file, holds; 1 for any other file.

    Thumbnails, labels of slides, overviews and masks that lie beside the images are not counted.
    """
    path = given_path(path)
    try:
        return len(images_in(path))
    except ImageError:
        return 1  # whoever opens it says what is wrong


def left_out(path: Path) -> tuple[str, ...]:
    """Return what a file holds besides its images: thumbnails, labels of slides, overviews and masks."""
    try:
        return images_in(path)[0].left_out
    except ImageError:
        return ()


def check_chunks(path: Path, series: int | None = None, level: int = 0) -> None:
    """Refuse a Zarr that lacks chunks: writers leave empty ones out, and so does a copy that broke off.

    Whoever says that they are meant to be empty (``--allow-missing``) goes on without this. At a web address
    it cannot be told.

    Parameters
    ----------
    path : Path
        Any file.
    series : int, optional
        Which image of a file with several.
    level : int
        Which level of a pyramid.

    Raises
    ------
    ImageError
        If chunks, or shards of them, are not stored.
    """
    if isinstance(path, Address) or not is_zarr(path):
        return
    try:
        array = series_of(images_in(path), series).array(level)
        missing = missing_chunks(array)
    except ImageError:
        return  # whoever reads it says what is wrong
    if missing:
        raise ImageError(
            f"{path} lacks {missing:,} of its chunks, which read as {array.fill_value}: it may be a broken "
            "copy. If they are meant to be empty, allow missing chunks (--allow-missing)"
        )


def absent_in(path: Path) -> str:
    """Return what is said of planes that a file tells of and that are nowhere; empty if there are none."""
    try:
        arrays = [image.array() for image in images_in(path)]
    except ImageError:
        return ""  # whoever reads it says what is wrong
    return next((array.told() for array in arrays if isinstance(array, WithGaps)), "")


def series_of(images: Sequence[StoredImage], number: int | None) -> StoredImage:
    """Return one of a file's images; `ImageError` if there is no such, or several and none is chosen."""
    count, path = len(images), images[0].path
    others = f" ({', '.join(images[0].left_out)} left out)" if images[0].left_out else ""
    if number is None:
        if count > 1:
            choice = f"choose with --series N, from 0 to {count - 1}, or all"
            raise ImageError(f"{path} holds {count} series{others}: {choice}")
        number = 0
    if not 0 <= WHOLE.check(number, "series") < count:
        raise ImageError(f"{path} has {count} series{others}; there is no series {number}")
    return images[number]


def open_file(path: str | Path, level: int = 0, series: int | None = 0) -> tuple[Any, str]:
    """Open an image file.

    Parameters
    ----------
    path : str or Path
        Any that `images_in` takes.
    level : int
        Which level of a pyramid.
    series : int or None
        Which image of a file with several; None for the only one.

    Returns
    -------
    array
        Can be sliced; what is asked for is read. PNG, JPEG and the like are read whole.
    str
        Its axes, empty if the file does not tell.

    Raises
    ------
    ImageError
        If there is no such file, level or series, or it cannot be read.
    """
    path = given_path(path)
    image = series_of(images_in(path), series)
    return image.array(level), image.axes


def level_shapes(path: Path, series: int = 0) -> tuple[list[tuple[int, ...]], str]:
    """Return the shapes of all levels of an image file, full resolution first, and its axes.

    Parameters
    ----------
    path, series
        As for `open_file`.

    Returns
    -------
    list of tuple of int
        One shape where the image has no pyramid.
    str
        The axes, empty if the file does not tell.

    Raises
    ------
    ImageError
        If there is no such file or series, or it cannot be read.
    """
    image = series_of(images_in(path), series)
    return image.shapes, image.axes

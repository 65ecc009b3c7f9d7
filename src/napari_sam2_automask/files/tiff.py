"""TIFF files: what their series, pages and samples mean, and their pixels, whatever the compression."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.converted import Converted
from napari_sam2_automask.files.photometric import Samples, samples_of
from napari_sam2_automask.files.stored_image import LARGEST_PIECE, StoredImage

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TIFF_MARKS", "images_in_tiff"]

#: The first bytes of a TIFF, or a BigTIFF, in either byte order.
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def images_in_tiff(path: Path) -> list[StoredImage]:
    """Return the series of a TIFF, each of which is an image.

    Raises
    ------
    ImageError
        If there is none. A damaged file raises whatever tifffile raises.
    """
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        if not tiff.series:
            raise ImageError(f"{path} holds no image: it is damaged or in an unknown format")
        return [_image(path, number, series) for number, series in enumerate(tiff.series)]


def _image(path: Path, number: int, series: Any) -> StoredImage:
    """Say what a series means. Pixels stay where they are, whatever orientation the file tells of."""
    levels = [samples_of(level) for level in series.levels]
    image = StoredImage(
        path,
        [level.shape for level in levels],
        levels[0].dtype,
        partial(_open, path, number, _mapping(series), [*map(_piece, series.levels)], levels),
        _letters(levels[0].axes),
        series.name,
    )
    # A contiguous series has all of its planes; to ask for each would cost seconds.
    pages = [] if series.dataoffset is not None else list(series)
    if None not in pages or len(pages) != image.count():
        return image
    return replace(image, absent=frozenset(k for k, page in enumerate(pages) if page is None))


def _letters(axes: str) -> str:
    """Return the axes with letters of their own that say nothing for those of unknown meaning."""
    named = axes.replace("Q", "a").replace("I", "b")
    free = (letter for letter in "bcdefghij" if letter not in named)
    return "".join(next(free) if axis in named[:k] else axis for k, axis in enumerate(named))


def _mapping(series: Any) -> dict[str, Any] | None:
    """Return where the pixels lie in the file as they are, all of them one after the other, if they do."""
    start, tiff = series.dataoffset, series.parent
    if start is None or series.transform is not None or series.is_multifile or series.keyframe.is_subsampled:
        return None
    # Of a file that was cut off the planes that are left can be read.
    if start + series.size * series.dtype.itemsize > tiff.filehandle.size:
        return None
    return {"dtype": tiff.byteorder + series.dtype.char, "offset": start, "shape": series.shape}


def _piece(series: Any) -> int:
    """Return how many bytes a strip or a tile has."""
    page: Any = series.keyframe
    rows, *others = (
        page.chunks if page.is_tiled else (min(page.rowsperstrip, page.imagelength), *page.chunks[1:])
    )
    return int(math.prod((rows, *others)) * np.dtype(series.dtype).itemsize)


def _open(
    path: Path,
    number: int,
    mapping: dict[str, Any] | None,
    pieces: list[int],
    samples: list[Samples],
    level: int,
) -> Any:
    """Open a level, whose pixels are converted as they are read if they are not gray, channels or RGB."""
    found = samples[level]
    if found.refused:
        raise ImageError(f"{path} holds {found.refused} in place of gray or RGB: save it as one of these")
    array = _stored(path, number, mapping, pieces[level], level)
    if found.convert is None:
        return array
    return Converted(array, found.axis, found.convert, found.shape, found.dtype)


def _stored(path: Path, number: int, mapping: dict[str, Any] | None, piece: int, level: int) -> Any:
    """Open pixels as they are: mapped into memory if they can be, else as a Zarr that decodes parts."""
    if level == 0 and mapping is not None:
        return np.memmap(path, mode="r", **mapping)
    if piece > LARGEST_PIECE:
        raise ImageError(
            f"{path} is stored in strips or tiles that do not fit into memory: save it in smaller ones"
        )
    import tifffile
    import zarr

    store = tifffile.imread(path, aszarr=True, series=number, level=level)
    array = zarr.open(store, mode="r")
    # The store holds the file open; nobody else closes it.
    weakref.finalize(array, store.close)
    return array

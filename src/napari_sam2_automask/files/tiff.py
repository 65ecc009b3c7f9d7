"""TIFF files: what their series, pages and samples mean, and their pixels, whatever the compression."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.converted import Converted
from napari_sam2_automask.files.gaps import missing_planes
from napari_sam2_automask.files.photometric import Samples, samples_of
from napari_sam2_automask.files.segments import bound_decoder
from napari_sam2_automask.files.stored_image import LARGEST_PIECE, StoredImage
from napari_sam2_automask.files.tiff_axes import single_axes
from napari_sam2_automask.files.tiff_series import TiffSeries, open_tiff, opened_tiff

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TIFF_MARKS", "images_in_tiff"]

#: The first bytes of a TIFF, or a BigTIFF, in either byte order.
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def images_in_tiff(path: Path) -> list[StoredImage]:
    """Return the images of a TIFF: its series, but for thumbnails, labels of slides, overviews and masks.

    Raises
    ------
    ImageError
        If there is none. A damaged file raises whatever tifffile raises.
    """
    with opened_tiff(path) as tiff:
        if not tiff.images:
            raise ImageError(f"{path} holds no image: it is damaged or in an unknown format")
        images = [_image(path, number, one) for number, one in enumerate(tiff.images)]
        left_out = tuple(tiff.left_out)
        return [replace(image, left_out=left_out, cut_off=tiff.cut_off) for image in images]


def _image(path: Path, number: int, found: TiffSeries) -> StoredImage:
    """Say what a series means. Pixels stay where they are, whatever orientation the file tells of."""
    series = found.series
    if series is None:
        return _missing(path, found)
    levels = [samples_of(level) for level in series.levels]
    image = StoredImage(
        path,
        [level.shape for level in levels],
        levels[0].dtype,
        partial(_open, path, number, _mapping(series), [*map(_pieces, series.levels)], levels),
        levels[0].axes,
        found.name,
        channels=found.ome.channels if found.ome is not None else (),
        singles="".join(axis for axis in single_axes(series) if axis not in levels[0].axes),
    )
    return replace(image, absent=tuple(_absent(found, image, level) for level in range(len(levels))))


def _absent(found: TiffSeries, image: StoredImage, level: int) -> dict[int, str]:
    """Return the planes that are nowhere; a page of several channels is as many planes."""
    pages = found.absent(level)
    each = image.count(level) // len(found.series.levels[level]) if pages else 1
    return {page * each + k: name for page, name in pages.items() for k in range(each)}


def _missing(path: Path, found: TiffSeries) -> StoredImage:
    """Return an image no plane of which is there."""
    assert found.ome is not None
    told, axes = found.ome.pixels, found.ome.axes
    shape = tuple(int(told[f"Size{axis}"]) for axis in axes)
    planes = [str(first) for first, _, _ in found.ome.missing]
    files = [name for _, _, name in found.ome.missing]

    def refuse(level: int) -> Any:
        raise ImageError(missing_planes(path, planes, files))

    return StoredImage(path, [shape], np.dtype(np.uint8), refuse, axes, found.name)


def _mapping(series: Any) -> dict[str, Any] | None:
    """Return where the pixels lie in the file as they are, all of them one after the other, if they do."""
    start, tiff = series.dataoffset, series.parent
    if start is None or series.transform is not None or series.is_multifile or series.keyframe.is_subsampled:
        return None
    if series.keyframe.parent is not tiff:  # all of them in another file of the set
        return None
    # Of a file that was cut off the planes that are left can be read.
    if start + series.size * series.dtype.itemsize > tiff.filehandle.size:
        return None
    return {"dtype": tiff.byteorder + series.dtype.char, "offset": start, "shape": series.shape}


class _Pieces(NamedTuple):
    """Strips or tiles: the bytes of one, how many a page is said to have, and of how many it says where."""

    size: int
    told: int
    placed: int


def _pieces(series: Any) -> _Pieces:
    page: Any = series.keyframe
    rows, *others = (
        page.chunks if page.is_tiled else (min(page.rowsperstrip, page.imagelength), *page.chunks[1:])
    )
    size = math.prod((rows, *others)) * np.dtype(series.dtype).itemsize
    return _Pieces(int(size), math.prod(page.chunked), len(page.dataoffsets))


def _open(
    path: Path,
    number: int,
    mapping: dict[str, Any] | None,
    pieces: list[_Pieces],
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


def _stored(path: Path, number: int, mapping: dict[str, Any] | None, pieces: _Pieces, level: int) -> Any:
    """Open pixels as they are: mapped into memory if they can be, else as a Zarr that decodes parts."""
    if level == 0 and mapping is not None:
        return np.memmap(path, mode="r", **mapping)
    if pieces.told > pieces.placed:
        # Each would be filled with 0, however many there are.
        raise ImageError(
            f"{path} is said to have {pieces.told:,} strips or tiles, but tells where {pieces.placed:,} "
            "are: replace it, it is damaged"
        )
    if pieces.size > LARGEST_PIECE:
        raise ImageError(
            f"{path} is stored in strips or tiles that do not fit into memory: save it in smaller ones"
        )
    import zarr

    tiff = open_tiff(path)
    try:
        image = tiff.images[number]
        bound_decoder(path, image.series.levels[level])
        parts = {} if image.is_laid_out_alike(level) else {"chunkmode": "page"}
        store = image.series.aszarr(level=level, **parts)
        array = zarr.open(store, mode="r")
    except BaseException:
        tiff.tiff.close()
        raise
    # The store holds other files of a set open; nobody else closes them.
    weakref.finalize(array, store.close)
    weakref.finalize(array, tiff.tiff.close)
    return array

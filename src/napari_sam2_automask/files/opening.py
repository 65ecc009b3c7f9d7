"""Open an image file without reading its pixels."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.series import images_in_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_level", "level_shapes", "missing_chunks", "open_file"]


def open_file(path: Path, level: int = 0, series: int = 0) -> tuple[Any, str]:
    """Open an image file without reading its pixels.

    Parameters
    ----------
    path : Path
        A TIFF, a Zarr array, an OME-Zarr image, or a NumPy ``.npy`` file.
    level : int
        Which level of a pyramid.
    series : int
        Which image of a TIFF with several.

    Returns
    -------
    array
        Can be sliced; what is asked for is read.
    str
        Its axes, empty if the file does not tell.

    Raises
    ------
    ImageError
        If there is no such file, level or series, or it cannot be read.
    """
    with _reading(path):
        if path.suffix.lower() == ".npy":
            check_level(path, level, 1)
            return np.load(path, mmap_mode="r", allow_pickle=False), ""
        return _open_zarr(path, level) if path.is_dir() else _open_tiff(path, level, series)


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
    import tifffile

    with _reading(path):
        if path.suffix.lower() != ".npy" and path.is_file():
            with tifffile.TiffFile(path) as file:
                levels = _series_of(file, path, series).levels
                return [tuple(map(int, level.shape)) for level in levels], _letters(levels[0].axes)
        arrays, axes = _arrays_in_zarr(path) if path.is_dir() else ([open_file(path)[0]], "")
        return [tuple(map(int, array.shape)) for array in arrays], axes


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises into a message that names the file."""
    if not path.exists():
        raise ImageError(f"there is no file {path}")
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{path} cannot be read: {error}") from error


def check_level(path: Path, level: int, count: int) -> None:
    """Raise `ImageError` if a file with `count` levels has no such level."""
    if not 0 <= level < count:
        raise ImageError(
            f"{path} has {count} level{'' if count == 1 else 's'}; there is no level {level}: choose from 0 "
            f"to {count - 1}"
        )


def _series_of(file: Any, path: Path, number: int) -> Any:
    if not 0 <= number < len(file.series):
        raise ImageError(f"{path} has {len(file.series)} series; there is no series {number}")
    return file.series[number]


def _letters(axes: str) -> str:
    """Return the axes of a TIFF with letters that say nothing for those of unknown meaning."""
    return axes.replace("Q", "a").replace("I", "b")


def _open_tiff(path: Path, level: int, number: int) -> tuple[Any, str]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = _series_of(file, path, number)
        check_level(path, level, len(series.levels))
        page = series.levels[level]
        axes = _letters(page.axes)
        if page.dataoffset is not None and level == 0:
            return tifffile.memmap(path, mode="r", series=number), axes
    import zarr

    store = tifffile.imread(path, aszarr=True, series=number, level=level)
    array = zarr.open(store, mode="r")
    # The store holds the file open; nobody else closes it.
    weakref.finalize(array, store.close)
    return array, axes


def _open_zarr(path: Path, level: int) -> tuple[Any, str]:
    arrays, axes = _arrays_in_zarr(path)
    check_level(path, level, len(arrays))
    return arrays[level], axes


def _arrays_in_zarr(path: Path) -> tuple[list[Any], str]:
    """Return the levels of an OME-Zarr image, or a Zarr array as the only one, and the axes."""
    import zarr

    node: Any = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        arrays, names = [node], getattr(node.metadata, "dimension_names", None) or ()
    else:
        attributes = dict(node.attrs)
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if not multiscales:
            images = images_in_zarr(path)
            raise ImageError(f"{path} holds {len(images)} images: give the path of one, such as {images[0]}")
        arrays = [node[dataset["path"]] for dataset in multiscales[0]["datasets"]]
        names = [axis["name"] for axis in multiscales[0]["axes"]]
    return arrays, "".join(n[:1].upper() for n in names) if all(names) else ""


def missing_chunks(array: Any) -> int:
    """Return how many chunks of a Zarr array are not stored; they read as its fill value."""
    if not hasattr(array, "nchunks_initialized"):
        return 0
    shards = getattr(array, "shards", None)
    total = int(np.prod([-(-n // s) for n, s in zip(array.shape, shards or array.chunks, strict=True)]))
    stored = array._nshards_initialized() if shards else array.nchunks_initialized
    return int(total - stored)

"""Open an image file without reading its pixels."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.series import images_in_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["guess_axes", "missing_chunks", "open_file"]


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
    if not path.exists():
        raise ImageError(f"there is no file {path}")
    opener: Callable[[Path, int], tuple[Any, str]]
    opener = _open_zarr if path.is_dir() else partial(_open_tiff, number=series)
    if path.suffix.lower() == ".npy":
        opener = _open_npy
    try:
        return opener(path, level)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{path} cannot be read: {error}") from error


def _open_npy(path: Path, level: int) -> tuple[Any, str]:
    return np.load(path, mmap_mode="r", allow_pickle=False), ""


def _open_tiff(path: Path, level: int, number: int) -> tuple[Any, str]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not 0 <= number < len(file.series):
            raise ImageError(f"{path} has {len(file.series)} series; there is no series {number}")
        series = file.series[number]
        if not 0 <= level < len(series.levels):
            raise ImageError(f"{path} has {len(series.levels)} levels; there is no level {level}")
        page = series.levels[level]
        axes = page.axes.replace("Q", "a").replace("I", "b")
        if page.dataoffset is not None and level == 0:
            return tifffile.memmap(path, mode="r", series=number), axes
    import zarr

    store = tifffile.imread(path, aszarr=True, series=number, level=level)
    array = zarr.open(store, mode="r")
    # The store holds the file open; nobody else closes it.
    weakref.finalize(array, store.close)
    return array, axes


def _open_zarr(path: Path, level: int) -> tuple[Any, str]:
    import zarr

    node: Any = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        array, names = node, getattr(node.metadata, "dimension_names", None) or ()
    else:
        attributes = dict(node.attrs)
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if not multiscales:
            images = images_in_zarr(path)
            raise ImageError(f"{path} holds {len(images)} images: give the path of one, such as {images[0]}")
        datasets = multiscales[0]["datasets"]
        if not 0 <= level < len(datasets):
            raise ImageError(f"{path} has {len(datasets)} levels; there is no level {level}")
        array = node[datasets[level]["path"]]
        names = [axis["name"] for axis in multiscales[0]["axes"]]
    return array, "".join(n[:1].upper() for n in names) if all(names) else ""


def missing_chunks(array: Any) -> int:
    """Return how many chunks of a Zarr array are not stored; they read as its fill value."""
    if not hasattr(array, "nchunks_initialized"):
        return 0
    shards = getattr(array, "shards", None)
    total = int(np.prod([-(-n // s) for n, s in zip(array.shape, shards or array.chunks, strict=True)]))
    stored = array._nshards_initialized() if shards else array.nchunks_initialized
    return int(total - stored)


def guess_axes(shape: tuple[int, ...], dtype: Any) -> str:
    """Return the axes of an array of which nothing is known but its shape and dtype."""
    colour = len(shape) >= 3 and shape[-1] in (3, 4) and np.dtype(dtype) == np.uint8
    axes = "YXS" if colour else "YX"
    # Lower-case letters are planes of no known meaning.
    return "abcdefgh"[: len(shape) - len(axes)] + axes if len(shape) >= len(axes) else "?" * len(shape)

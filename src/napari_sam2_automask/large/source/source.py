"""Where the pixels come from: an array in memory, or a file of which only the part asked for is read."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import check_chunks, images_in, series_of
from napari_sam2_automask.files.stored_image import check_whole, naming, reading
from napari_sam2_automask.files.web_address import Address
from napari_sam2_automask.files.zarr_places import zip_of
from napari_sam2_automask.image.axes import check_axes, cut, guess_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.large.tiles.grid import Box, Grid

__all__ = ["ArraySource", "FileSource", "Source", "block_hashes"]


class Source(Protocol):
    """Planes of an image, read a box at a time.

    Attributes
    ----------
    planes : int
        How many planes there are.
    shape : (int, int)
        Height and width of a plane.
    plane_axes : dict of str to int
        How many positions there are along each axis of planes, by its letter, in the image's order: planes
        are counted with the last one fastest.
    """

    @property
    def planes(self) -> int:
        """How many planes there are."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane."""
        ...

    @property
    def plane_axes(self) -> dict[str, int]:
        """How many positions there are along each axis of planes."""
        ...

    def read(self, plane: int, box: Box) -> NDArray[Any]:
        """Return the pixels of a box, shape (Y, X) or (Y, X, colours)."""
        ...

    def description(self) -> dict[str, Any]:
        """Return what the source is, as JSON-able values."""
        ...


def counts_of_planes(axes: str, shape: Sequence[int]) -> dict[str, int]:
    """Return how many positions an image has along each of its axes of planes, by letter."""
    return {axis: int(n) for axis, n in zip(axes, shape, strict=True) if axis not in "YXSC"}


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array of any kind that can be sliced: NumPy, dask, zarr.

    Attributes
    ----------
    array : array_like
        The image.
    axes : str
        One letter for each axis: ``Y``, ``X``, ``S`` for the colours of an RGB image, ``C`` for channels,
        and any other letters, such as ``Z`` and ``T``, whose positions are the planes.
    channel : int
        Which of the channels.
    name : str
        What to call it in the record.
    """

    array: Any
    axes: str = ""
    channel: int = 0
    name: str = "array"

    def __post_init__(self) -> None:
        axes = self.axes or guess_axes(self.array.shape, self.array.dtype)
        check_axes(axes, self.array.shape)
        channels = self.array.shape[axes.index("C")] if "C" in axes else 1
        if not 0 <= self.channel < channels:
            raise ImageError(f"there is no channel {self.channel}; the image has {channels}")
        object.__setattr__(self, "axes", axes)

    @property
    def planes(self) -> int:
        """How many planes there are."""
        return math.prod(self.plane_axes.values())

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return int(self.array.shape[self.axes.index("Y")]), int(self.array.shape[self.axes.index("X")])

    @property
    def plane_axes(self) -> dict[str, int]:
        """How many positions there are along each axis of planes."""
        return counts_of_planes(self.axes, self.array.shape)

    def read(self, plane: int, box: Box) -> NDArray[Any]:
        """Return the pixels of a box, shape (Y, X) or (Y, X, colours)."""
        planes = self.plane_axes
        place = dict(zip(planes, map(int, np.unravel_index(plane, tuple(planes.values()))), strict=True))
        rows, columns = slice(box.y0, box.y1), slice(box.x0, box.x1)
        return cut(self.array, self.axes, {**place, "C": self.channel, "Y": rows, "X": columns})

    def description(self) -> dict[str, Any]:
        """Return what the source is, as JSON-able values."""
        return {
            "name": self.name,
            "shape": list(self.array.shape),
            "dtype": np.dtype(self.array.dtype).str,
            "axes": self.axes,
            "channel": self.channel,
        }


@dataclass(frozen=True)
class FileSource:
    """An image file, opened anew by every process that reads it.

    Attributes
    ----------
    path : str
        Any that `open_file` takes.
    axes : str
        As for `ArraySource`; taken from the file when empty.
    channel : int
        Which of the channels.
    level : int
        Which level of a pyramid; 0 is full resolution.
    allow_missing : bool
        Whether chunks may be missing from a Zarr array; they read as its fill value.
    series : int or None
        Which image of a file with several; None for the only one.
    """

    path: str | Address
    axes: str = ""
    channel: int = 0
    level: int = 0
    allow_missing: bool = False
    series: int | None = None

    @property
    def planes(self) -> int:
        """How many planes there are."""
        return self._opened.planes

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return self._opened.shape

    @property
    def plane_axes(self) -> dict[str, int]:
        """How many positions there are along each axis of planes."""
        return self._opened.plane_axes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' type."""
        found: np.dtype[Any] = np.dtype(self._opened.array.dtype)
        return found

    @property
    def is_rgb(self) -> bool:
        """Whether the image has colours."""
        return "S" in self._opened.axes

    @property
    def _opened(self) -> ArraySource:
        return _open(self, _state(self.path))

    def read(self, plane: int, box: Box) -> NDArray[Any]:
        """Return the pixels of a box, shape (Y, X) or (Y, X, colours)."""
        opened = self._opened
        with reading(_path(self.path), pixels=True):
            return opened.read(plane, box)

    def description(self) -> dict[str, Any]:
        """Return what the source is, as JSON-able values.

        Raises
        ------
        ImageError
            If the file cannot be read, or chunks of a Zarr array are missing and may not be.
        """
        if not self.allow_missing:
            check_chunks(_path(self.path), self.series, self.level)
        chosen = {"series": self.series} if self.series else {}
        return self._opened.description() | {"level": self.level} | chosen


def _path(path: str | Address) -> Path:
    return path if isinstance(path, Address) else Path(path)


def _state(path: str | Address) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced; None of a Zarr, whose chunks are read anew each time."""
    file = None if isinstance(path, Address) else zip_of(Path(path))
    if file is None:
        return None
    told = file.stat()
    return told.st_mtime_ns, told.st_size, told.st_ino


@lru_cache(maxsize=8)
def _open(source: FileSource, _state: tuple[int, int, int] | None) -> ArraySource:
    path = _path(source.path)
    with naming(path):
        image = series_of(images_in(path), source.series)
        check_whole(path, image.cut_off)
        array, axes = image.array(source.level), image.stored_axes(source.axes)
        check_axes(axes, array.shape, str(source.path))
        return ArraySource(array, axes, source.channel, path.name)


def block_hashes(source: Source, grid: Grid, index: int) -> bytes:
    """Return 16 bytes that stand for the pixels in the core of a tile."""
    tile = grid[index]
    pixels = np.ascontiguousarray(source.read(tile.plane, tile.core))
    return hashlib.blake2b(pixels.tobytes(), digest_size=16, person=pixels.dtype.str.encode()).digest()

"""A grid of overlapping tiles over an image or a stack of planes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry.spans import ALMOST, Span, spans
from napari_sam2_automask.settings.numbers import COUNT, TILE, Bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["LOCAL_BITS", "Box", "Grid", "Place", "Tile", "object_id", "split_id"]

#: An object's id before numbering is its tile's index and, in this many bits, its label in the tile. No two
#: tiles can give the same id, so nobody has to hand ids out. 2**39 tiles of 2**24 - 1 objects fit in 63 bits.
LOCAL_BITS = 24


class Box(NamedTuple):
    """A rectangle of pixels; the last row and column are excluded."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return max(0, self.y1 - self.y0), max(0, self.x1 - self.x0)

    def __and__(self, other: Box) -> Box:
        """Return what both cover; its height or width is 0 where they do not meet."""
        y0, x0 = max(self.y0, other.y0), max(self.x0, other.x0)
        return Box(y0, x0, max(y0, min(self.y1, other.y1)), max(x0, min(self.x1, other.x1)))

    def inside(self, frame: Box) -> tuple[slice, slice]:
        """Return the slices of this box in an array that covers `frame`."""
        return slice(self.y0 - frame.y0, self.y1 - frame.y0), slice(self.x0 - frame.x0, self.x1 - frame.x0)


@dataclass(frozen=True, slots=True)
class Tile:
    """One piece of the work.

    Attributes
    ----------
    index : int
        Its number: planes first, then rows, then columns.
    plane, row, column : int
        Its place in the grid.
    outer : Box
        What is segmented.
    core : Box
        Where this tile has the say: the cores of a plane's tiles cover it without overlap.
    """

    index: int
    plane: int
    row: int
    column: int
    outer: Box
    core: Box


class Place(NamedTuple):
    """Where a tile's pixels are from.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the plane.
    outer : Box
        The tile's pixels.
    rows, columns : tuple of Span
        The windows that the tile is made of, counted from the plane's first pixel; empty where the grid has
        none.
    """

    shape: tuple[int, int]
    outer: Box
    rows: tuple[Span, ...] = ()
    columns: tuple[Span, ...] = ()


class _Axis(NamedTuple):
    """The tiles along one axis: their first pixels, their ends (excluded), their windows."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    windows: list[tuple[Span, ...]]


@dataclass(frozen=True)
class Grid:
    """Tiles of one size, evenly spaced, at least `overlap` pixels in common with each neighbour.

    Every tile has the full size, also at the image's edges, since a model that scales its input to a fixed
    size would see a smaller tile's objects larger. An image smaller than a tile is one tile.

    Where a tile is looked at in several windows, these belong to the plane, not to the tile: they are evenly
    spaced over all of it, and each is in one tile. Then what is found in a window does not depend on the tile
    that it is in, and tiles share no more than windows share anyway.

    Attributes
    ----------
    shape : (int, int)
        Height and width of a plane.
    tile : int
        Side of a tile, in pixels.
    overlap : int
        Least width of the strip that neighbouring tiles share, in pixels.
    planes : int
        How many planes there are; each has its own tiles.
    shifted : bool
        Move the inner tiles by half a step, to see whether the seams matter.
    window : int
        Side of the windows at most, in pixels; 0 for none.
    """

    shape: tuple[int, int]
    tile: int = 1024
    overlap: int = 128
    planes: int = 1
    shifted: bool = False
    window: int = 0

    def __post_init__(self) -> None:
        if min(*self.shape, self.planes) < 1:
            raise SettingsError(f"there is nothing to tile in {self.planes} planes of {self.shape} pixels")
        TILE.check(self.tile, "tile")
        Bound(int, 2, self.tile // 2, "pixels, half a tile").check(self.overlap, "overlap")
        COUNT.check(self.window, "window")
        if self.window and not self.overlap < self.window <= ALMOST * self.tile:
            raise SettingsError(
                f"the windows of a tile are {self.window} pixels wide; use more than the overlap "
                f"({self.overlap}) and at most {ALMOST:.0%} of the tile ({self.tile})"
            )

    @cached_property
    def _axes(self) -> tuple[_Axis, _Axis]:
        y, x = (self._axis(n) for n in self.shape)
        return y, x

    def _axis(self, size: int) -> _Axis:
        if not self.window:
            starts = _starts(size, self.tile, self.overlap, self.shifted)
            return _Axis(starts, np.minimum(starts + self.tile, size), [()] * len(starts))
        pieces = spans(size, self.window, self.overlap)
        side = pieces[0].end
        together = 1 + (self.tile - side) * (len(pieces) - 1) // max(1, size - side)
        count = -(-len(pieces) // together)
        bounds = np.arange(count + 1) * len(pieces) // count
        if self.shifted:
            bounds = np.unique(np.concatenate([[0], (bounds[1:] + bounds[:-1]) // 2, [len(pieces)]]))
        windows = [tuple(pieces[a:b]) for a, b in pairwise(bounds.tolist())]
        starts, ends = np.array([(w[0].start, w[-1].end) for w in windows], np.int64).T
        return _Axis(starts, ends, windows)

    @cached_property
    def seams(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows and the columns where one core ends and the next begins, ascending."""
        y, x = ((axis.starts[1:] + axis.ends[:-1]) // 2 for axis in self._axes)
        return y, x

    @property
    def rows(self) -> int:
        """Rows of tiles in a plane."""
        return len(self._axes[0].starts)

    @property
    def columns(self) -> int:
        """Columns of tiles in a plane."""
        return len(self._axes[1].starts)

    def __len__(self) -> int:
        return self.planes * self.rows * self.columns

    def __getitem__(self, index: int) -> Tile:
        if not 0 <= index < len(self):
            raise IndexError(index)
        plane, rest = divmod(index, self.rows * self.columns)
        row, column = divmod(rest, self.columns)
        (y0, y1, cy0, cy1), (x0, x1, cx0, cx1) = self._span(0, row), self._span(1, column)
        return Tile(index, plane, row, column, Box(y0, x0, y1, x1), Box(cy0, cx0, cy1, cx1))

    def __iter__(self) -> Iterator[Tile]:
        return (self[i] for i in range(len(self)))

    def _span(self, axis: int, i: int) -> tuple[int, int, int, int]:
        """Return start and end of a tile, and of its core, along one axis."""
        found, seams = self._axes[axis], self.seams[axis]
        return (
            int(found.starts[i]),
            int(found.ends[i]),
            int(seams[i - 1]) if i else 0,
            int(seams[i]) if i < len(seams) else self.shape[axis],
        )

    def place(self, tile: Tile) -> Place:
        """Return where a tile's pixels are from."""
        y, x = self._axes
        return Place(self.shape, tile.outer, y.windows[tile.row], x.windows[tile.column])

    def later_neighbours(self, index: int) -> list[int]:
        """Return the tiles of higher index that share pixels with a tile, so that each pair comes up once."""
        own = self[index]
        return [other for other in self.touching(own.plane, own.outer) if other > index]

    def touching(self, plane: int, box: Box) -> list[int]:
        """Return the tiles of a plane that share pixels with a box."""
        reached = []
        for axis, (low, high) in enumerate(((box.y0, box.y1), (box.x0, box.x1))):
            found = self._axes[axis]
            first = int(np.searchsorted(found.ends, low, side="right"))
            reached.append(range(first, int(np.searchsorted(found.starts, high))))
        return [(plane * self.rows + r) * self.columns + c for r in reached[0] for c in reached[1]]

    def owner(self, plane: ArrayLike, y: ArrayLike, x: ArrayLike) -> NDArray[np.int64]:
        """Return the index of the tile whose core holds each point; shapes broadcast."""
        row = np.searchsorted(self.seams[0], y, side="right")
        column = np.searchsorted(self.seams[1], x, side="right")
        return np.asarray((np.asarray(plane) * self.rows + row) * self.columns + column, np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON-able values."""
        return {
            "shape": list(self.shape),
            "tile": self.tile,
            "overlap": self.overlap,
            "planes": self.planes,
            "shifted": self.shifted,
            "window": self.window,
        }


def object_id(tile: int, labels: ArrayLike) -> NDArray[np.int64]:
    """Return the ids of a tile's objects, unique in all the tiles of a run.

    Parameters
    ----------
    tile : int
        Index of the tile, below 2**39.
    labels : array_like of int
        Labels in the tile, 1 to 2**24 - 1.

    Returns
    -------
    ndarray of int64
        Tile and label in 63 bits.
    """
    return np.asarray(labels, np.int64) | np.int64(tile) << LOCAL_BITS


def split_id(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tiles and the labels in them that ids stand for."""
    return ids >> LOCAL_BITS, ids & ((1 << LOCAL_BITS) - 1)


def _starts(size: int, tile: int, overlap: int, shifted: bool) -> NDArray[np.int64]:
    if size <= tile:
        return np.zeros(1, np.int64)
    count = -(-(size - overlap) // (tile - overlap))
    even = np.linspace(0, size - tile, count)
    if shifted:
        even = np.concatenate([[0], (even[1:] + even[:-1]) / 2, [size - tile]])
    return np.unique(np.rint(even).astype(np.int64))

"""What a tile knows of its objects, and what two tiles know of the objects in the strip they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.geometry.overlaps import regions, shared_pixels
from napari_sam2_automask.large.tiles.grid import LOCAL_BITS, Grid, Tile, object_id

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SEAM_FIELDS", "TILE_FIELDS", "TileResult", "seam_rows", "tile_result"]

#: One row per object of a tile; pixels are counted from the plane's first, the boxes' ends are excluded.
TILE_FIELDS = np.dtype(
    [
        ("id", "<i8"), ("area", "<i8"), ("y", "<f8"), ("x", "<f8"),
        ("y0", "<i4"), ("x0", "<i4"), ("y1", "<i4"), ("x1", "<i4"), ("score", "<f4"), ("cut", "?"),
    ]
)  # fmt: skip
#: One row per pair of objects of two tiles that share pixels: their ids, the pixels shared, and the pixels
#: that each has in the strip.
SEAM_FIELDS = np.dtype([("a", "<i8"), ("b", "<i8"), ("shared", "<i8"), ("in_a", "<i8"), ("in_b", "<i8")])


@dataclass(frozen=True, slots=True, eq=False)
class TileResult:
    """The objects found in one tile.

    Attributes
    ----------
    labels : ndarray of uint16 or uint32, shape (Y, X)
        Of the tile's outer box; 0 for background, objects from 1 without gaps.
    table : ndarray of TILE_FIELDS, shape (N,)
        One row per object, in the order of the labels. ``cut`` says that it reaches an edge of the tile
        that is no edge of the image: there may be more of it in the next tile.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    table: NDArray[np.void]


def tile_result(grid: Grid, tile: Tile, labels: ArrayLike, scores: ArrayLike) -> TileResult:
    """Measure what a segmenter found in a tile.

    Parameters
    ----------
    grid : Grid
        The grid of the tile.
    tile : Tile
        The tile.
    labels : array_like of int, shape (Y, X)
        0 for background, any positive numbers for objects.
    scores : array_like of float, shape (N,)
        One per object, in ascending order of the labels.

    Returns
    -------
    TileResult
        With the labels renumbered without gaps, in the order they had.

    Raises
    ------
    ImageError
        If the labels do not fit the tile, the scores do not fit the labels, or there are 2**24 or more
        objects.
    """
    found = regions(labels)
    if found.image.shape != tile.outer.shape:
        raise ImageError(f"the tile has {tile.outer.shape} pixels, the labels found have {found.image.shape}")
    score = np.asarray(scores, np.float32).ravel()
    if len(score) != len(found):
        raise ImageError(f"there are {len(found)} objects in the tile but {len(score)} scores")
    if len(found) >= 1 << LOCAL_BITS:
        raise ImageError(f"{len(found)} objects in a tile are too many; use smaller tiles")
    table = np.zeros(len(found), TILE_FIELDS)
    table["id"] = object_id(tile.index, np.arange(1, len(found) + 1))
    table["area"], table["score"] = found.areas, score
    table["y"], table["x"] = found.centroids.T + np.array(tile.outer[:2])[:, None]
    ends = _extents(found.image, len(found))
    for name, values, start in zip(("y0", "x0", "y1", "x1"), ends, tile.outer[:2] * 2, strict=True):
        table[name] = values + start
    height, width = grid.shape
    table["cut"] = (
        ((table["y0"] == tile.outer.y0) & (tile.outer.y0 > 0))
        | ((table["x0"] == tile.outer.x0) & (tile.outer.x0 > 0))
        | ((table["y1"] == tile.outer.y1) & (tile.outer.y1 < height))
        | ((table["x1"] == tile.outer.x1) & (tile.outer.x1 < width))
    )
    dtype = np.uint16 if len(found) <= np.iinfo(np.uint16).max else np.uint32
    return TileResult(found.image.astype(dtype), table)


def seam_rows(a: Tile, b: Tile, labels_a: NDArray[Any], labels_b: NDArray[Any]) -> NDArray[np.void]:
    """Compare two tiles in the pixels they share.

    Parameters
    ----------
    a, b : Tile
        Two tiles of one plane.
    labels_a, labels_b : ndarray of int, shape (Y, X)
        Their labels, from `tile_result`.

    Returns
    -------
    ndarray of SEAM_FIELDS
        One row per pair of objects that share pixels.
    """
    strip = a.outer & b.outer
    one, two = labels_a[strip.inside(a.outer)].ravel(), labels_b[strip.inside(b.outer)].ravel()
    in_a, in_b = np.bincount(one), np.bincount(two)
    pairs = shared_pixels(one, two, len(in_b))
    rows = np.zeros(len(pairs.a), SEAM_FIELDS)
    rows["a"], rows["b"] = object_id(a.index, pairs.a + 1), object_id(b.index, pairs.b + 1)
    rows["shared"], rows["in_a"], rows["in_b"] = pairs.pixels, in_a[pairs.a + 1], in_b[pairs.b + 1]
    return rows


def _extents(image: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], ...]:
    """Return the first row, first column, and the ends of rows and columns of objects 1 to `count`."""
    ys, xs = np.nonzero(image)
    rows = image[ys, xs] - 1
    firsts = [np.full(count, n, np.int64) for n in image.shape]
    ends = [np.zeros(count, np.int64) for _ in range(2)]
    for axis, values in enumerate((ys, xs)):
        np.minimum.at(firsts[axis], rows, values)
        np.maximum.at(ends[axis], rows, values + 1)
    return (*firsts, *ends)

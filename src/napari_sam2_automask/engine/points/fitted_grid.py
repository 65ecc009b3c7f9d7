"""The grid of points and the magnification that fit objects of a size: which crops of an image, which points.

The model sees every crop at one size (its input), so that small objects in a large image can be too small for
it, and lie between the points of the grid. With a typical diameter the image is cut into tiles in which
objects appear large enough, and the points stand closer than the objects are wide.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.engine.points.grid import Crop, iter_crops
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry.spans import Span, spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.settings.amg import AmgSettings

    Box = tuple[int, int, int, int]

__all__ = ["LEAST", "counts", "crops", "is_long", "plain_tiles", "tile", "tiles", "window"]

#: Objects that appear less wide than this, as a fraction of the model's input, are magnified until they do:
#: nearly at least, see `ALMOST`. At 20 / 512 smaller ones between them are no longer seen.
AIM = 32 / 512
#: Overlap of tiles in object diameters: an object half again as wide still lies whole inside one tile.
OVERLAP = 3.0
#: ... and at most this share of a tile, where objects are nearly as large as it is.
MOST_SHARED = 0.75
#: What the model sees is at most so many times as long as wide before it is stretched to a square.
LONGEST = 3.0
#: Squares for the model that are larger than the image are so wide at most, in pixels and in shorter sides.
WIDEST, MIRRORED = 4096, 16
#: Objects less wide than this, in pixels, are texture that the model sees in an enlarged picture of nothing.
LEAST = 4.0
#: Points of a fit are at least this far apart, in pixels.
CLOSEST = 1.0
#: A mask this close to a tile's inner edge, as a fraction of the tile, is cut off by it.
EDGE = 1.5 / 128
#: More tiles than this are refused: hours on most machines.
MOST_TILES = 4096


def tiles(shape: tuple[int, int], diameter: float, points_per_diameter: int) -> list[Crop]:
    """Cut an image into crops in which objects of a diameter appear large enough, each with its points.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    diameter : float
        Of a typical object, in pixels.
    points_per_diameter : int
        Points across an object; from 2 on, every round object of that diameter has at least one point.

    Returns
    -------
    list of Crop
        The whole image alone where objects are large enough in it. Points lie in the part of each tile that
        is nearer to its centre than to any other tile's, so that no place is asked twice.

    Raises
    ------
    SettingsError
        If there would be more tiles than anyone would wait for; says how many, and which diameter would do.
    """
    rows, columns = _pieces(shape, diameter)
    if len(rows) * len(columns) > MOST_TILES:
        raise SettingsError(
            f"objects {diameter:g} pixels wide need {len(rows) * len(columns):,} passes over this image "
            f"of {shape[1]:,} x {shape[0]:,} pixels, and {MOST_TILES:,} are the limit: give a larger "
            "object_diameter, or segment a part of the image"
        )
    return crops(shape, rows, columns, max(diameter / points_per_diameter, CLOSEST))


def plain_tiles(shape: tuple[int, int], settings: AmgSettings) -> list[Crop]:
    """Return crops where no size of objects is known: the plain grid, in tiles of images that are long.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    settings : AmgSettings
        With a grid.

    Returns
    -------
    list of Crop
        As `iter_crops` gives them for images up to `LONGEST` times as long as wide, with points `LEAST` apart
        if the grid's are closer; of longer ones tiles, with as many points in all as the grid has.
    """
    n, side = settings.points_per_side, math.sqrt(shape[0] * shape[1])
    if n is None:
        return list(iter_crops(shape, settings))
    n = min(n, math.ceil(side / LEAST))
    if not is_long(shape):
        fewer = {} if n == settings.points_per_side else {"points_per_side": n, "crop_n_layers": 0}
        return list(iter_crops(shape, settings.replace(**fewer)))
    rows, columns = (spans(length, side, side / 4) for length in shape)
    return crops(shape, rows, columns, side / n)


def counts(shape: tuple[int, int], diameter: float, points_per_diameter: int) -> tuple[int, int]:
    """Return how many crops and points `tiles` would give, however many; without making them."""
    rows, columns = _pieces(shape, diameter)
    spacing = max(diameter / points_per_diameter, CLOSEST)
    return len(rows) * len(columns), math.prod(math.ceil(length / spacing) for length in shape)


def _pieces(shape: tuple[int, int], diameter: float) -> tuple[list[Span], list[Span]]:
    """Return the rows and columns of tiles in which objects of a diameter appear large enough."""
    wanted, overlap = window(math.sqrt(shape[0] * shape[1]), diameter)
    if is_long(shape):  # as much of its length as shows objects large enough, with what the mirror adds
        wanted = max(wanted, min(diameter / AIM, WIDEST))
    rows, columns = (spans(length, wanted, min(overlap, MOST_SHARED * wanted)) for length in shape)
    return rows, columns


def window(side: float, diameter: float) -> tuple[float, float]:
    """Return how large a part of an image is looked at in one go, and what neighbouring parts share.

    Parameters
    ----------
    side : float
        Of the image, in pixels.
    diameter : float
        Of a typical object, in pixels.

    Returns
    -------
    wanted, overlap : float
        Side of the part and width of the shared strip, in pixels; the whole image where objects are large
        enough in it.
    """
    return min(side, diameter / AIM), OVERLAP * diameter


def crops(
    shape: tuple[int, int],
    rows: Sequence[Span],
    columns: Sequence[Span],
    spacing: float,
    origin: tuple[int, int] = (0, 0),
) -> list[Crop]:
    """Return the crops of some rows and columns of an image's pieces, each with its points.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image; the points are evenly spaced over all of it, so that a piece has the
        same points whichever others are asked for.
    rows, columns : sequence of Span
        The pieces along the two axes.
    spacing : float
        Distance between points, in pixels.
    origin : (int, int)
        The row and column of the image from which the crops' pixels are counted.

    Returns
    -------
    list of Crop
        Column by column.
    """
    y, x = (_positions(length, spacing) for length in shape)
    found: list[Crop] = []
    for column in columns:
        for row in rows:
            mine_x = x[(x >= column.first) & (x < column.last)] - column.start
            mine_y = y[(y >= row.first) & (y < row.last)] - row.start
            points = np.stack(np.meshgrid(mine_x, mine_y), -1).reshape(-1, 2).astype(np.float32)
            box = (
                column.start - origin[1],
                row.start - origin[0],
                column.end - origin[1],
                row.end - origin[0],
            )
            own = (
                column.first - column.start,
                row.first - row.start,
                column.last - column.start,
                row.last - row.start,
            )
            found.append(tile(len(found), box, points, own))
    return found


def tile(
    index: int, box: Box, points: NDArray[np.float32], own: tuple[float, float, float, float] | None = None
) -> Crop:
    """Return a crop of which only masks at its very edge count as cut off: objects may be small in it.

    One that is over `LONGEST` times as long as wide goes on as in a mirror, for the model to see a square.
    """
    x0, y0, x1, y1 = box
    shape = y1 - y0, x1 - x0
    return Crop(index, box, points, max(1.0, EDGE * max(shape)), square=is_long(shape), own=own)


def is_long(shape: tuple[int, int]) -> bool:
    """Tell whether an image is so much longer than wide that the model sees it go on as in a mirror."""
    return max(shape) > LONGEST * min(shape)


def _positions(length: int, spacing: float) -> NDArray[np.float64]:
    n = max(1, math.ceil(length / spacing))
    return np.linspace(0.5 * length / n, length - 0.5 * length / n, n)

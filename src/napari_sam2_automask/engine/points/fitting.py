"""Fit the point grid and the magnification to the size of the objects.

The model sees every crop at one size (its input), so that small objects in a large image can be too small for
it, and lie between the points of the grid. With a typical diameter, given or estimated here, the image is cut
into tiles in which objects appear large enough, and the points stand closer than the objects are wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam2_automask.engine.points.grid import Crop, iter_crops
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry.nms import non_maximum_suppression
from napari_sam2_automask.geometry.spans import Span, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.settings.amg import AmgSettings

    Box = tuple[int, int, int, int]

__all__ = [
    "Seen",
    "crops",
    "diameter_of_candidates",
    "diameter_of_dense",
    "object_points",
    "plain_tiles",
    "tile",
    "tiles",
    "window",
]

#: Objects that appear at least this wide, as a fraction of the model's input, need no magnification ...
SMALLEST = 20 / 512
#: ... and where magnification is needed, they are made to appear this wide.
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
#: Tiles looked at to estimate the diameter at one magnification.
LOOKS = 4
#: Objects seen at a higher magnification for each one seen before, from which on the higher one is believed,
MORE = 3.0
#: if they appear small even there: texture gives "objects" of any size at any magnification.
SMALL = 24 / 512
#: Share of a cell that must belong to an object for the model's dense head to mark it, and for asking there.
HERE, ASK = 0.5, 0.1
#: Masks larger than this share of the image say nothing about typical objects.
LARGEST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """Objects seen at one magnification.

    Attributes
    ----------
    diameter : float
        Median diameter in image pixels; 0 without objects.
    frame : float
        The same as a fraction of the model's input.
    count : float
        Estimated number of objects in the whole image.
    """

    diameter: float
    frame: float
    count: float


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
    wanted, overlap = window(math.sqrt(shape[0] * shape[1]), diameter)
    if _is_long(shape):  # as much of its length as shows objects large enough, with what the mirror adds
        wanted = max(wanted, min(diameter / AIM, WIDEST))
    rows, columns = (spans(length, wanted, min(overlap, MOST_SHARED * wanted)) for length in shape)
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
    if not _is_long(shape):
        fewer = {} if n == settings.points_per_side else {"points_per_side": n, "crop_n_layers": 0}
        return list(iter_crops(shape, settings.replace(**fewer)))
    rows, columns = (spans(length, side, side / 4) for length in shape)
    return crops(shape, rows, columns, side / n)


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
    return side if diameter / side >= SMALLEST else diameter / AIM, OVERLAP * diameter


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
            found.append(tile(len(found), box, points))
    return found


def tile(index: int, box: Box, points: NDArray[np.float32]) -> Crop:
    """Return a crop of which only masks at its very edge count as cut off: objects may be small in it.

    One that is over `LONGEST` times as long as wide goes on as in a mirror, for the model to see a square.
    """
    x0, y0, x1, y1 = box
    shape = y1 - y0, x1 - x0
    return Crop(index, box, points, max(1.0, EDGE * max(shape)), square=_is_long(shape))


def _is_long(shape: tuple[int, int]) -> bool:
    return max(shape) > LONGEST * min(shape)


def _positions(length: int, spacing: float) -> NDArray[np.float64]:
    n = max(1, math.ceil(length / spacing))
    return np.linspace(0.5 * length / n, length - 0.5 * length / n, n)


def object_points(points: NDArray[np.float32], crop: Crop, features: Features) -> NDArray[np.float32]:
    """Leave out points where the model's dense head, if it has one, sees nothing near.

    Parameters
    ----------
    points : (P, 2) float32 array
        The x, y in pixels of the crop.
    crop : Crop
        The crop.
    features : Features
        Of the crop.

    Returns
    -------
    (Q, 2) float32 array
        The points to ask.
    """
    if features.dense is None:
        return points
    here = torch.nn.functional.max_pool2d(features.dense[:, :1].sigmoid(), 3, 1, 1)[0, 0]
    rows, columns = here.shape
    (height, width), (above, left) = crop.shown, crop.before
    row = ((points[:, 1] + above) * (rows / height)).astype(np.int64).clip(0, rows - 1)
    column = ((points[:, 0] + left) * (columns / width)).astype(np.int64).clip(0, columns - 1)
    asked: NDArray[np.float32] = points[here.cpu().numpy()[row, column] >= ASK]
    return asked


def diameter_of_dense(shape: tuple[int, int], look: Callable[[Crop], Features], image_size: int) -> float:
    """Estimate the typical diameter from the model's dense head, at every magnification that shows more.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    look : callable
        Returns the features of a crop of the image.
    image_size : int
        Side of the model's input in pixels.

    Returns
    -------
    float
        In image pixels; 0 if no object is seen, or none that is `LEAST` wide.
    """
    n = 1
    if _is_long(shape):
        n = math.ceil(max(shape) / min(WIDEST, MIRRORED * min(shape)))
    believed = _seen(shape, n, look, image_size)
    n *= 2
    # Beyond the image's own pixels, magnifying shows nothing new.
    while max(shape) > 0.6 * n * image_size:
        closer = _seen(shape, n, look, image_size)
        if closer.count >= MORE * max(believed.count, 1.0) and 0 < closer.frame <= SMALL:
            believed = closer
        n *= 2
    return believed.diameter if believed.diameter >= LEAST else 0.0


def _seen(shape: tuple[int, int], n: int, look: Callable[[Crop], Features], image_size: int) -> Seen:
    """Look at some of the n x n tiles of an image; of a long one there are fewer along its shorter side."""
    tiles = (n, n)
    if _is_long(shape):
        tiles = max(1, round(n * shape[0] / max(shape))), max(1, round(n * shape[1] / max(shape)))
    height, width = shape[0] // tiles[0], shape[1] // tiles[1]
    places = np.random.default_rng(0).permutation(math.prod(tiles))[:LOOKS]
    radii, weights = [], []
    for place in places:
        y0, x0 = int(place // tiles[1]) * height, int(place % tiles[1]) * width
        crop = tile(0, (x0, y0, x0 + width, y0 + height), np.zeros((0, 2), np.float32))
        dense = look(crop).dense
        assert dense is not None
        radius, weight = _objects(_inside(dense[0], crop).float())
        radii.append(radius)
        weights.append(weight)
    radius, weight = torch.cat(radii), torch.cat(weights)
    count = float(weight.sum()) * math.prod(tiles) / len(places)
    frame = 2 * _median(radius, weight) / image_size
    return Seen(frame * math.sqrt(math.prod(crop.shown)), frame, count)


def _inside(dense: Tensor, crop: Crop) -> Tensor:
    """Return what the dense head (C, h, w) says of the crop itself."""
    parts = [
        slice(n * first // whole, max(n * first // whole + 1, n * (first + length) // whole))
        for n, first, length, whole in zip(dense.shape[1:], crop.before, crop.shape, crop.shown, strict=True)
    ]
    return dense[:, parts[0], parts[1]]


def _objects(dense: Tensor) -> tuple[Tensor, Tensor]:
    """Radius in input pixels of every cell on an object, and the share of an object that the cell is."""
    on = dense[0].sigmoid() > HERE
    radius = 16 * dense[3][on].exp()  # the trunk says the logarithm of radius / 16
    cell = 4.0 * 4.0
    return radius, cell / (math.pi * radius.square()).clamp(min=cell)


def _median(values: Tensor, weights: Tensor) -> float:
    if not len(values):
        return 0.0
    order = values.argsort()
    share = weights[order].cumsum(0)
    return float(values[order][int(torch.searchsorted(share, share[-1] / 2))])


def diameter_of_candidates(candidates: Candidates) -> float:
    """Estimate the typical diameter from the masks of a first pass.

    Parameters
    ----------
    candidates : Candidates
        Of a sparse grid over the whole image.

    Returns
    -------
    float
        Median over masks after NMS, of the diameter of a disc of the mask's area, in pixels; 0 without any,
        or if it is below `LEAST`.
    """
    fitting = np.flatnonzero(candidates.area <= LARGEST_SHARE * math.prod(candidates.shape))
    if not len(fitting):
        return 0.0
    kept = non_maximum_suppression(candidates.boxes[fitting], candidates.predicted_iou[fitting], 0.7)
    diameter = 2 * math.sqrt(float(np.median(candidates.area[fitting[kept]])) / math.pi)
    return diameter if diameter >= LEAST else 0.0

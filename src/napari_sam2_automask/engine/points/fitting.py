"""How large typical objects are, for a grid that fits them, and which points of it are worth asking."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from napari_sam2_automask.engine.points.fitted_grid import LEAST, MIRRORED, WIDEST, is_long, tile
from napari_sam2_automask.geometry.nms import non_maximum_suppression

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.engine.points.grid import Crop

__all__ = ["HERE", "Seen", "diameter_of_candidates", "diameter_of_dense", "inside_crop", "object_points"]

T = TypeVar("T", "Tensor", "NDArray[np.float32]")

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
        Estimated number of objects in the whole image, each as sure as the model is of it.
    """

    diameter: float
    frame: float
    count: float


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
    if is_long(shape):
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
    if is_long(shape):
        tiles = max(1, round(n * shape[0] / max(shape))), max(1, round(n * shape[1] / max(shape)))
    height, width = shape[0] // tiles[0], shape[1] // tiles[1]
    places = np.random.default_rng(0).permutation(math.prod(tiles))[:LOOKS]
    radii, weights = [], []
    for place in places:
        y0, x0 = int(place // tiles[1]) * height, int(place % tiles[1]) * width
        crop = tile(0, (x0, y0, x0 + width, y0 + height), np.zeros((0, 2), np.float32))
        dense = look(crop).dense
        assert dense is not None
        radius, weight = _objects(inside_crop(dense[0], crop).float())
        radii.append(radius)
        weights.append(weight)
    radius, weight = torch.cat(radii), torch.cat(weights)
    count = float(weight.sum()) * math.prod(tiles) / len(places)
    frame = 2 * _median(radius, weight) / image_size
    return Seen(frame * math.sqrt(math.prod(crop.shown)), frame, count)


def inside_crop(dense: T, crop: Crop) -> T:
    """Return what the dense head (C, h, w) says of the crop itself, without its mirror."""
    parts = [
        slice(n * first // whole, max(n * first // whole + 1, n * (first + length) // whole))
        for n, first, length, whole in zip(dense.shape[1:], crop.before, crop.shape, crop.shown, strict=True)
    ]
    inside: T = dense[:, parts[0], parts[1]]
    return inside


def _objects(dense: Tensor) -> tuple[Tensor, Tensor]:
    """Radius in input pixels of every cell on an object, and the share of an object that the cell is.

    A cell counts the less the less sure the model is of it. Noise, magnified, is full of small "objects" of
    which it is hardly surer than not; counted in full they outnumber the few objects of a small image.
    """
    sure = dense[0].sigmoid()
    on = sure > HERE
    radius = 16 * dense[3][on].exp()  # the trunk says the logarithm of radius / 16
    cell = 4.0 * 4.0
    weight = ((sure[on] - HERE) / (1 - HERE)).square()
    return radius, weight * cell / (math.pi * radius.square()).clamp(min=cell)


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

"""Where the pixels of a layer and of its levels lie, and how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from napari.utils.transforms import Affine

from napari_sam2_automask.files.pyramid import steps_between
from napari_sam2_automask.settings.units import Pixel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image, Layer
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LayerLevel",
    "layer_transform",
    "level_count",
    "level_data",
    "level_of",
    "level_transform",
    "moved",
    "onto",
    "own_affine",
    "pixel_of",
]


@dataclass(frozen=True)
class LayerLevel:
    """A level of a multiscale layer.

    Attributes
    ----------
    number : int
        Which; 0 is full resolution.
    steps : tuple of float
        How many pixels of full resolution one of its pixels spans along each axis of the layer.
    full_shape : tuple of int
        The shape of full resolution, without colours.
    """

    number: int
    steps: tuple[float, ...]
    full_shape: tuple[int, ...]

    @property
    def side(self) -> float:
        """The side of its pixels, in pixels of full resolution: the geometric mean over the last two axes."""
        return math.sqrt(math.prod(self.steps[-2:]))

    @property
    def told(self) -> str:
        """What people call it, such as ``"1/2"``."""
        return "Full" if self.number == 0 else f"1/{self.side:.3g}"

    def at(self, full: ArrayLike, axes: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return where positions at full resolution lie in the level, in pixels.

        Parameters
        ----------
        full : array_like, shape (..., N)
            Positions along N axes of the layer.
        axes : sequence of int, optional
            Which axes; all if left out.
        """
        steps = np.array(self.steps)[slice(None) if axes is None else list(axes)]
        return np.asarray((np.asarray(full, np.float64) + 0.5) / steps - 0.5)

    def nearest(self, axis: int, count: int) -> NDArray[np.intp]:
        """Return the positions of full resolution that are nearest to `count` pixels of the level."""
        step, most = self.steps[axis], self.full_shape[axis] - 1
        middles = (np.arange(count) + 0.5) * step - 0.5
        return np.asarray(np.clip(np.floor(middles + 0.5), 0, most), np.intp)


def level_count(layer: Image) -> int:
    """Return how many levels a layer has; 1 if it is not multiscale."""
    return len(layer.data) if layer.multiscale else 1


def level_data(layer: Image, level: int = 0) -> Any:
    """Return the pixels of a level, any array-like; those of the layer if it is not multiscale."""
    return layer.data[level] if layer.multiscale else layer.data


def level_of(layer: Image, number: int) -> LayerLevel:
    """Return a level of a layer."""
    full, own = (tuple(level_data(layer, k).shape[: layer.ndim]) for k in (0, number))
    return LayerLevel(number, steps_between(full, own), tuple(map(int, full)))


def pixel_of(layer: Image | None, order: Sequence[int] = (), level: int = 0) -> Pixel | None:
    """Return how large the pixels of a layer are; None if it has no unit.

    Parameters
    ----------
    layer : Image or None
        The layer.
    order : sequence of int
        The viewer's axis order, which says what rows and columns are; the last two axes if empty.
    level : int
        The level of a multiscale layer.
    """
    if layer is None:
        return None
    # The layer's axes are the last ones of the viewer's.
    missing = len(order) - layer.ndim
    rows, columns = ([axis - missing for axis in order if axis >= missing] or [-2, -1])[-2:]
    units = [str(unit) for unit in layer.units]
    if units[rows] != units[columns]:
        return None
    size = np.abs(layer.scale) * level_of(layer, level).steps
    return Pixel.known((float(size[rows]), float(size[columns])), units[rows])


def level_transform(layer: Image, level: int) -> dict[str, Any]:
    """Return the keyword arguments that put a layer of the shape of a level into the layer's place.

    A level's pixels are larger, and lie in the middle of those that they stand for.
    """
    transform = layer_transform(layer)
    if level == 0:
        return transform
    steps = np.array(level_of(layer, level).steps)
    return {**moved(transform, (steps - 1) / 2), "scale": transform["scale"] * steps}


def moved(transform: Mapping[str, Any], first: ArrayLike) -> dict[str, Any]:
    """Return the place of a layer whose first pixel lies at a position in the data of one that lies there."""
    return {**transform, "translate": np.asarray(own_affine(transform)(np.asarray(first, np.float64)))}


def own_affine(transform: Mapping[str, Any]) -> Affine:
    """Return where a layer lies by its own scale, place, rotation and shear, before its affine."""
    return Affine(**{name: transform[name] for name in ("scale", "translate", "rotate", "shear")})


class HasPlace(Protocol):
    """A layer, or what lies where one would."""

    def data_to_world(self, position: ArrayLike, /) -> Any:
        """Return where a position in its data lies in the viewer."""


def onto(target: Layer, layer: HasPlace, points: ArrayLike) -> NDArray[np.float64]:
    """Return where positions in the data of a layer lie in the data of another.

    Parameters
    ----------
    target : Layer
        Where to.
    layer : HasPlace
        Where from; a layer of fewer axes lies on every plane of the other.
    points : array_like, shape (N, D)
        Positions along the axes of `layer`.

    Returns
    -------
    (N, target.ndim) float64 array
    """

    def one(point: NDArray[np.float64]) -> NDArray[np.float64]:
        world = np.asarray(layer.data_to_world(point), np.float64)
        world = np.concatenate([np.zeros(max(0, target.ndim - len(world))), world])
        return np.asarray(target.world_to_data(world), np.float64)[-target.ndim :]

    # napari takes one position at a time; every place of a layer is affine, so that a few tell all.
    points = np.asarray(points, np.float64)
    first = one(np.zeros(points.shape[1]))
    return np.asarray(first + points @ np.stack([one(axis) - first for axis in np.eye(points.shape[1])]))


def layer_transform(layer: Layer) -> dict[str, Any]:
    """Return the keyword arguments that put another layer of the same shape into the same place."""
    return {
        "scale": np.array(layer.scale),
        "translate": np.array(layer.translate),
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "units": tuple(layer.units),
        "axis_labels": tuple(layer.axis_labels),
    }

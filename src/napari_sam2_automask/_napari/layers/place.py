"""Levels of a multiscale layer: their pixels, and where these lie at full resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.files.pyramid import steps_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LayerLevel", "level_count", "level_data", "level_of"]


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

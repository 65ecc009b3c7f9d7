"""Where a layer lies, as keyword arguments for another one that is to lie there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_sam2_automask._napari.layers.place import level_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Image, Layer
    from numpy.typing import ArrayLike

__all__ = ["layer_transform", "level_transform", "moved"]


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
    own = {name: transform[name] for name in ("scale", "translate", "rotate", "shear")}
    return {**transform, "translate": np.asarray(Affine(**own)(np.asarray(first, np.float64)))}


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

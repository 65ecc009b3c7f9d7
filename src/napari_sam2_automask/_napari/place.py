"""Where a layer lies, as keyword arguments for another one that is to lie there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_sam2_automask._napari.pyramid import level_of

if TYPE_CHECKING:
    from napari.layers import Image, Layer

__all__ = ["layer_transform", "level_transform"]


def level_transform(layer: Image, level: int) -> dict[str, Any]:
    """Return the keyword arguments that put a layer of the shape of a level into the layer's place.

    A level's pixels are larger, and lie in the middle of those that they stand for.
    """
    transform = layer_transform(layer)
    if level == 0:
        return transform
    steps = np.array(level_of(layer, level).steps)
    own = {name: transform[name] for name in ("scale", "translate", "rotate", "shear")}
    return {
        **transform,
        "scale": transform["scale"] * steps,
        "translate": np.asarray(Affine(**own)((steps - 1) / 2)),
    }


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

"""What a run needs to know about an image layer, taken on the main thread when Run is pressed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.file_of_layer import file_of_layer
from napari_sam2_automask._napari.layers.image_source import ImageSource
from napari_sam2_automask._napari.layers.place import level_data, level_of, level_transform
from napari_sam2_automask._napari.layers.plane_axes import plane_axes
from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels

    from napari_sam2_automask._napari.layers.plane_axes import PlaneAxis

__all__ = ["axes_of_layer", "resized", "take_source"]

#: What napari calls the unit of axes that have none.
_NO_UNITS = ("pixel", "")

#: The largest plane that a run takes at once, in pixels. What the model sees of it and its labels are held
#: whole, together some 7 bytes a pixel.
MAX_PIXELS = 2**28


def axes_of_layer(
    layer: Image, order: Sequence[int], channel_axis: int | None = None, level: int = 0
) -> list[PlaneAxis]:
    """Return the axes that the planes of a layer lie along as the viewer shows it; channels are none.

    Parameters
    ----------
    layer : Image
        The layer.
    order : sequence of int
        The viewer's axis order, `viewer.dims.order`.
    channel_axis : int, optional
        The layer's axis of channels.
    level : int
        The level of a multiscale layer.
    """
    if layer.ndim < 2:
        return []
    found = plane_axes(
        tuple(layer.axis_labels),
        level_data(layer, level).shape[: layer.ndim],
        _shown(order, layer.ndim),
    )
    return [one for one in found if one.axis != channel_axis]


def _shown(order: Sequence[int], count: int) -> tuple[int, int]:
    """Return which axes of a layer of so many are shown as rows and columns: they are the viewer's last."""
    missing = len(order) - count
    rows, columns = [axis - missing for axis in order if axis >= missing][-2:]
    return rows, columns


def take_source(
    layer: Image, order: Sequence[int], point: Sequence[float], *, level: int = 0, any_size: bool = False
) -> ImageSource:
    """Take a snapshot of an image layer as the viewer shows it.

    Parameters
    ----------
    layer : Image
        The layer.
    order : sequence of int
        The viewer's axis order, `viewer.dims.order`.
    point : sequence of float
        The viewer's position in world coordinates, `viewer.dims.point`.
    level : int
        The level of a multiscale layer.
    any_size : bool
        Take planes of any size, because they will not be read whole.

    Raises
    ------
    ImageError
        If the layer holds no pixels, has fewer than two axes, or its planes are too large to be read whole.
    """
    data, pyramid = level_data(layer, level), level_of(layer, level)
    rgb = bool(layer.rgb)
    shape = tuple(int(n) for n in (data.shape[:-1] if rgb else data.shape))
    if len(shape) < 2:
        raise ImageError(f"{layer.name!r} has {len(shape)} axis: choose an image with rows and columns")
    if math.prod(shape) == 0:
        raise ImageError(f"{layer.name!r} is empty (shape {shape}): choose an image that has pixels")
    rows, columns = _shown(order, len(shape))
    position = pyramid.at(layer.world_to_data(tuple(point))[-len(shape) :])
    index = tuple(
        int(np.clip(round(float(position[axis])), 0, shape[axis] - 1))
        for axis in range(len(shape))
        if axis not in (rows, columns)
    )
    if not any_size:
        _check_size(layer.name, shape[rows], shape[columns])
    units = tuple(str(unit) for unit in layer.units)
    transform = level_transform(layer, level)
    low, high = layer.contrast_limits
    return ImageSource(
        name=layer.name,
        data=data,
        rgb=rgb,
        shape=shape,
        rows_columns=(rows, columns),
        index=index,
        contrast_limits=(float(low), float(high)),
        transform=transform,
        **_size(transform["scale"], units, rows, columns),
        axis_labels=tuple(layer.axis_labels),
        path=file_of_layer(layer),
        pyramid=pyramid if layer.multiscale else None,
    )


def resized(source: ImageSource, labels: Labels) -> ImageSource:
    """Return an image with the size of pixels that the layer of its labels has now.

    Parameters
    ----------
    source : ImageSource
        The image as it was when it was segmented.
    labels : Labels
        Of its shape, or of that of its planes.
    """
    scale, units = labels.scale, tuple(str(unit) for unit in labels.units)
    rows, columns = source.rows_columns
    if labels.ndim == len(source.shape):
        transform = {**source.transform, "scale": scale, "units": units}
        return replace(source, transform=transform, **_size(scale, units, rows, columns))
    rows, columns = (-2, -1) if rows < columns else (-1, -2)
    return replace(source, **_size(scale, units, rows, columns))


def _size(scale: Sequence[float], units: Sequence[str], rows: int, columns: int) -> dict[str, Any]:
    """Return how large pixels are, and in which unit, as arguments of `ImageSource`."""
    same = units[rows] == units[columns] and units[rows] not in _NO_UNITS
    size = abs(float(scale[rows])), abs(float(scale[columns]))
    return {"pixel_size": size, "unit": units[rows] if same else None}


def _check_size(name: str, rows: int, columns: int) -> None:
    if rows * columns > MAX_PIXELS:
        side = math.isqrt(MAX_PIXELS)
        raise ImageError(
            f"{name!r} has {rows:,} x {columns:,} pixels, more than {side:,} x {side:,} at once: crop it, "
            "segment it tile by tile, with Large images in the background, or choose a coarser level if it "
            "has any"
        )

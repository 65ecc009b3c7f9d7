"""The channels of one field: layers that lie on each other, or an axis of a layer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.channels import Channels
from napari_sam2_automask._napari.layers.file_of_layer import file_of_layer
from napari_sam2_automask._napari.layers.place import layer_transform, level_count, level_data
from napari_sam2_automask._napari.layers.plane_axes import KNOWN, command_letters, letters_of
from napari_sam2_automask._napari.layers.reduce_axes import reduced
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.channels import Look, default_colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.channels import How
    from napari_sam2_automask._napari.layers.image_source import ImageSource

__all__ = ["along_axis", "channel_axes", "from_layers", "lie_together"]

#: An axis that has no name may hold channels if it is no longer than this.
MOST_UNNAMED = 8


class _Stacked:
    """The channels of several arrays of one shape, as a last axis; made when it is sliced."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = arrays

    def __getitem__(self, cut: tuple[Any, ...]) -> NDArray[Any]:
        return np.stack([np.asarray(array[cut]) for array in self._arrays], -1)


class _AxisLast:
    """An array whose axis of channels is the last; made when it is sliced."""

    def __init__(self, array: Any, axis: int) -> None:
        self._array, self._axis = array, axis

    def __getitem__(self, cut: tuple[Any, ...]) -> NDArray[Any]:
        whole = (*cut[: self._axis], slice(None), *cut[self._axis :])
        left = sum(isinstance(part, slice) for part in whole[: self._axis])
        return np.moveaxis(np.asarray(self._array[whole]), left, -1)


def channel_axes(layer: Image) -> list[int]:
    """Return the axes of a layer that may hold channels; only the one named so, if there is one."""
    if layer.rgb:
        return []
    shape = level_data(layer).shape
    letters = letters_of(tuple(layer.axis_labels))
    named = [axis for axis, letter in enumerate(letters) if letter == "C" and shape[axis] > 1]
    if named:
        return named[:1]
    return [
        axis
        for axis in range(len(shape) - 2)
        if 1 < shape[axis] <= MOST_UNNAMED and letters[axis] not in KNOWN + "YX"
    ]


def lie_together(one: Image, other: Image) -> bool:
    """Tell whether two images have one shape and lie in one place."""
    return _shape(one) == _shape(other) and _same_place(one, other)


def from_layers(source: ImageSource, layer: Image, layers: Sequence[Image], how: How) -> ImageSource:
    """Return the image of all channels that show, each a layer.

    Parameters
    ----------
    source : ImageSource
        The snapshot of `layer`, which says where the result lies.
    layer : Image
        The chosen layer.
    layers : sequence of Image
        All images of the viewer, the lowest first. RGB images and those that do not show are no channels.
    how : {"mix", "pool"}
        What is to be done with them.

    Raises
    ------
    ImageError
        If none shows, one lies elsewhere or has another shape, or one covers others.
    """
    shown = [one for one in layers if one.visible and not one.rgb]
    if not shown:
        raise ImageError("no channel is visible: show the layers that the model is to see")
    for one in shown:
        if _shape(one) != _shape(layer):
            raise ImageError(
                f"{one.name!r} has the shape {_shape(one)}, {layer.name!r} {_shape(layer)}: hide what is no "
                "channel of this image"
            )
        if not _same_place(one, layer):
            raise ImageError(
                f"{one.name!r} does not lie where {layer.name!r} lies: give it the same scale and place, or "
                "hide it"
            )
    if how == "mix":
        for one in shown[1:]:
            if one.blending == "opaque" or (one.blending.startswith("translucent") and one.opacity == 1):
                raise ImageError(
                    f"{one.name!r} covers the channels below it: set its blending to additive in the layer "
                    "controls"
                )
    channels = Channels(
        how,
        tuple(one.name for one in shown),
        tuple(_look(one) for one in shown),
        tuple(str(one.unique_id) for one in shown),
        paths=tuple(map(file_of_layer, shown)),
    )
    for one in shown:
        if level_count(one) <= source.level or level_data(one, source.level).shape != source.data.shape:
            raise ImageError(
                f"{one.name!r} has other levels than {layer.name!r}: choose full resolution, or hide it"
            )
    arrays = [level_data(one, source.level) for one in shown]
    return replace(source, data=_Stacked(arrays), channels=channels)


def along_axis(source: ImageSource, axis: int, how: How) -> ImageSource:
    """Return the image of all channels that lie along an axis of a layer.

    Its colours are those in which napari shows channels; the contrast limits are the layer's for all.

    Raises
    ------
    ImageError
        If the viewer shows that axis as rows or columns, or the layer is turned out of its planes.
    """
    if axis in source.rows_columns:
        raise ImageError(
            f"the channels of {source.name!r} are shown as rows or columns: roll the axes back, or choose "
            "this layer only"
        )
    count = source.shape[axis]
    low, high = source.contrast_limits
    limits = (low, high) if low < high else None
    channels = Channels(
        how,
        tuple(f"c{k}" for k in range(count)),
        tuple(Look(limits, ((0.0, 0.0, 0.0), colour)) for colour in default_colours(count)),
        (f"axis {axis}",),
        axis,
        command_letters(source.letters, source.rows_columns, axis),
    )
    kept = [own for own in range(len(source.shape)) if own != axis]
    return reduced(source, kept, data=_AxisLast(source.data, axis), channels=channels)


def _shape(layer: Image) -> tuple[int, ...]:
    return tuple(int(n) for n in level_data(layer).shape)


def _same_place(one: Image, other: Image) -> bool:
    first, second = layer_transform(one), layer_transform(other)
    return first["units"] == second["units"] and all(
        np.shape(first[name]) == np.shape(second[name]) and np.allclose(first[name], second[name])
        for name in ("scale", "translate", "rotate", "shear", "affine")
    )


def _look(layer: Image) -> Look:
    low, high = (float(limit) for limit in layer.contrast_limits)
    colormap = layer.colormap
    plain = (
        str(colormap.interpolation) == "linear" and colormap.low_color is None and colormap.high_color is None
    )
    rows = np.asarray(colormap.colors, np.float64)
    if not (plain and len(rows) < 9 and np.allclose(colormap.controls, np.linspace(0, 1, len(rows)))):
        rows = np.asarray(colormap.map(np.linspace(0, 1, 256)), np.float64)
    if (rows[:, 3] == 1).all():
        rows = rows[:, :3]
    colours = tuple(tuple(round(float(value), 6) for value in row) for row in rows)
    limits = (low, high) if low < high and math.isfinite(high - low) else None
    return Look(limits, colours, float(layer.gamma), float(layer.opacity), str(layer.blending))

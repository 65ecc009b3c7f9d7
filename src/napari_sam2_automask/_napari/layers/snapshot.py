"""What a run needs to know about an image layer, taken on the main thread when Run is pressed.

The layer may be renamed, moved or removed while the run goes on: nothing here refers to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.place import LayerLevel, level_data, level_of, level_transform, moved
from napari_sam2_automask._napari.layers.plane_axes import letters_of, plane_axes
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.axes import cut, key_of, shown_axes
from napari_sam2_automask.settings.units import convert, known_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.channels import Channels
    from napari_sam2_automask._napari.layers.plane_axes import PlaneAxis, Projection

__all__ = ["ImageSource", "axes_of_layer", "resized", "take_source"]

#: What napari calls the unit of axes that have none.
_NO_UNITS = ("pixel", "")


@dataclass(frozen=True, eq=False)
class ImageSource:
    """A snapshot of an image layer.

    Attributes
    ----------
    name : str
        The layer's name.
    data : array
        The layer's data, or a level of it, any array-like that slices; read on the inference thread only.
    rgb : bool
        Whether the last axis of `data` holds colours.
    shape : tuple of int
        The shape without the colour axis.
    rows_columns : (int, int)
        The axes of `shape` that the viewer shows as rows and columns.
    index : tuple of int
        The position of the current plane along every other axis, in their order.
    contrast_limits : (float, float)
        The layer's own.
    transform : mapping
        Keyword arguments that put another layer of the same shape into the same place.
    pixel_size : (float, float)
        The height and width of a pixel in `unit`.
    unit : str or None
        The physical unit of `pixel_size`; None for pixels.
    axis_labels : tuple of str
        Names of the axes of `shape`.
    path : str or None
        The file that the layer was read from, if any.
    projected : Projection or None
        What was projected, if it is a projection.
    layer_axes : tuple of int
        Of an image with fewer axes than its layer: which of the layer's they are; empty if it has them all.
    channels : Channels or None
        What the last axis of `data` holds, if these are channels.
    layer_shape : tuple of int
        The shape of the layer's level, without colours; empty if it is `shape`.
    pyramid : LayerLevel or None
        The level of a multiscale layer that `data` is; None for other layers.
    """

    name: str
    data: Any
    rgb: bool
    shape: tuple[int, ...]
    rows_columns: tuple[int, int]
    index: tuple[int, ...]
    contrast_limits: tuple[float, float]
    transform: Mapping[str, Any] = field(default_factory=dict)
    pixel_size: tuple[float, float] = (1.0, 1.0)
    unit: str | None = None
    axis_labels: tuple[str, ...] = ()
    path: str | None = None
    projected: Projection | None = None
    layer_axes: tuple[int, ...] = ()
    channels: Channels | None = None
    layer_shape: tuple[int, ...] = ()
    pyramid: LayerLevel | None = None

    @property
    def level(self) -> int:
        """The level of the layer; 0 for full resolution."""
        return 0 if self.pyramid is None else self.pyramid.number

    @property
    def layer_name(self) -> str:
        """The name of the layer; that of a projection has more to it."""
        return self.name.removesuffix(f", {self.projected.title}") if self.projected else self.name

    @property
    def layer_rows_columns(self) -> tuple[int, int]:
        """The axes of the layer that the viewer shows as rows and columns."""
        rows, columns = self.rows_columns
        return (self.layer_axes[rows], self.layer_axes[columns]) if self.layer_axes else (rows, columns)

    @property
    def other_axes(self) -> tuple[int, ...]:
        """The axes that planes are counted along; none for a 2-D image."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.rows_columns)

    @property
    def letters(self) -> str:
        """One letter for each axis, by its whole name, as `axis_letters` gives them."""
        return letters_of(self._names, self.rows_columns)

    @property
    def plane_axes(self) -> list[PlaneAxis]:
        """The axes that planes are counted along, with what they mean; their numbers are the layer's."""
        return plane_axes(self._names, self.shape, self.rows_columns, self.layer_axes)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.axis_labels or ("",) * len(self.shape)

    @property
    def size(self) -> tuple[tuple[float, float], str | None]:
        """Height and width of a pixel, and their unit."""
        return self.pixel_size, self.unit

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of one plane."""
        rows, columns = self.rows_columns
        return self.shape[rows], self.shape[columns]

    @property
    def full_shape(self) -> tuple[int, ...]:
        """The shape at full resolution, along the same axes."""
        if self.pyramid is None:
            return self.shape
        own = self.layer_axes or range(len(self.shape))
        return tuple(self.pyramid.full_shape[axis] for axis in own)

    @property
    def full_plane_shape(self) -> tuple[int, int]:
        """Rows and columns of one plane at full resolution."""
        rows, columns = self.rows_columns
        return self.full_shape[rows], self.full_shape[columns]

    @property
    def plane_count(self) -> int:
        """How many planes there are."""
        return math.prod(self.shape[axis] for axis in self.other_axes)

    def all_indices(self) -> list[tuple[int, ...]]:
        """Return the index of every plane, last axis fastest."""
        return list(np.ndindex(*(self.shape[axis] for axis in self.other_axes)))

    @property
    def _axes(self) -> str:
        """Names for the axes of `shape`."""
        return shown_axes(len(self.shape), *self.rows_columns)

    def _place(self, index: Sequence[int]) -> dict[str, int | slice]:
        return dict(zip((self._axes[axis] for axis in self.other_axes), index, strict=True))

    def between(self, axis: int) -> float | None:
        """Return the distance between planes along an axis, in `unit`; None where it is not known.

        Its axis may have another unit than rows and columns, or none.
        """
        unit, own = known_unit(self.unit or ""), known_unit(str(self.transform["units"][axis]))
        step = abs(float(self.transform["scale"][axis]))
        return None if unit is None or own is None else convert(step, own, unit)

    def slices(self, index: Sequence[int]) -> tuple[Any, ...]:
        """Return what selects the plane at `index` in an array of shape `shape`."""
        return key_of(self._axes, self._place(index))

    def cut(self, array: Any, index: Sequence[int]) -> NDArray[Any]:
        """Cut the plane at `index` out of an array of shape `shape`, perhaps with one more axis."""
        return cut(array, self._axes, self._place(index))

    def plane(self, index: Sequence[int]) -> NDArray[Any]:
        """Read one plane: (Y, X), or (Y, X, colours or channels). Lazy data are computed here."""
        try:
            return self.cut(self.data, index)
        except Exception as error:  # a lazy array raises whatever its reader raises
            raise ImageError(
                f"the image {self.name!r} cannot be read ({error}): check its file, or choose another image"
            ) from error

    def plane_transform(self, index: Sequence[int]) -> dict[str, Any]:
        """Return what puts the plane at `index`, with every other axis of length 1, into its place."""
        origin = np.zeros(len(self.shape))
        origin[list(self.other_axes)] = index
        return moved(self.transform, origin)

    def oriented(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Swap rows and columns of a plane where the viewer shows them swapped; its own inverse."""
        rows, columns = self.rows_columns
        return plane.swapaxes(0, 1) if rows > columns else plane


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
        path=str(layer.source.path) if layer.source.path else None,
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

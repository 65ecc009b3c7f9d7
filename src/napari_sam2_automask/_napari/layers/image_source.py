"""An image layer as a run needs it: its pixels, axes, place and size, and how its planes are cut out of them.

The layer may be renamed, moved or removed while the run goes on: nothing here refers to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.place import LayerLevel, moved
from napari_sam2_automask._napari.layers.plane_axes import letters_of, plane_axes
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.axes import cut, key_of, shown_axes
from napari_sam2_automask.settings.units import convert, known_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.channels import Channels
    from napari_sam2_automask._napari.layers.plane_axes import PlaneAxis, Projection

__all__ = ["ImageSource"]


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

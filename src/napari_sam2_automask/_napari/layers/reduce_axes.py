"""An image with fewer axes than its layer, in the place where the layer lies; a projection is one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.plane_axes import Projection, command_letters
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.projection import project_planes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource

__all__ = ["project", "reduced"]


def reduced(source: ImageSource, axes: Sequence[int], **changes: Any) -> ImageSource:
    """Return a source of some of its axes only.

    Parameters
    ----------
    source : ImageSource
        An image.
    axes : sequence of int
        The axes to keep, rising; rows and columns are among them.
    **changes
        Other attributes of the result: `data` of the axes that are kept, if its pixels are needed.

    Raises
    ------
    ImageError
        If the image is rotated or sheared out of the axes that are kept, so that they have no place in it.
    """
    axes = list(axes)
    others = [axis for axis in range(len(source.shape)) if axis not in axes]
    transform = dict(source.transform)
    for name in ("rotate", "shear", "affine"):
        matrix = np.asarray(transform[name])
        if matrix.ndim == 2 and (matrix[np.ix_(axes, others)].any() or matrix[np.ix_(others, axes)].any()):
            raise ImageError(f"{source.name!r} is turned out of its planes: segment single planes of it")
    shear = np.asarray(transform["shear"])
    if shear.ndim == 1 and shear.any():
        raise ImageError(f"{source.name!r} is sheared: segment single planes of it")
    affine = np.asarray(transform["affine"])
    corner = [*axes, affine.shape[0] - 1]
    transform |= {
        "scale": np.asarray(transform["scale"])[axes],
        "translate": np.asarray(transform["translate"])[axes],
        "rotate": np.asarray(transform["rotate"])[np.ix_(axes, axes)],
        "shear": np.zeros(len(axes) * (len(axes) - 1) // 2) if shear.ndim == 1 else shear[np.ix_(axes, axes)],
        "affine": affine[np.ix_(corner, corner)],
        "units": tuple(transform["units"][axis] for axis in axes),
        "axis_labels": tuple(transform["axis_labels"][axis] for axis in axes),
    }
    own = source.layer_axes or tuple(range(len(source.shape)))
    rows, columns = source.rows_columns
    position = dict(zip(source.other_axes, source.index, strict=True))
    values: dict[str, Any] = {
        "shape": tuple(source.shape[axis] for axis in axes),
        "rows_columns": (axes.index(rows), axes.index(columns)),
        "index": tuple(position[axis] for axis in axes if axis in position),
        "transform": transform,
        "axis_labels": tuple(source.axis_labels[axis] for axis in axes) if source.axis_labels else (),
        "layer_shape": source.layer_shape or source.shape,
        "layer_axes": tuple(own[axis] for axis in axes),
    }
    return replace(source, **{**values, **changes})


class _Projected:
    """An array without one of its axes, made plane by plane as it is sliced: lazy stacks stay on disk."""

    def __init__(self, array: Any, axis: int, length: int, kind: str) -> None:
        self._array, self._axis, self._length, self._kind = array, axis, length, kind

    def __getitem__(self, cut: tuple[Any, ...]) -> NDArray[Any]:
        before, after = cut[: self._axis], cut[self._axis :]
        planes = (np.asarray(self._array[(*before, k, *after)]) for k in range(self._length))
        return project_planes(planes, self._kind)


def project(source: ImageSource, kind: str, over: str) -> ImageSource:
    """Return the projection of a stack over one axis as an image of the others, where the stack lies.

    Parameters
    ----------
    source : ImageSource
        A stack.
    kind : {"max", "mean"}
        What becomes of the values along the axis. NaN is left out of a maximum.
    over : str
        The `PlaneAxis.key` of the axis.

    Raises
    ------
    ImageError
        If the stack has no such axis, or is rotated or sheared out of the others, so that a picture has no
        place in it.
    """
    found = dict(zip(source.other_axes, source.plane_axes, strict=True))
    chosen = [axis for axis, one in found.items() if one.key == over]
    if not chosen:
        raise ImageError(f"{source.name!r} has no axis {over} to project: choose Planes for this image alone")
    axis = chosen[0]
    if source.channels is not None and source.channels.axis is not None:
        letters = source.channels.letters
    else:  # names that somebody gave to the axes in the viewer stand in no file
        letters = command_letters(source.letters, source.rows_columns) + ("S" if source.rgb else "")
    projection = Projection.of(kind, found[axis], letters)
    return reduced(
        source,
        [own for own in range(len(source.shape)) if own != axis],
        name=f"{source.name}, {projection.title}",
        data=_Projected(source.data, axis, source.shape[axis], kind),
        projected=projection,
    )

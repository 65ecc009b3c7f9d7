"""An image with fewer axes than its layer, in the place where the layer lies; a projection is one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.snapshot import POSITIONS
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.projection import project_planes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.snapshot import ImageSource

__all__ = ["project", "reduced"]

#: What becomes of a stack that is seen as one picture.
TITLES = {"max": "maximum", "mean": "mean"}


def reduced(source: ImageSource, axes: Sequence[int], **changes: Any) -> ImageSource:
    """Return a source of some of its axes only.

    Parameters
    ----------
    source : ImageSource
        An image.
    axes : sequence of int
        The axes to keep, rising; rows and columns are among them.
    **changes
        Other attributes of the result: `data` of the axes that are kept, at least.

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


class _Projection:
    """Computes the picture when it is sliced, one plane at a time, so that lazy stacks stay on disk."""

    def __init__(self, source: ImageSource, kind: str) -> None:
        self._source, self._kind = source, kind

    def __getitem__(self, cut: Any) -> NDArray[Any]:
        source = self._source
        planes = (source.oriented(source.plane(index)) for index in source.all_indices())
        return np.asarray(project_planes(planes, self._kind)[cut])


def project(source: ImageSource, kind: str) -> ImageSource:
    """Return the projection of a stack as an image of two axes, where the stack lies.

    Parameters
    ----------
    source : ImageSource
        A stack.
    kind : {"max", "mean"}
        What becomes of the values along every axis but rows and columns. NaN is left out of a maximum.

    Raises
    ------
    ImageError
        If the stack is rotated or sheared out of its planes, so that a picture has no place in it, or its
        planes are positions, which lie on each other in no picture.
    """
    names = [source.axis_labels[axis] for axis in source.other_axes if source.axis_labels]
    if positions := [name for name in names if name.lower() in POSITIONS]:
        raise ImageError(
            f"axis {positions[0]} of {source.name!r} is of positions, which are not projected on each other: "
            "choose the current plane or all planes"
        )
    return reduced(
        source,
        sorted(source.rows_columns),
        name=f"{source.name}, {TITLES[kind]}",
        data=_Projection(source, kind),
        projected=(kind, source.other_axes),
    )

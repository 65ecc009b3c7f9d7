"""A stack seen as one picture: the maximum or the mean over all of its planes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.source import ImageSource

__all__ = ["project"]

TITLES = {"max": "maximum", "mean": "mean"}


class _Projection:
    """Computes the picture when it is sliced, one plane at a time, so that lazy stacks stay on disk."""

    def __init__(self, source: ImageSource, kind: str) -> None:
        self._source, self._kind = source, kind

    def __getitem__(self, cut: Any) -> NDArray[Any]:
        source = self._source
        total: NDArray[Any] | None = None
        for index in source.all_indices():
            plane = source.oriented(source.plane(index))
            if self._kind == "mean":
                plane = plane.astype(np.float64)
            if total is None:
                total = plane.copy()
            elif self._kind == "mean":
                total += plane
            else:
                np.fmax(total, plane, out=total)
        assert total is not None
        if self._kind == "mean":
            total = (total / source.plane_count).astype(np.float32)
        return np.asarray(total[cut])


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
        If the stack is rotated or sheared out of its planes, so that a picture has no place in it.
    """
    axes = sorted(source.rows_columns)
    others = list(source.other_axes)
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
    placed = {
        "scale": np.asarray(transform["scale"])[axes],
        "translate": np.asarray(transform["translate"])[axes],
        "rotate": np.asarray(transform["rotate"])[np.ix_(axes, axes)],
        "affine": affine[np.ix_(corner, corner)],
        "units": tuple(transform["units"][axis] for axis in axes),
        "axis_labels": tuple(transform["axis_labels"][axis] for axis in axes),
    }
    return replace(
        source,
        name=f"{source.name}, {TITLES[kind]}",
        data=_Projection(source, kind),
        shape=tuple(source.shape[axis] for axis in axes),
        rows_columns=(0, 1) if source.rows_columns[0] < source.rows_columns[1] else (1, 0),
        index=(),
        transform=placed,
        axis_labels=tuple(source.axis_labels[axis] for axis in axes) if source.axis_labels else (),
        projected=(kind, tuple(others)),
    )

"""A stack seen as one picture: the maximum or the mean over all of its planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.reduce_axes import reduced
from napari_sam2_automask._napari.layers.snapshot import POSITIONS
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.projection import project_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.snapshot import ImageSource

__all__ = ["project"]

TITLES = {"max": "maximum", "mean": "mean"}


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

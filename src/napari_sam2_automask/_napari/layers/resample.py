"""Labels painted at another resolution than a result's, seen at that of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_sam2_automask._napari.layers.place import level_data, onto, own_affine

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource

__all__ = ["ResultPlace", "labels_on", "places_on", "reader_on"]

#: How far labels may fall short of the result that they are to cover, in pixels of the result.
SHORT = 1.5


class ResultPlace:
    """The shape and the place that a result of an image has: all of a layer that needs no time to be made.

    Parameters
    ----------
    source : ImageSource
        The image.
    """

    def __init__(self, source: ImageSource) -> None:
        self.data = np.broadcast_to(np.uint8(0), source.shape)
        self._own = own_affine(source.transform)
        self._further = Affine(affine_matrix=source.transform["affine"])

    def data_to_world(self, position: ArrayLike) -> NDArray[np.float64]:
        """Return where a position along the axes of the image lies in the viewer."""
        return np.asarray(self._further(self._own(np.asarray(position, np.float64))), np.float64)


def places_on(labels: Labels, target: Labels | ResultPlace) -> list[NDArray[np.intp]] | None:
    """Return which pixel of some labels lies nearest to each pixel of a layer, along every axis.

    Parameters
    ----------
    labels : Labels
        The labels.
    target : Labels or ResultPlace
        The layer, or where one would be.

    Returns
    -------
    list of int arrays or None
        None where the labels do not cover the layer, or are turned against it.
    """
    shape, full = target.data.shape, level_data(labels).shape
    if len(shape) != len(full) or not np.prod(full):
        return None
    if shape == full:
        return [np.arange(n) for n in shape]
    first, *others = onto(labels, target, np.vstack([np.zeros(len(shape)), np.eye(len(shape))]))
    steps = np.array(others) - first
    step = np.diagonal(steps)
    if not np.allclose(steps, np.diag(step), atol=1e-6) or (step <= 0).any():
        return None
    last = first + step * (np.array(shape) - 1)
    if (first + SHORT * step < -0.5).any() or (last - SHORT * step > np.array(full) - 0.5).any():
        return None
    places = []
    for axis, n in enumerate(shape):
        nearest = np.floor(first[axis] + step[axis] * np.arange(n) + 0.5)
        places.append(np.clip(nearest, 0, full[axis] - 1).astype(np.intp))
    return places


def labels_on(labels: Labels, target: Labels) -> NDArray[Any]:
    """Return some labels at the pixels of a layer that they cover, a copy."""
    return reader_on(labels, target)()


def reader_on(labels: Labels, target: Labels | ResultPlace) -> Callable[..., NDArray[Any]]:
    """Return what reads some labels at the pixels of a layer that they cover, for a thread that can wait.

    It takes the place of a plane, an integer or a whole slice for each axis of the layer, if only that is
    wanted; axes with an integer are left out.
    """
    places = places_on(labels, target)
    assert places is not None
    data, shape = level_data(labels), target.data.shape

    def read(plane: tuple[int | slice, ...] = (slice(None),) * len(shape)) -> NDArray[Any]:
        cut = [
            at if isinstance(at, slice) else int(along[at]) for at, along in zip(plane, places, strict=True)
        ]
        found = data[tuple(cut)]
        if data.shape == shape:
            return np.array(found)
        # An axis at a time: what is read first is the least.
        left = [along for at, along in zip(plane, places, strict=True) if isinstance(at, slice)]
        for axis, along in enumerate(left):
            found = np.asarray(found[(slice(None),) * axis + (along,)])
        return np.array(found)

    return read

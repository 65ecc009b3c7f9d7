"""The layer of the objects of a stack grown to cells: made once, and then followed plane by plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["StackCells", "cells_of_stack"]


class StackCells(NamedTuple):
    """What the layer of cells is to show: one plane anew, or all in a new layer, or nothing any more.

    Attributes
    ----------
    plane : ndarray or None
        The cells of the plane that changed, in the layer's axes, where the layer goes on.
    data : ndarray or None
        The cells of all planes, where there is to be a new layer.
    digests : mapping of plane to str
        The hashes of what is written.
    edited : bool
        Whether a person edited the layer that there was.
    size : tuple or None
        The size of pixels in a new layer, see `ImageSource.size`.
    """

    plane: NDArray[Any] | None
    data: NDArray[Any] | None
    digests: Mapping[Plane, str]
    edited: bool = False
    size: tuple[tuple[float, float], str | None] | None = None


def cells_of_stack(
    stack: StackLayer, plane: Plane, own: Labels | None, progress: ProgressCallback, key: str
) -> StackCells:
    """Return what the layer of cells is to show after a plane has changed; for a thread that can wait.

    Parameters
    ----------
    stack : StackLayer
        The stack.
    plane : tuple of int
        The plane.
    own : Labels or None
        The layer of cells, if there is one.
    progress : callable
        Takes the planes that are done; may raise to stop.
    key : str
        Where in the metadata of the layer the hashes are of what was written.
    """
    source, planes = stack.request.source, stack.found.store.planes
    wanted = any(stack.distance(one) for one in planes)
    size, edited = stack.request.source.size, False
    anew = wanted and stack.cells_size != size  # pixels may be longer one way now
    if own is not None:
        known = own.metadata[key]["digest"]
        looked_at = [plane] if wanted and not anew else [one for one in planes if one in known]
        shown = np.asarray(own.data)
        edited = shown.shape != source.shape or any(
            digest(shown[source.slices(one)]) != known.get(one) for one in looked_at
        )
        if wanted and not edited and not anew:
            new = source.oriented(stack.cells_of(plane))
            return StackCells(new, None, {plane: digest(new)})
    if not wanted:
        return StackCells(None, None, {}, edited)
    data, told = np.zeros(source.shape, np.uint32), {}
    for k, one in enumerate(planes):
        progress(Progress("cells", k, len(planes)))
        data[source.slices(one)] = source.oriented(stack.cells_of(one))
        told[one] = digest(data[source.slices(one)])
    return StackCells(None, data, told, edited, size)

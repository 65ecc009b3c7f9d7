"""Labels that somebody else made, as a start for mending: what is not mended stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.mending.actions import MOST
from napari_sam2_automask.painting.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.painting.canvas import Painted
    from napari_sam2_automask.painting.hold import Hold

    Box = tuple[int, int, int, int]

__all__ = ["FixedLabels"]


class FixedLabels:
    """A label image without candidates.

    Parameters
    ----------
    labels : array_like of int, shape (Y, X)
        0 for background; copied.

    Raises
    ------
    MendError
        If it is no label image of one plane.
    """

    candidates = None

    def __init__(self, labels: ArrayLike) -> None:
        array = np.asarray(labels)
        if array.dtype == bool:
            array = array.astype(np.uint8)
        if array.ndim != 2 or array.dtype.kind not in "iu":
            raise MendError(
                f"labels to mend are whole numbers of one plane (Y, X), these have the shape {array.shape} "
                f"and the type {array.dtype}: take one plane of a label image"
            )
        if array.size and (int(array.min()) < 0 or int(array.max()) > MOST):
            raise MendError(f"labels to mend are numbers from 0 to {MOST:,}: number the objects anew")
        masks = {
            label: Placed.at(y.start, x.start, array[y, x] == label)
            for label, (y, x) in places_of(array).items()
        }
        self.largest = max(masks, default=0)
        self._canvas = Canvas((int(array.shape[0]), int(array.shape[1])), self.largest)
        self._canvas.choose(masks, "best_score")

    @property
    def labels(self) -> NDArray[np.unsignedinteger[Any]]:
        """The label image, (Y, X) uint16 or uint32, changed in place."""
        return self._canvas.labels

    @property
    def masks(self) -> Mapping[int, Placed]:
        """The objects as they were, less those that were mended, by label."""
        return self._canvas.shown

    def hold(self, hold: Hold) -> None:
        """Keep what a person decided."""
        self._canvas.hold = hold

    def refresh(self, box: Box, numbers: Iterable[int], around: Iterable[Box], largest: int) -> Painted:
        """Paint anew where what is held has changed, see `LiveSelection.refresh`."""
        self._canvas.widen(largest)
        return self._canvas.refresh(box, numbers, around)

"""How far neighbouring places on objects disagree about its centre: little where the model knows the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.engine.points.fitting import HERE, inside_crop
from napari_sam2_automask.engine.points.objects import OFFSET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.engine.points.grid import Crop

__all__ = ["Agreement"]

#: Distances up to so many cells are told apart, in so many steps each.
_FARTHEST, _STEPS = 8, 64


class Agreement:
    """Counts, over the crops of an image, how far apart the centres are that neighbouring cells name.

    Of a known kind of object all cells name nearly the same centre; where the model does not know what it
    sees, they wander.

    Parameters
    ----------
    counts : (512,) int64 array, optional
        What was counted before: how many pairs of cells lie so far apart. Counts of several pictures of one
        image may be added up.
    """

    def __init__(self, counts: NDArray[np.int64] | None = None) -> None:
        self.counts = np.zeros(_FARTHEST * _STEPS, np.int64) if counts is None else counts.copy()

    def add(self, dense: NDArray[np.float32], crop: Crop) -> None:
        """Count the pairs of neighbouring cells on objects.

        Parameters
        ----------
        dense : (4, h, w) float32 array
            What the dense head says of the crop as it is shown; see `CentreTrunk.dense`.
        crop : Crop
            The crop; what it shows beyond the image, as in a mirror, does not count.
        """
        here, y, x, _ = inside_crop(dense, crop)
        on = here > np.log(HERE / (1 - HERE))
        rows, columns = np.indices(here.shape, dtype=np.float32)
        named = np.stack([rows + OFFSET * y, columns + OFFSET * x])
        for first, second in (
            ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
            ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ):
            both = on[first] & on[second]
            apart = np.hypot(*(named[:, *first] - named[:, *second])[:, both])
            at = np.minimum(apart * _STEPS, len(self.counts) - 1).astype(np.intp)
            self.counts += np.bincount(at, minlength=len(self.counts))

    @property
    def disagreement(self) -> float:
        """The median distance, in cells of 4 x 4 pixels of the model's input; 0 where nothing was seen."""
        total = int(self.counts.sum())
        if not total:
            return 0.0
        middle = int(np.searchsorted(self.counts.cumsum(), (total + 1) // 2))
        return (middle + 0.5) / _STEPS

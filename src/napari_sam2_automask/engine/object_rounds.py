"""The rounds in which a crop is asked at its objects: centres, more of each, what no mask covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_sam2_automask.engine.collector import Found
    from napari_sam2_automask.engine.points.grid import Crop, ObjectPoints
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Rounds"]


class Rounds:
    """Iterate over the points to ask next; between two of them tell what the last ones found.

    Parameters
    ----------
    seen : ObjectPoints
        Of the crop.
    crop : Crop
        The crop.
    grid : (int, int)
        Rows and columns of the logits of a mask.
    settings : AmgSettings
        Masks that they can choose count; others that are kept for lower thresholds do not, so that the points
        asked are the same with and without them.
    """

    def __init__(self, seen: ObjectPoints, crop: Crop, grid: tuple[int, int], settings: AmgSettings) -> None:
        self._seen, self._crop = seen, crop
        self._lowest, self._threshold = settings.lowest_scores, settings.mask_threshold
        self._covered = np.zeros(grid, bool)
        self._answered: set[bytes] = set()

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Yield points to ask, (P, 2) float32 x, y in pixels of the crop, and how many need not be asked."""
        seen = self._seen
        yield seen.centres, 0
        # What gives no mask at its centre is texture more often than an object. Neighbours may share a point.
        further = seen.further[self._gave_a_mask(seen.centres)[seen.owner]]
        further = further[np.sort(np.unique(further, axis=0, return_index=True)[1])]
        yield further, len(seen.further) - len(further)
        sparse = seen.sparse[self._free(seen.sparse)]
        yield sparse, len(seen.sparse) - len(sparse)

    def found(self, found: Iterable[Found]) -> None:
        """Take note of masks that the last points gave."""
        for one in found:
            if one.predicted_iou > self._lowest[0] and one.stability >= self._lowest[1]:
                self._answered.add(one.point.tobytes())
                (y, x), mask = one.origin, one.window > self._threshold
                self._covered[y : y + mask.shape[0], x : x + mask.shape[1]] |= mask

    def _gave_a_mask(self, points: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which points gave a mask that can be chosen, (P,) bool."""
        placed = points + np.array(self._crop.box[:2], np.float32)
        return np.array([point.tobytes() in self._answered for point in placed], bool)

    def _free(self, points: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which points no mask covers, nor any place next to them, (P,) bool."""
        covered = binary_dilation(self._covered)
        (rows, columns), (height, width) = covered.shape, self._crop.shape
        row = (points[:, 1] * (rows / height)).astype(np.intp).clip(0, rows - 1)
        column = (points[:, 0] * (columns / width)).astype(np.intp).clip(0, columns - 1)
        free: NDArray[np.bool_] = ~covered[row, column]
        return free

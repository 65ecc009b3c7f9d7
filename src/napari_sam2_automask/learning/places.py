"""Places inside objects that a model is asked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi

from napari_sam2_automask.learning.windows.windows import SMALLEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["inside"]

_MOST = 24


def inside(
    shown: NDArray[np.int32], wanted: set[int], most: int = _MOST
) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the innermost points of objects.

    Parameters
    ----------
    shown : (Y, X) int array
        Labels.
    wanted : set of int
        Those that are asked for; what is not there, or too small, is left out.
    most : int
        At most so many.

    Returns
    -------
    ids : list of int
    points : list of (int, int)
        x and y of each.
    """
    ids: list[int] = []
    points: list[tuple[int, int]] = []
    for i, place in enumerate(ndi.find_objects(shown), 1):
        if place is None or i not in wanted or len(ids) == most:
            continue
        mine = np.pad(shown[place] == i, 1)
        if mine.sum() < SMALLEST:
            continue
        depth = ndi.distance_transform_edt(mine)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        ids.append(i)
        points.append((int(x) - 1 + place[1].start, int(y) - 1 + place[0].start))
    return ids, points

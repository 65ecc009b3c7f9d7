"""Where objects lie: the smallest box around the pixels of each."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["places_of"]

# Boxes are found by a list as long as the largest label; beyond this many labels are numbered anew.
_LONGEST = 1 << 20


def places_of(labels: NDArray[np.integer[Any]]) -> dict[int, tuple[Any, ...]]:
    """Return where each object lies, so that ``labels[place] == label`` is its mask (h, w).

    Parameters
    ----------
    labels : (Y, X) or (L, Y, X) int array
        A label image, or several, of which each object is in one. What is not above 0 is background.

    Returns
    -------
    dict of int to tuple
        For each label, rising, the rows and columns of the smallest box around its pixels, as slices; of
        several label images the number of the one that it is in before them.
    """
    from scipy.ndimage import find_objects

    largest = int(labels.max(initial=0))
    if largest < 1:
        return {}
    ids: Iterable[int] = count(1)
    if largest > _LONGEST:
        known, ranks = np.unique(labels, return_inverse=True)
        ids, labels, largest = known.tolist(), ranks.reshape(labels.shape) + 1, len(known)
    found = zip(ids, find_objects(labels, largest), strict=False)
    boxes = {label: box for label, box in found if box is not None and label > 0}
    return boxes if labels.ndim == 2 else {label: (z.start, y, x) for label, (z, y, x) in boxes.items()}

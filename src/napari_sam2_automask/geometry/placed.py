"""Masks inside the smallest boxes around their pixels, and where these lie."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    Window = tuple[slice, slice]

__all__ = ["Placed", "are_of", "iou", "numbers_in", "places_of", "tight"]

# Up to this number objects are looked up in a list as long as the largest one; beyond it by sorting.
_LONGEST = 1 << 20


class Placed(NamedTuple):
    """Image row and column of the first pixel, the mask inside its box (h, w) bool, and its pixels."""

    y0: int
    x0: int
    mask: NDArray[np.bool_]
    area: int

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """``y0, x0, y1, x1``, end exclusive."""
        return self.y0, self.x0, self.y0 + self.mask.shape[0], self.x0 + self.mask.shape[1]

    @property
    def window(self) -> Window:
        """The rows and columns of the image that the box covers."""
        y0, x0, y1, x1 = self.extent
        return slice(y0, y1), slice(x0, x1)

    @classmethod
    def at(cls, y0: int, x0: int, mask: NDArray[np.bool_]) -> Placed:
        """Place a mask, counting its pixels."""
        return cls(int(y0), int(x0), mask, int(np.count_nonzero(mask)))

    def whole(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask in an image of `shape` (Y, X)."""
        full = np.zeros(shape, np.bool_)
        full[self.window] = self.mask
        return full

    def common(self, other: Placed) -> tuple[Window, Window] | None:
        """Return the window in which the boxes overlap, in this mask and in the other; None if nowhere."""
        own, theirs = self.extent, other.extent
        y0, x0 = max(own[0], theirs[0]), max(own[1], theirs[1])
        y1, x1 = min(own[2], theirs[2]), min(own[3], theirs[3])
        if y0 >= y1 or x0 >= x1:
            return None
        return (
            (slice(y0 - own[0], y1 - own[0]), slice(x0 - own[1], x1 - own[1])),
            (slice(y0 - theirs[0], y1 - theirs[0]), slice(x0 - theirs[1], x1 - theirs[1])),
        )


def iou(one: Placed, other: Placed) -> float:
    """Return the intersection over union of two masks."""
    common = one.common(other)
    if common is None:
        return 0.0
    shared = int(np.count_nonzero(one.mask[common[0]] & other.mask[common[1]]))
    return shared / max(one.area + other.area - shared, 1)


def tight(mask: NDArray[Any]) -> Window:
    """Return the rows and columns of the smallest box around what is not 0 in a mask (Y, X).

    Of a mask without any pixel they are empty, and begin at 0.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def numbers_in(labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the numbers above 0 that occur, (K,) rising, however large they are."""
    largest = int(labels.max(initial=0))
    if largest > _LONGEST:
        found = np.unique(labels)
        return found[found > 0].astype(np.int64)
    flat, seen = labels.ravel(), np.zeros(largest + 1, bool)
    # Only where a run of equal pixels begins: several times as fast as all pixels.
    seen[flat[:1]] = True
    seen[flat[1:][flat[1:] != flat[:-1]]] = True
    seen[0] = False
    return np.flatnonzero(seen)


def are_of(labels: NDArray[np.integer[Any]], numbers: Collection[int]) -> NDArray[np.bool_]:
    """Tell which pixels are those of some objects, in the shape of `labels`, which has none below 0."""
    largest = max(int(labels.max(initial=0)), *numbers, 0)
    if largest > _LONGEST:
        found: NDArray[np.bool_] = np.isin(labels, list(numbers))
        return found
    known = np.zeros(largest + 1, bool)
    known[list(numbers)] = True
    mine: NDArray[np.bool_] = known[labels]
    return mine


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

"""A label image that masks are put on and taken off one by one, without painting the rest again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.painting.labels import label_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed

__all__ = ["Canvas"]

# Rank of pixels that nothing may paint over, and of those that everything may.
_LOCKED, _FREE = np.iinfo(np.int32).max, -1


class Canvas:
    """Labels in which the mask of highest rank shows.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    count : int
        The largest label that masks have.

    Attributes
    ----------
    labels : (Y, X) uint16 or uint32 array
        The label image; uint32 only if `count` exceeds 65,535.
    """

    def __init__(self, shape: tuple[int, int], count: int) -> None:
        self.labels: NDArray[np.unsignedinteger] = np.zeros(shape, label_dtype(count))
        self._rank = np.full(count + 1, _FREE, np.int32)
        self._locked: NDArray[np.bool_] | None = None

    def rank(self, labels: NDArray[np.integer]) -> None:
        """Order labels from the lowest to the topmost; those left out must not be on the canvas."""
        locked = self._rank == _LOCKED
        self._rank[~locked] = _FREE
        self._rank[labels] = np.arange(len(labels), dtype=np.int32)
        self._rank[locked] = _LOCKED

    def is_below(self, labels: NDArray[np.integer], label: int) -> NDArray[np.bool_]:
        """Tell which labels are painted before another, (K,) bool."""
        below: NDArray[np.bool_] = self._rank[labels] < self._rank[label]
        return below

    def put(self, label: int, placed: Placed) -> bool:
        """Add a mask where it is above what is there; return whether any pixel changed."""
        view = self.labels[placed.window]
        shows = self._rank[view] < self._rank[label]
        shows &= placed.mask
        if not shows.any():
            return False
        view[shows] = label
        return True

    def take(
        self, label: int, placed: Placed, below: Sequence[tuple[int, Placed]]
    ) -> tuple[int, int, int, int] | None:
        """Remove a mask and show what lies below.

        Parameters
        ----------
        label : int
            Its label.
        placed : Placed
            Where it was put.
        below : sequence of (int, Placed)
            Labels and masks of lower rank that overlap its box, the topmost first.

        Returns
        -------
        (y0, x0, y1, x1) or None
            What changed, end exclusive.
        """
        view = self.labels[placed.window]
        open_ = view == label
        left = int(np.count_nonzero(open_))
        if not left:
            return None
        view[open_] = 0
        for other, under in below:
            common = placed.common(under)
            if common is None:
                continue
            mine, theirs = common
            fill = open_[mine] & under.mask[theirs]
            count = int(np.count_nonzero(fill))
            if count:
                view[mine][fill] = other
                open_[mine] &= ~fill
                left -= count
                if not left:
                    break
        return placed.extent

    def repaint(self, masks: Sequence[tuple[int, Placed]]) -> None:
        """Paint all masks anew, the lowest first; locked pixels stay."""
        if self._locked is None:
            self.labels[...] = 0
        else:
            self.labels[~self._locked] = 0
        for label, placed in masks:
            open_ = placed.mask if self._locked is None else placed.mask & ~self._locked[placed.window]
            self.labels[placed.window][open_] = label

    def lock(self, labels: NDArray[np.integer], ids: NDArray[np.integer]) -> None:
        """Take over the pixels of some labels, which may be new ones, and keep them from being painted."""
        largest = int(ids.max(initial=0))
        if largest >= len(self._rank):
            grown = np.full(largest + 1, _FREE, np.int32)
            grown[: len(self._rank)] = self._rank
            self._rank = grown
            self.labels = self.labels.astype(label_dtype(largest), copy=False)
        self._rank[self._rank == _LOCKED] = _FREE
        self._rank[ids] = _LOCKED
        known = np.zeros(max(largest, int(labels.max(initial=0))) + 1, bool)
        known[ids] = True
        known[0] = False
        self._locked = known[labels] if ids.size else None
        if self._locked is not None:
            self.labels[self._locked] = labels[self._locked]

    @property
    def locked(self) -> NDArray[np.bool_] | None:
        """Pixels that nothing may paint over, (Y, X) bool, or None if there are none."""
        return self._locked

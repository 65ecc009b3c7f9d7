"""Masks at any threshold in a moment: logits kept as one byte a pixel, mended masks as bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask.candidates.thresholds import Steps, level_of, steps_of
from napari_sam2_automask.geometry.holes_and_islands import mend
from napari_sam2_automask.geometry.placed import Placed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates

__all__ = ["MaskStore"]

# More pixels than any hole or island has.
_ANY = 1 << 62


class MaskStore:
    """The pixels of candidates.

    Parameters
    ----------
    candidates : Candidates
        The candidates.
    limit : int
        Bytes to keep at most; what does not fit is made again whenever it is asked for.
    """

    def __init__(self, candidates: Candidates, limit: int = 256 << 20) -> None:
        self._candidates = candidates
        self._limit = limit
        self._steps: dict[int, Steps] = {}
        self._bytes = 0
        self._threshold: float | None = None
        self._smallest = 0
        # For the threshold in force: masks, those without any hole or second island, and mended ones (None
        # where nothing is smaller than the smallest region).
        self._masks: dict[int, Placed] = {}
        self._whole: set[int] = set()
        self._mended: dict[int, Placed | None] = {}

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return self._bytes

    def steps(self, row: int) -> Steps:
        """Return the steps of a candidate, see `napari_sam2_automask.candidates.thresholds.steps_of`."""
        found = self._steps.get(row)
        if found is None:
            found = steps_of(self._candidates, row)
            if self._bytes + found.values.nbytes <= self._limit:
                self._steps[row] = found
                self._bytes += found.values.nbytes
        return found

    def mask(self, row: int, threshold: float, box: NDArray[np.integer]) -> Placed:
        """Return a candidate's mask.

        Parameters
        ----------
        row : int
            The candidate.
        threshold : float
            Mask threshold in logits.
        box : (4,) array
            Its ``x0, y0, x1, y1`` at this threshold, end inclusive.
        """
        if threshold != self._threshold:
            for kept in (self._masks, self._whole, self._mended):
                kept.clear()
            self._threshold = threshold
        found = self._masks.get(row)
        if found is None:
            # Bounded by the steps, which take as many bytes and are bounded.
            found = self._make(row, threshold, box)
            if row in self._steps:
                self._masks[row] = found
        return found

    def mended(
        self, row: int, threshold: float, box: NDArray[np.integer], smallest: int
    ) -> tuple[Placed, Placed]:
        """Return a candidate's mask as it is, and without holes and islands of fewer than `smallest` pixels.

        Both are the same object if nothing changes; otherwise the arrays are of one size.
        """
        plain = self.mask(row, threshold, box)
        if smallest != self._smallest:
            self._mended.clear()
            self._smallest = smallest
        if row in self._whole:
            return plain, plain
        if row not in self._mended:
            if mend(plain.mask, _ANY) is plain.mask:
                self._whole.add(row)
                return plain, plain
            array = mend(plain.mask, smallest)
            unchanged = array is plain.mask
            self._mended[row] = None if unchanged else Placed.at(plain.y0, plain.x0, array)
        return plain, self._mended[row] or plain

    def _make(self, row: int, threshold: float, box: NDArray[np.integer]) -> Placed:
        level = level_of(threshold, self._candidates.windows.lowest)
        if level is None:
            return Placed.at(*self._candidates.mask(row, threshold))
        y0, x0, values = self.steps(row)
        left, top, right, bottom = (int(v) for v in box)
        inside = values[top - y0 : bottom - y0 + 1, left - x0 : right - x0 + 1]
        return Placed.at(top, left, inside > level)

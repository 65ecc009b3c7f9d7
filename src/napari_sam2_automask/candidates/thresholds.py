"""Area and box of every candidate at 200 mask thresholds, so that thresholds are looked up, not computed.

A ladder is made once, in the background: each candidate's logits are resized to image pixels and counted in
steps of a tenth of a logit. Afterwards area, stability at any offset and the box at any mask threshold are
look-ups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates

__all__ = ["LEVELS", "STEP", "Ladder", "Steps", "level_of", "make_ladder", "steps_of"]

#: Thresholds in a ladder and the distance between two of them, in logits.
LEVELS = 200
STEP = 0.1


class Steps(NamedTuple):
    """Image row and column of the first pixel, and the thresholds below each pixel, (h, w) uint8."""

    y0: int
    x0: int
    values: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Areas and boxes at thresholds ``lowest + k * STEP``.

    Attributes
    ----------
    lowest : float
        The lowest threshold, in logits.
    areas : (N, LEVELS) int32 array
        Pixels above each threshold.
    boxes : (N, LEVELS, 4) int16 or int32 array
        ``x0, y0, x1, y1`` in image pixels, end inclusive; zeros where nothing is above the threshold.
    """

    lowest: float
    areas: NDArray[np.int32]
    boxes: NDArray[np.signedinteger]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return self.areas.nbytes + self.boxes.nbytes

    @property
    def highest(self) -> float:
        """The highest threshold."""
        return self.lowest + STEP * (LEVELS - 1)

    def area(self, threshold: float) -> NDArray[np.float64]:
        """Return the pixels above a threshold, (N,), between two steps by interpolation."""
        place = min(max((threshold - self.lowest) / STEP, 0.0), LEVELS - 1.0)
        k = min(int(place + 1e-6), LEVELS - 1)
        part = place - k
        below = self.areas[:, k].astype(np.float64)
        if part <= 1e-6 or k == LEVELS - 1:
            return below
        return below * (1 - part) + self.areas[:, k + 1] * part

    def box(self, threshold: float) -> NDArray[np.int64]:
        """Return the boxes at the nearest step to a threshold, (N, 4) int64."""
        k = min(max(round((threshold - self.lowest) / STEP), 0), LEVELS - 1)
        return self.boxes[:, k].astype(np.int64)

    def stability(self, threshold: float, offset: float) -> NDArray[np.float32]:
        """Return the area at ``threshold + offset`` over that at ``threshold - offset``, (N,) float32."""
        low, high = self.area(threshold - offset), self.area(threshold + offset)
        return np.divide(high, low, out=np.zeros_like(low), where=low > 0).astype(np.float32)


def make_ladder(
    candidates: Candidates,
    tick: Callable[[], None] | None = None,
    steps: Callable[[int], Steps] | None = None,
) -> Ladder:
    """Measure every candidate at every step.

    Parameters
    ----------
    candidates : Candidates
        The candidates.
    tick : callable, optional
        Called after each candidate; may raise to stop.
    steps : callable, optional
        Gives the steps of a row, where they are kept; :func:`steps_of` if None.

    Returns
    -------
    Ladder
        From the lowest logit stored upwards.
    """
    n = len(candidates)
    kind = np.int16 if max(candidates.shape) < np.iinfo(np.int16).max else np.int32
    areas = np.zeros((n, LEVELS), np.int32)
    boxes = np.zeros((n, LEVELS, 4), kind)
    for i in range(n):
        y0, x0, values = steps_of(candidates, i) if steps is None else steps(i)
        if values.size:
            counts = np.bincount(values.ravel(), minlength=LEVELS + 1)
            areas[i] = counts[::-1].cumsum()[::-1][1:]
            top, bottom = _extent(values.max(1))
            left, right = _extent(values.max(0))
            found = areas[i] > 0
            boxes[i, found] = np.stack([left + x0, top + y0, right + x0, bottom + y0], 1)[found]
        if tick is not None:
            tick()
    return Ladder(float(candidates.windows.lowest), areas, boxes)


def steps_of(candidates: Candidates, i: int) -> Steps:
    """Return how many thresholds of the ladder each pixel of a candidate is above.

    Parameters
    ----------
    candidates : Candidates
        The candidates.
    i : int
        Row of the candidate.

    Returns
    -------
    Steps
        A pixel of value v is above thresholds 0 to v - 1, exactly as single precision compares.
    """
    y0, x0, logits = candidates.logits(i)
    ladder = level_values(float(candidates.windows.lowest))
    guess = (logits - ladder[0]) * np.float32(1 / STEP)
    values = np.clip(np.ceil(guess), 0, LEVELS).astype(np.int16)
    # The guess may be one step off within rounding; the thresholds themselves decide.
    edges = np.concatenate([[-np.inf], ladder, [np.inf]]).astype(np.float32)
    values -= logits <= edges[values]
    values += logits > edges[values + 1]
    return Steps(y0, x0, values.astype(np.uint8))


def level_values(lowest: float) -> NDArray[np.float32]:
    """Return the thresholds of a ladder from `lowest` on, (LEVELS,) float32."""
    return np.round(lowest + STEP * np.arange(LEVELS), 6).astype(np.float32)


def level_of(threshold: float, lowest: float) -> int | None:
    """Return the number of a threshold in a ladder, or None if it lies between or beyond its thresholds."""
    k = round((threshold - lowest) / STEP)
    return k if 0 <= k < LEVELS and level_values(lowest)[k] == np.float32(threshold) else None


def _extent(highest: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last index whose value exceeds k, for each k; only valid where there is one."""
    levels = np.arange(LEVELS)
    first = np.searchsorted(np.maximum.accumulate(highest), levels, side="right")
    last = len(highest) - 1 - np.searchsorted(np.maximum.accumulate(highest[::-1]), levels, side="right")
    return first, last

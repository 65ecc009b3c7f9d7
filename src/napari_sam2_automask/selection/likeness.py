"""Likeness: masks that are not of the typical size or brightness count as rated lower.

The model rates outlines, and does not know what a person is after: where cells are wanted, a well drawn
scratch is rated as well as a cell. A few objects tell which areas and gray levels are typical. A mask within
both ranges keeps its predicted IoU. Outside of a range it counts for less, in proportion to the distance,
which is measured in half-widths of the range (of the logarithm for areas), and at most by the weight, at
`FARTHEST` half-widths.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["FARTHEST", "counted_quality", "typical_of", "unlikeness", "with_brightness"]

#: Half-widths outside of a range at which the whole weight counts.
FARTHEST = 3.0
# A few alike objects do not mean that all others are as alike: half-widths are at least these, in factors of
# e of the area and in gray levels.
_AREA, _GRAY = 1.0, 20.0
# From so many masks on, what lies between these quantiles is typical of them; chosen on training images
# (docs/tuning.md). Not much more than that, so that one kind of objects in three may be unwanted.
_ENOUGH, _MIDDLE = 8, (0.35, 0.65)


def with_brightness(
    candidates: Candidates, view: NDArray[np.uint8], tick: Callable[[], None] | None = None
) -> Candidates:
    """Return the candidates with their mean gray levels.

    Parameters
    ----------
    candidates : Candidates
        What was found in a picture.
    view : (Y, X, 3) uint8 array
        The picture.
    tick : callable, optional
        Called for every mask; may raise to stop.
    """
    if candidates.brightness is not None:
        return candidates
    gray = view.mean(2, dtype=np.float32)
    brightness = np.zeros(len(candidates), np.float32)
    for row in range(len(candidates)):
        if tick is not None:
            tick()
        y, x, mask = candidates.mask(row)
        if mask.any():
            brightness[row] = gray[y : y + mask.shape[0], x : x + mask.shape[1]][mask].mean()
    return replace(candidates, brightness=brightness)


def counted_quality(
    candidates: Candidates, settings: AmgSettings, area: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return the predicted IoU of each candidate as it counts, (N,) float32.

    Parameters
    ----------
    candidates : Candidates
        The candidates; where their brightness is not known only sizes count.
    settings : AmgSettings
        The typical ranges, and the weight.
    area : (N,) int array
        Pixels of each at the settings' mask threshold.
    """
    if settings.likeness <= 0:
        return candidates.predicted_iou
    lowered = settings.likeness * unlikeness(candidates, settings, area)
    return (candidates.predicted_iou - lowered).astype(np.float32)


def unlikeness(
    candidates: Candidates, settings: AmgSettings, area: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return how unlike the typical objects each candidate is, (N,) float64: 0 is like them, 2 the most."""
    total = np.zeros(len(candidates))
    if settings.typical_largest > 0:
        low, high = math.log(max(settings.typical_smallest, 1)), math.log(settings.typical_largest)
        total += _outside(np.log(np.maximum(area, 1)), low, high, _AREA)
    if candidates.brightness is not None:
        low, high = settings.typical_darkest, settings.typical_brightest
        total += _outside(candidates.brightness.astype(np.float64), low, high, _GRAY)
    return total


def _outside(values: NDArray[np.float64], low: float, high: float, least: float) -> NDArray[np.float64]:
    """Return how far values are from a range, from 0 in it to 1 at `FARTHEST` half-widths and beyond."""
    distance = np.maximum(low - values, values - high)
    return np.clip(distance / max((high - low) / 2, least) / FARTHEST, 0, 1)


def typical_of(few: NDArray[np.floating], plain: NDArray[np.floating]) -> dict[str, int]:
    """Return the settings that call the gray levels of some objects typical.

    Parameters
    ----------
    few : (B,) array
        Mean gray levels of a few objects that are wanted; none gives no settings.
    plain : (K,) array
        Mean gray levels of masks that are rated well. The middle of them, if there are enough, counts as
        typical too: a few objects do not show how much others differ.
    """
    if not len(few):
        return {}
    low, high = float(few.min()), float(few.max())
    if len(plain) >= _ENOUGH:
        middle = np.quantile(plain, _MIDDLE)
        low, high = min(low, float(middle[0])), max(high, float(middle[1]))
    return {
        "typical_darkest": max(math.floor(low), 0),
        "typical_brightest": min(math.ceil(high), 255),
    }

"""Planes of a stack as one picture: their maximum or their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["project_planes"]

# Sums of numbers above this may be no float; so much smaller they are.
_HUGE, _SMALLER = 1e290, 2.0**-64
# The smallest number of single precision that has all its digits.
_TINY = float(np.finfo(np.float32).tiny)


def project_planes(planes: Iterable[NDArray[Any]], kind: str) -> NDArray[Any]:
    """Return the projection of planes, of which one is held at a time.

    Parameters
    ----------
    planes : iterable of (Y, X, ...) arrays
        At least one, all of one shape and dtype.
    kind : {"max", "mean"}
        NaN is left out of a maximum.

    Returns
    -------
    (Y, X, ...) array
        Of the planes' dtype for the maximum. Of float32 for the mean, or of float64 where that does not do.
    """
    if kind == "mean":
        return _mean(planes)
    total: NDArray[Any] | None = None
    for plane in planes:
        if total is None:
            total = plane.copy()
        else:
            np.fmax(total, plane, out=total)
    if total is None:
        raise ValueError("there are no planes to project")
    return total


def _mean(planes: Iterable[NDArray[Any]]) -> NDArray[Any]:
    total: NDArray[np.float64] | None = None
    count, scale = 0, 1.0
    for plane in planes:
        values = plane.astype(np.float64) * scale
        if scale == 1 and np.abs(values).max(initial=0, where=np.isfinite(values)) > _HUGE:
            # Their sum is no float.
            scale = _SMALLER
            values *= scale
            total = None if total is None else total * scale
        total = values if total is None else total + values
        count += 1
    if total is None:
        raise ValueError("there are no planes to project")
    mean = total / count / scale
    with np.errstate(over="ignore", under="ignore"):
        short = mean.astype(np.float32)
    # What single precision cannot hold, at either end, stays as it is.
    held = (np.isfinite(short) == np.isfinite(mean)).all() and ((np.abs(mean) < _TINY) <= (mean == 0)).all()
    return short if held else mean

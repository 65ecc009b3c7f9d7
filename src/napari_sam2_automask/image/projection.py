"""Planes of a stack as one picture: their maximum or their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["project_planes"]


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
        Of the planes' dtype for the maximum, of float32 for the mean.
    """
    total: NDArray[Any] | None = None
    count = 0
    for plane in planes:
        count += 1
        if total is None:
            total = plane.astype(np.float64) if kind == "mean" else plane.copy()
        elif kind == "mean":
            total += plane
        else:
            np.fmax(total, plane, out=total)
    if total is None:
        raise ValueError("there are no planes to project")
    return (total / count).astype(np.float32) if kind == "mean" else total

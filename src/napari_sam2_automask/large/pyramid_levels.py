"""Levels of an image pyramid by the size of their pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.opening import open_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["coarser", "level_nearest"]


def coarser(path: Path, level: int) -> tuple[float, float]:
    """Return how many times higher and wider a pixel of a level is than one of full resolution.

    Raises
    ------
    ImageError
        If there is no such level.
    """
    if level == 0:
        return 1.0, 1.0
    (full, axes), (coarse, _) = open_file(path, 0), open_file(path, level)
    places = [axes.index(axis) for axis in "YX" if axis in axes] or [-2, -1]
    y, x = (full.shape[k] / coarse.shape[k] for k in places)
    return float(y), float(x)


def level_nearest(path: Path, wanted: float) -> int:
    """Return the level whose pixels are nearest in size to what is wanted.

    Parameters
    ----------
    path : Path
        An image; one without a pyramid has level 0 only.
    wanted : float
        How many times larger than at full resolution the pixels should be.

    Returns
    -------
    int
        By ratio: of pixels half and twice as large as wanted neither is nearer, and the smaller are taken.
    """
    level, factor = 0, 1.0
    best, least = 0, abs(math.log(wanted))
    while True:
        try:
            y, x = coarser(path, level + 1)
        except ImageError:
            return best
        if math.sqrt(y * x) <= factor:  # a file that has no levels to choose from
            return best
        level, factor = level + 1, math.sqrt(y * x)
        if abs(math.log(wanted / factor)) < least - 1e-9:
            best, least = level, abs(math.log(wanted / factor))

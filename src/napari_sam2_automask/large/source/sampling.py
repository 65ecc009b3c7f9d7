"""One pair of contrast limits for a whole image, so that all its tiles look alike to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.large.tiles.grid import Box

if TYPE_CHECKING:
    from napari_sam2_automask.large.source.source import Source

__all__ = ["contrast_of"]

# The limits are taken from so many places in an image, each of so many pixels a side.
_PLACES = 64
_SIDE = 256


def contrast_of(source: Source, percentiles: tuple[float, float] = (0.5, 99.5)) -> tuple[float, float]:
    """Return the intensities to show as black and as white.

    Parameters
    ----------
    source : Source
        The image.
    percentiles : (float, float)
        Percentiles of the finite intensities in some places that are evenly spread over the image.

    Returns
    -------
    (float, float)
        Black and white; the same for the same image, whatever the tiles.

    Raises
    ------
    ImageError
        If no intensity is finite or the percentiles are not an increasing pair.
    """
    height, width = source.shape
    across = max(1, round(np.sqrt(_PLACES / min(source.planes, _PLACES))))
    planes = np.unique(np.linspace(0, source.planes - 1, _PLACES).astype(int))
    samples = []
    for plane in planes:
        for y in np.linspace(0, max(0, height - _SIDE), across).astype(int):
            for x in np.linspace(0, max(0, width - _SIDE), across).astype(int):
                box = Box(int(y), int(x), min(height, int(y) + _SIDE), min(width, int(x) + _SIDE))
                samples.append(source.read(int(plane), box).ravel())
    return contrast_range(np.concatenate(samples)[None], None, percentiles)

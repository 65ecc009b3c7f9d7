"""What is measured once for a whole image, so that all its tiles look alike and are asked alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.large.tiles.grid import Box, Grid
from napari_sam2_automask.workers.process import model_of

if TYPE_CHECKING:
    from napari_sam2_automask.large.source.source import Source

__all__ = ["contrast_of", "diameter_of"]

# The limits are taken from so many places in an image, each of so many pixels a side.
_PLACES = 64
_SIDE = 256
# Tiles that are looked at for the size of objects.
_LOOKS = 5


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
        Black and white, never equal; the same for the same image, whatever the tiles.

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
    black, white = contrast_range(np.concatenate(samples)[None], None, percentiles)
    if black < white:
        return black, white
    # Of one intensity, which is shown as black then; nothing is above the largest float, which is white.
    step = max(1.0, abs(black) * 1e-9)
    return (black, black + step) if math.isfinite(black + step) else (black - step, black)


def diameter_of(
    source: Source,
    tile: int,
    *,
    model: str,
    device: str,
    rgb: bool,
    contrast_limits: tuple[float, float] | None,
) -> float:
    """Estimate how wide typical objects of an image are, from some tiles spread over it.

    Parameters
    ----------
    source : Source
        The image.
    tile : int
        Side of a tile, in pixels.
    model, device : str
        As for `load_model`.
    rgb : bool
        Whether the tiles' last axis holds colours.
    contrast_limits : (float, float) or None
        As for `ModelSegmenter`.

    Returns
    -------
    float
        Median diameter over the tiles in which objects are seen, in pixels; 0 if there are none. The same for
        the same image and tiles.
    """
    from napari_sam2_automask.engine import estimate_diameter
    from napari_sam2_automask.image.view import to_model_view

    grid = Grid(source.shape, tile, min(Grid.overlap, tile // 2), source.planes)
    # Not evenly spaced: with a period of the grid's, all might lie in one column.
    chosen = np.random.default_rng(0).permutation(len(grid))[:_LOOKS]
    found = []
    for index in sorted(chosen.tolist()):
        one = grid[index]
        pixels = source.read(one.plane, one.outer)
        view = to_model_view(pixels, rgb=rgb, contrast_limits=contrast_limits)
        found.append(estimate_diameter(view, model_of(model, device)))
    seen = [diameter for diameter in found if diameter > 0]
    return round(float(np.median(seen)), 1) if seen else 0.0

"""One size of objects for a whole image, so that all its tiles are asked alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.large.tiles.grid import Grid
from napari_sam2_automask.workers.process import model_of

if TYPE_CHECKING:
    from napari_sam2_automask.large.source.source import Source

__all__ = ["diameter_of"]

# Tiles that are looked at.
_LOOKS = 5


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

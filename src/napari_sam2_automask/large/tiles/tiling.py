"""Which tiles fit the objects: windows in which they appear large enough, strips wide enough for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask.geometry.spans import ALMOST
from napari_sam2_automask.large.tiles.grid import Grid

if TYPE_CHECKING:
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Tiling", "tiling_for"]

# What tiles share at least, in object diameters: an object on a seam lies whole in at least one of its tiles.
_DIAMETERS = 2.0
# Windows are at least so many overlaps wide, since most of a window is to be its own.
_OVERLAPS = 4 / 3


class Tiling(NamedTuple):
    """How an image is cut, for `segment_large`.

    Attributes
    ----------
    tile : int
        Side of a tile, in pixels.
    overlap : int
        Least width of the strip that neighbours share, in pixels.
    window : int
        Largest side of the windows that tiles are made of, in pixels; 0 for none.
    """

    tile: int
    overlap: int
    window: int = 0


def tiling_for(settings: AmgSettings, tile: int, overlap: int = 0) -> Tiling:
    """Choose the strips and the windows.

    Parameters
    ----------
    settings : AmgSettings
        The settings; an `object_diameter` above 0 is what tiles are fitted to.
    tile : int
        Side of a tile, in pixels.
    overlap : int
        Least width of the strip that neighbours share, in pixels; 0 chooses it.

    Returns
    -------
    Tiling
        Without windows where a tile shows typical objects large enough, or nothing is known of them.
    """
    from napari_sam2_automask.engine.points.fitted_grid import window

    wanted, shared = window(tile, settings.object_diameter) if settings.object_diameter else (tile, 0.0)
    strip = max(overlap, math.ceil(shared))
    side = max(math.ceil(wanted), math.ceil(_OVERLAPS * strip))
    if side < ALMOST * tile:
        return Tiling(tile, max(2, strip), side)
    least = max(Grid.overlap, math.ceil(_DIAMETERS * settings.object_diameter))
    return Tiling(tile, overlap or min(least, tile // 2))

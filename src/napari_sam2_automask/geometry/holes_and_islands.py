"""Small holes and islands of a mask, in image pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["mend"]


def mend(mask: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    """Fill holes and remove islands of fewer than `smallest` pixels, both 8-connected.

    Parameters
    ----------
    mask : (h, w) bool array
        A mask inside its box.
    smallest : int
        Area in pixels from which a hole or island stays.

    Returns
    -------
    (h, w) bool array
        `mask` itself if nothing changed. The largest island always stays.
    """
    return _remove_islands(_fill_holes(mask, smallest), smallest)


def _fill_holes(mask: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    # A border keeps background at the edge of the box in one piece, whose true size lies outside.
    regions, count = ndimage.label(~np.pad(mask, 1), np.ones((3, 3), int))
    if count <= 1:
        return mask
    sizes = np.bincount(regions.ravel())
    small = sizes < smallest
    small[[0, regions[0, 0]]] = False
    return (mask | small[regions[1:-1, 1:-1]]) if small.any() else mask


def _remove_islands(mask: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    regions, count = ndimage.label(mask, np.ones((3, 3), int))
    if count <= 1:
        return mask
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    keep = sizes >= smallest
    keep[np.argmax(sizes)] = True
    keep[0] = False
    return mask if keep[1:].all() else keep[regions]

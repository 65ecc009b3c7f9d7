"""Where no mask lies after a first pass: points to ask there, and what of the answers is new."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.candidates.pooling import take

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.selection.selecting import Masks

__all__ = ["covered_pixels", "gap_points", "in_gaps", "nearest_crop", "typical_diameter"]

# Points stand this many times closer than in the first pass.
_DENSER = 2.0
# A mask of which at least this share lies where no mask was is new.
_NEW = 0.7


def covered_pixels(masks: Masks) -> NDArray[np.bool_]:
    """Return where masks lie, (Y, X) bool."""
    covered = np.zeros(masks.shape, bool)
    for (x0, y0, x1, y1), array in zip(masks.boxes.tolist(), masks.arrays, strict=True):
        covered[y0 : y1 + 1, x0 : x1 + 1] |= array
    return covered


def typical_diameter(masks: Masks) -> float:
    """Return the median diameter of discs of the masks' areas in pixels; 0 without masks."""
    return 2 * math.sqrt(float(np.median(masks.areas)) / math.pi) if len(masks) else 0.0


def gap_points(covered: NDArray[np.bool_], asked: int) -> NDArray[np.float32]:
    """Return points in what is not covered, at a spacing that suits how many were asked before.

    Parameters
    ----------
    covered : (Y, X) bool array
        Where masks lie.
    asked : int
        Points of the first pass over the whole image.

    Returns
    -------
    (P, 2) float32 array
        The x, y in pixels.
    """
    height, width = covered.shape
    spacing = max(2.0, math.sqrt(height * width / max(asked, 1)) / _DENSER)
    y, x = (((np.arange(n := max(1, math.ceil(length / spacing))) + 0.5) * length / n) for length in
            (height, width))  # fmt: skip
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)
    free = ~covered[points[:, 1].astype(np.intp), points[:, 0].astype(np.intp)]
    return points[free]


def nearest_crop(points: NDArray[np.float32], crop_boxes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return for each point the smallest crop that it lies in, of equal ones that whose centre is nearest.

    Parameters
    ----------
    points : (P, 2) float32 array
        The x, y in pixels.
    crop_boxes : (M, 4) int64 array
        ``x0, y0, x1, y1``, end exclusive; they cover the image.
    """
    x0, y0, x1, y1 = crop_boxes.T.astype(np.float64)
    x, y = points[:, :1].astype(np.float64), points[:, 1:].astype(np.float64)
    away = np.maximum(np.abs(x - (x0 + x1) / 2) / (x1 - x0), np.abs(y - (y0 + y1) / 2) / (y1 - y0))
    # Crops of one layer may differ by a few pixels.
    size = np.rint(4 * np.log2((x1 - x0) * (y1 - y0)))
    worth = size + away
    found: NDArray[np.intp] = np.where(away <= 0.5, worth, np.inf).argmin(1)
    return found


def in_gaps(candidates: Candidates, covered: NDArray[np.bool_]) -> Candidates:
    """Return the candidates that lie mostly where no mask was."""
    kept = []
    for row in range(len(candidates)):
        y, x, mask = candidates.mask(row)
        under = covered[y : y + mask.shape[0], x : x + mask.shape[1]]
        if np.count_nonzero(mask & ~under) >= _NEW * candidates.area[row]:
            kept.append(row)
    return take(candidates, np.array(kept, np.intp))

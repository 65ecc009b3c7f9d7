"""Bilinear resizing of mask logits to image pixels, in the arithmetic of ``torch.nn.functional.interpolate``.

Only the part of a mask that lies in a window is ever resized, so that no mask needs an array of the size of
the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Axis", "resize_window"]


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Where the pixels of one image axis lie between the samples of a logit axis.

    Attributes
    ----------
    n_in, n_out : int
        Samples of the logits and pixels of the image along this axis.
    low, high : (n_out,) int64 arrays
        The samples before and after each pixel.
    weight : (n_out,) float32 array
        Weight of `high`; that of `low` is one minus it.
    starts : (n_in + 1,) int64 array
        Pixels ``starts[i]:starts[i + 1]`` lie in cell i, between samples i and i + 1.
    """

    n_in: int
    n_out: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def make(cls, n_in: int, n_out: int) -> Axis:
        """Compute source coordinates as torch does for ``align_corners=False``, in single precision."""
        scale = np.float32(n_in) / np.float32(n_out)
        half = np.float32(0.5)
        source = np.maximum((np.arange(n_out, dtype=np.float32) + half) * scale - half, np.float32(0))
        low = np.minimum(source.astype(np.int64), n_in - 1)
        high = np.minimum(low + 1, n_in - 1)
        weight = np.clip(source - low.astype(np.float32), np.float32(0), np.float32(1))
        starts = np.searchsorted(low, np.arange(n_in + 1)).astype(np.int64)
        return cls(n_in, n_out, low, high, weight, starts)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels in each cell, (n_in,)."""
        return np.diff(self.starts)

    def inside(self, start: int, stop: int) -> tuple[int, int]:
        """Return the range of pixels whose two samples both lie in ``start:stop``."""
        last = stop if stop == self.n_in else stop - 1
        return int(self.starts[start]), int(self.starts[max(last, start)])


def resize_window(
    logits: NDArray[np.float32],
    origin: tuple[int, int],
    axes: tuple[Axis, Axis],
    pixels: tuple[int, int, int, int],
) -> NDArray[np.float32]:
    """Resize a window of logits to a rectangle of image pixels.

    Parameters
    ----------
    logits : (h, w) float32 array
        The window; must hold the samples on both sides of every pixel asked for.
    origin : (int, int)
        Row and column of the window's first sample among all logits.
    axes : (Axis, Axis)
        Of rows and columns.
    pixels : (int, int, int, int)
        ``y0, x0, y1, x1`` of the rectangle, end exclusive.

    Returns
    -------
    (y1 - y0, x1 - x0) float32 array
        The resized logits.
    """
    y0, x0, y1, x1 = pixels
    rows, columns = axes
    one = np.float32(1)
    right = columns.weight[x0:x1]
    left = one - right
    # Columns first: the window has fewer rows than the rectangle.
    wide = (
        logits[:, columns.low[x0:x1] - origin[1]] * left + logits[:, columns.high[x0:x1] - origin[1]] * right
    )
    lower = rows.weight[y0:y1, None]
    upper = one - lower
    resized: NDArray[np.float32] = (
        wide[rows.low[y0:y1] - origin[0]] * upper + wide[rows.high[y0:y1] - origin[0]] * lower
    )
    return resized

"""The logits that masks are made of: cut to windows, in half precision, without changing a pixel of any mask.

Half precision keeps eleven bits of a logit. A pixel is a mean of four logits, and where that mean lies close
to the mask threshold, rounding can move it to the other side; in small masks a single pixel counts. Those
pixels are found when a window is stored, and written down beside it: a mask at the threshold of its proposal
is the one that single precision gives, pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.bilinear import Axis

__all__ = ["STORED", "LogitWindows", "halve"]

#: What logits are stored in.
STORED = np.float16
# A weighted mean may leave the range of its four values by a few units in the last place.
_MARGIN = 1e-5
# Pixels made at a time; bounds the memory where a cell has many.
_PIXELS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class LogitWindows:
    """The part of each candidate's low-resolution logits that its mask is made of.

    Attributes
    ----------
    grid : (int, int)
        Rows and columns of the whole logits of a crop, such as 256 x 256.
    origins : (N, 2) int32 array
        Row and column of each window's first sample.
    sizes : (N, 2) int32 array
        Rows and columns of each window.
    offsets : (N + 1,) int64 array
        Window i lies in ``values[offsets[i]:offsets[i + 1]]``, row by row.
    values : float16 or float32 array
        All windows, one after another; float32 in files of the first version.
    lowest : float
        Logits above this are inside the windows.
    repairs : (R, 3) int32 array
        Candidate, row and column of the image pixels that lie on the other side of the mask threshold than
        `values` say, sorted by candidate.
    """

    grid: tuple[int, int]
    origins: NDArray[np.int32]
    sizes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    values: NDArray[np.float16 | np.float32]
    lowest: float
    repairs: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 3), np.int32))

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        arrays = (self.origins, self.sizes, self.offsets, self.values, self.repairs)
        return sum(array.nbytes for array in arrays)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Bytes of each window with its repairs, (N,)."""
        repairs = np.bincount(self.repairs[:, 0], minlength=len(self))
        return np.diff(self.offsets) * self.values.itemsize + repairs * self.repairs.itemsize * 3

    def window(self, i: int) -> NDArray[np.float32]:
        """Return the logits of candidate i, (rows, columns) float32."""
        values = self.values[self.offsets[i] : self.offsets[i + 1]]
        return values.astype(np.float32, copy=False).reshape(self.sizes[i])

    def repair(
        self, i: int, logits: NDArray[np.float32], corner: tuple[int, int], threshold: np.float32
    ) -> None:
        """Move pixels to the side of the threshold that they were on in single precision, in place.

        Parameters
        ----------
        i : int
            The candidate.
        logits : (h, w) float32 array
            Its logits in image pixels, changed in place.
        corner : (int, int)
            Image row and column of the first pixel.
        threshold : float32
            The mask threshold of the proposal.
        """
        start, stop = np.searchsorted(self.repairs[:, 0], (i, i + 1))
        if start == stop:
            return
        y, x = (self.repairs[start:stop, 1:] - np.array(corner)).T
        inside = (y >= 0) & (y < logits.shape[0]) & (x >= 0) & (x < logits.shape[1])
        y, x = y[inside], x[inside]
        above = np.nextafter(threshold, np.float32(np.inf))
        logits[y, x] = np.where(logits[y, x] > threshold, threshold, above)

    def take(self, rows: NDArray[np.integer]) -> LogitWindows:
        """Return the windows of some candidates, in the order of `rows`."""
        sizes = self.sizes[rows]
        values = [self.values[self.offsets[i] : self.offsets[i + 1]] for i in rows]
        starts, stops = (np.searchsorted(self.repairs[:, 0], np.asarray(rows) + k) for k in (0, 1))
        repairs = [self.repairs[start:stop] for start, stop in zip(starts, stops, strict=True)]
        found = np.concatenate(repairs) if repairs else self.repairs[:0].copy()
        found[:, 0] = np.repeat(np.arange(len(starts)), stops - starts)
        return replace(
            self,
            origins=self.origins[rows],
            sizes=sizes,
            offsets=np.concatenate([[0], np.cumsum(sizes.astype(np.int64).prod(1))]).astype(np.int64),
            values=np.concatenate(values) if values else self.values[:0],
            repairs=found,
        )

    @classmethod
    def pool(cls, parts: Sequence[LogitWindows]) -> LogitWindows:
        """Put windows of one grid behind one another."""
        starts = np.cumsum([0, *(len(p.values) for p in parts)])
        offsets = [p.offsets[:-1] + start for p, start in zip(parts, starts, strict=False)]
        firsts = np.cumsum([0, *(len(p) for p in parts)])
        repairs = [
            p.repairs + np.array([first, 0, 0], np.int32) for p, first in zip(parts, firsts, strict=False)
        ]
        return replace(
            parts[0],
            origins=np.concatenate([p.origins for p in parts]),
            sizes=np.concatenate([p.sizes for p in parts]),
            offsets=np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
            values=np.concatenate([p.values for p in parts]),
            lowest=max(p.lowest for p in parts),
            repairs=np.concatenate(repairs),
        )


def halve(
    windows: Sequence[NDArray[np.float32]],
    origins: Sequence[tuple[int, int]],
    axes: tuple[Axis, Axis],
    threshold: float,
) -> tuple[list[NDArray[np.float16]], list[NDArray[np.int32]]]:
    """Round windows to half precision, and find the pixels that this moves across the threshold.

    Parameters
    ----------
    windows : sequence of (h, w) float32 arrays
        Logits.
    origins : sequence of (int, int)
        Row and column of each window's first sample.
    axes : (Axis, Axis)
        Of rows and columns, from logits to pixels of the crop.
    threshold : float
        The mask threshold.

    Returns
    -------
    halves : list of (h, w) float16 arrays
        The rounded logits.
    repairs : list of (r, 2) int32 arrays
        Row and column, in the crop, of each window's pixels that changed sides.
    """
    largest = float(np.finfo(STORED).max)
    halves = [np.clip(window, -largest, largest).astype(STORED) for window in windows]
    cells = [
        _cells(window, half.astype(np.float32), origin, axes, threshold)
        for window, half, origin in zip(windows, halves, origins, strict=True)
    ]
    owner = np.repeat(np.arange(len(cells)), [len(rows) for rows, _, _ in cells])
    nothing = np.zeros((0, 2), np.int32)
    if not len(owner):
        return halves, [nothing] * len(halves)
    rows, columns, corners = (
        np.concatenate(part, axis) for part, axis in zip(zip(*cells, strict=True), (0, 0, 2), strict=True)
    )
    step = max(1, _PIXELS // max(1, int(axes[0].counts.max() * axes[1].counts.max())))
    found = []
    for start in range(0, len(owner), step):
        part = slice(start, start + step)
        which, y, x = _changed(rows[part], columns[part], corners[..., part], axes, np.float32(threshold))
        found.append(np.stack([owner[part][which], y, x], 1))
    changed = np.concatenate(found).astype(np.int32)
    places = changed[:, 1:]
    ends = np.searchsorted(changed[:, 0], np.arange(len(cells) + 1))
    return halves, [places[start:stop] for start, stop in pairwise(ends)]


def _cells(
    window: NDArray[np.float32],
    half: NDArray[np.float32],
    origin: tuple[int, int],
    axes: tuple[Axis, Axis],
    threshold: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return the cells whose pixels may lie on either side: rows, columns, and (2, 4, C) corners of both."""
    # The last sample of an axis is its own neighbour.
    ends = [
        (0, int(start + n == axis.n_in)) for start, n, axis in zip(origin, window.shape, axes, strict=True)
    ]
    both = np.stack([window, half])
    if ends != [(0, 0), (0, 0)]:
        both = np.pad(both, [(0, 0), *ends], mode="edge")
    low, high = both.min(0), both.max(0)
    low = np.minimum(low[:, :-1], low[:, 1:])
    high = np.maximum(high[:, :-1], high[:, 1:])
    low = np.minimum(low[:-1], low[1:])
    high = np.maximum(high[:-1], high[1:])
    margin = _MARGIN * max(abs(threshold), 1.0)
    margin = np.maximum(np.abs(low), np.abs(high)) * np.float32(_MARGIN) + np.float32(margin)
    y, x = np.nonzero((high + margin > threshold) & (low - margin <= threshold))
    corners = np.stack([both[:, y, x], both[:, y, x + 1], both[:, y + 1, x], both[:, y + 1, x + 1]], 1)
    return y + origin[0], x + origin[1], corners


def _changed(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    corners: NDArray[np.float32],
    axes: tuple[Axis, Axis],
    threshold: np.float32,
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Make the pixels of cells in both precisions; return cell, row and column of those that differ."""
    (y, y_in, lower), (x, x_in, right) = (
        _pixels(axis, cells) for axis, cells in zip(axes, (rows, columns), strict=True)
    )
    one = np.float32(1)
    upper, left = one - lower, one - right
    # As `resize_window` adds, so that the same bits come out.
    above = []
    for a, b, c, d in corners[..., None]:
        top, bottom = a * left + b * right, c * left + d * right
        pixels = top[:, None, :] * upper[:, :, None] + bottom[:, None, :] * lower[:, :, None]
        above.append(pixels > threshold)
    cell, down, across = np.nonzero((above[0] != above[1]) & y_in[:, :, None] & x_in[:, None, :])
    return cell, y[cell, down], x[cell, across]


def _pixels(
    axis: Axis, cells: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32]]:
    """Return the pixels of cells along an axis: coordinate, whether it is in the cell, weight of `high`."""
    counts = axis.counts[cells]
    offset = np.arange(int(counts.max(initial=0)))
    pixel = axis.starts[cells][:, None] + offset
    return pixel, offset < counts[:, None], axis.weight[pixel.clip(max=axis.n_out - 1)]

"""Which candidates share pixels, and how many: the sparse table that merging and nesting are decided from.

Overlaps are counted on a lattice of image pixels that is as fine as the smaller of the two masks needs: every
pixel for small ones, every second, fourth, ... for larger ones, so that a pair costs a few hundred samples
however large the masks are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from napari_sam2_automask.candidates.candidates import Candidates

__all__ = ["Pairs", "make_pairs"]

# A mask is sampled at every pixel up to this many samples; then every second row and column, and so on.
_SAMPLES = 1024
# Pairs that share less of the smaller mask than this are not kept: nothing is decided from them.
_LEAST = 0.3
# Entries of one sparse product; bounds the memory for crowded images.
_ENTRIES = 20_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of candidates of which the larger contains a good part of the smaller.

    Attributes
    ----------
    small, large : (P,) int32 arrays
        Rows of the two candidates; of two equal areas the one of the worse predicted IoU counts as smaller.
    inside : (P,) float32 array
        Share of the smaller mask that lies in the larger, from 0.3 to 1.
    iou : (P,) float32 array
        Intersection over union of the two masks.
    """

    small: NDArray[np.int32]
    large: NDArray[np.int32]
    inside: NDArray[np.float32]
    iou: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.small)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return sum(a.nbytes for a in (self.small, self.large, self.inside, self.iou))


def make_pairs(
    candidates: Candidates,
    tick: Callable[[], None] | None = None,
    among: NDArray[np.bool_] | None = None,
) -> Pairs:
    """Measure how much every two candidates share.

    Parameters
    ----------
    candidates : Candidates
        The candidates; their masks at the proposal's mask threshold are compared.
    tick : callable, optional
        Called after each candidate; may raise to stop.
    among : (N,) bool array, optional
        Leaves out the pairs of which neither candidate is one of these.

    Returns
    -------
    Pairs
        Exact for masks of up to 1,024 pixels; for larger ones within about a percent.
    """
    area = candidates.area
    strides = _strides(area)
    found = []
    for stride in np.unique(strides):
        found += _pairs_at(candidates, int(stride), strides, tick, among)
    if not found:
        nothing = np.zeros(0, np.int32)
        return Pairs(nothing, nothing, nothing.astype(np.float32), nothing.astype(np.float32))
    small, large, inside = (np.concatenate(part) for part in zip(*found, strict=True))
    shared = inside * area[small]
    iou = shared / (area[small] + area[large] - shared)
    return Pairs(
        small.astype(np.int32), large.astype(np.int32), inside.astype(np.float32), iou.astype(np.float32)
    )


def _strides(area: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the lattice step for each mask: the power of two that leaves at least _SAMPLES / 4 samples."""
    halvings = np.ceil(np.log2(np.maximum(area / _SAMPLES, 1)) / 2).astype(np.int64)
    return 1 << halvings


def _pairs_at(
    candidates: Candidates,
    stride: int,
    strides: NDArray[np.int64],
    tick: Callable[[], None] | None,
    among: NDArray[np.bool_] | None,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Compare the masks that belong to one lattice with those and all larger ones."""
    mine, others = np.flatnonzero(strides == stride), np.flatnonzero(strides >= stride)
    samples = _sample(candidates, others, stride, tick)
    position = np.searchsorted(others, mine)
    area, counts = candidates.area, np.diff(samples.indptr)
    everyone = np.arange(len(others))
    if among is None:
        sides = [(position, everyone)]
    else:
        wanted = among[mine]
        sides = [(position[wanted], everyone), (position[~wanted], np.flatnonzero(among[others]))]
    found = []
    for own, partners in sides:
        against = samples if len(partners) == len(others) else samples[partners]
        cover = np.asarray(against.sum(axis=0)).ravel()
        for rows in _batches(samples, own, cover):
            product = (samples[rows] @ against.T).tocoo()
            a, b = others[rows][product.row], others[partners[product.col]]
            inside = product.data / np.maximum(counts[rows][product.row], 1)
            keep = (inside >= _LEAST) & ((area[a] < area[b]) | ((area[a] == area[b]) & (a > b)))
            found.append((a[keep], b[keep], inside[keep]))
    return found


def _sample(
    candidates: Candidates, rows: NDArray[np.int64], stride: int, tick: Callable[[], None] | None
) -> csr_array:
    """Return the lattice points inside each mask as a sparse (masks, points) matrix of ones."""
    from scipy.sparse import csr_array

    width = -(-candidates.shape[1] // stride)
    height = -(-candidates.shape[0] // stride)
    columns, ends = [], [0]
    for row in rows:
        y0, x0, mask = candidates.mask(int(row))
        # The first lattice row and column at or after the box's.
        skip_y, skip_x = -y0 % stride, -x0 % stride
        ys, xs = np.nonzero(mask[skip_y::stride, skip_x::stride])
        columns.append(
            ((ys + (y0 + skip_y) // stride) * width + xs + (x0 + skip_x) // stride).astype(np.int32)
        )
        ends.append(ends[-1] + len(ys))
        if tick is not None:
            tick()
    indices = np.concatenate(columns) if columns else np.zeros(0, np.int32)
    ones = np.ones(len(indices), np.int32)
    return csr_array((ones, indices, np.array(ends, np.int64)), shape=(len(rows), height * width))


def _batches(
    samples: csr_array, position: NDArray[np.int64], cover: NDArray[np.int32]
) -> list[NDArray[np.int64]]:
    """Split rows so that no product has more than _ENTRIES terms (a single row may)."""
    ends = np.concatenate([[0], np.cumsum(cover[samples.indices], dtype=np.int64)])
    costs = (ends[samples.indptr[1:]] - ends[samples.indptr[:-1]])[position]
    group = np.cumsum(costs) // _ENTRIES
    return [position[group == g] for g in np.unique(group)]

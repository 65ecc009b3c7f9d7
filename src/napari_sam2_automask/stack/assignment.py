"""Which object of one plane is which object of a later one: a single assignment over the whole stack.

Every object of a plane is a node. An object has at most one successor and one predecessor, so choosing the
links of highest total worth, links over skipped planes among them, is an assignment between the nodes as
sources and the same nodes as targets: one optimum over all planes at once, where linking plane by plane would
be greedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from napari_sam2_automask.geometry.overlaps import Regions, shifted_overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Edges", "assign", "candidate_edges", "drifts"]

# Drift is looked for in planes of about this many pixels a side.
_DRIFT_SIDE = 512
# A drift counts only if it lets this much more of the foreground coincide than no drift does.
_DRIFT_GAIN = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Possible links between objects of different planes.

    Attributes
    ----------
    source, target : ndarray of int, shape (E,)
        Nodes; the target lies in the later plane.
    gap : ndarray of int, shape (E,)
        Planes skipped between the two, 0 for neighbours.
    iou : ndarray of float, shape (E,)
        Of the source, moved to where it is expected, with the target.
    in_source, in_target : ndarray of float, shape (E,)
        The shared pixels as a fraction of the source and of the target.
    """

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    gap: NDArray[np.intp]
    iou: NDArray[np.float64]
    in_source: NDArray[np.float64]
    in_target: NDArray[np.float64]


def drifts(planes: Sequence[Regions]) -> NDArray[np.float64]:
    """Estimate how the whole picture moves from each plane to the next.

    Parameters
    ----------
    planes : sequence of Regions
        The P planes.

    Returns
    -------
    ndarray of float, shape (P, 2)
        Position (y, x) of the picture in each plane, relative to the first.
    """
    steps = np.zeros((len(planes), 2))
    if not planes:
        return steps
    factor = max(1, int(np.ceil(max(planes[0].image.shape) / _DRIFT_SIDE)))
    previous: NDArray[np.float32] | None = None
    for p, plane in enumerate(planes):
        current = _interiors(plane.image[::factor, ::factor])
        if previous is not None:
            steps[p] = _shift_between(previous, current)
        previous = current
    return np.cumsum(steps, axis=0) * factor


def candidate_edges(
    planes: Sequence[Regions], offsets: NDArray[np.intp], shifts: NDArray[np.float64]
) -> Edges:
    """Find the objects that overlap in planes at most G planes apart.

    Parameters
    ----------
    planes : sequence of Regions
        The P planes.
    offsets : ndarray of int, shape (P + 1,)
        Number of the first node of each plane.
    shifts : ndarray of float, shape (G, N, 2)
        How far (y, x) each node is expected to move until 1, 2, ..., G planes later.

    Returns
    -------
    Edges
        Every pair that shares a pixel once the source is moved.
    """
    parts = []
    for p in range(len(planes)):
        for q in range(p + 1, min(p + 1 + len(shifts), len(planes))):
            own = shifts[q - p - 1, offsets[p] : offsets[p + 1]]
            parts.append(_edges_between(planes, offsets, p, q, np.rint(own).astype(np.int64)))
    if not parts:
        none, zero = np.zeros(0, np.intp), np.zeros(0)
        return Edges(none, none, none, zero, zero, zero)
    return Edges(*(np.concatenate([getattr(e, name) for e in parts]) for name in Edges.__slots__))


def assign(edges: Edges, nodes: int, min_iou: float, gap_cost: float) -> NDArray[np.intp]:
    """Choose the links of highest total worth.

    Parameters
    ----------
    edges : Edges
        The possible links.
    nodes : int
        How many objects there are in all planes.
    min_iou : float
        A link below this IoU is worth less than none.
    gap_cost : float
        IoU taken off for each plane skipped.

    Returns
    -------
    ndarray of int, shape (nodes,)
        Successor of each node, -1 for none.
    """
    successor = np.full(nodes, -1, np.intp)
    worth = edges.iou - min_iou - gap_cost * edges.gap
    good = worth > 0
    if not good.any():
        return successor
    source, target = edges.source[good], edges.target[good]
    rows = np.unique(source)
    row = np.searchsorted(rows, source)
    # Each source may also take its own column that stands for no link; costs are kept above zero because a
    # sparse zero means no edge. The matching counts in 32 bits, and not every scipy converts.
    cost = csr_array(
        (
            np.concatenate([2.0 - worth[good], np.full(rows.size, 2.0)]),
            (
                np.concatenate([row, np.arange(rows.size)]).astype(np.int32),
                np.concatenate([target, nodes + np.arange(rows.size)]).astype(np.int32),
            ),
        ),
        shape=(rows.size, nodes + rows.size),
    )
    matched, columns = min_weight_full_bipartite_matching(cost)
    real = columns < nodes
    successor[rows[matched[real]]] = columns[real]
    return successor


def _edges_between(
    planes: Sequence[Regions], offsets: NDArray[np.intp], p: int, q: int, shifts: NDArray[np.int64]
) -> Edges:
    a, b = planes[p], planes[q]
    shared = shifted_overlaps(a, b, shifts)
    pixels = shared.pixels.astype(np.float64)
    area_a, area_b = a.areas[shared.a], b.areas[shared.b]
    return Edges(
        shared.a + offsets[p],
        shared.b + offsets[q],
        np.full(pixels.size, q - p - 1, np.intp),
        pixels / (area_a + area_b - pixels),
        pixels / area_a,
        pixels / area_b,
    )


def _interiors(image: NDArray[np.int32]) -> NDArray[np.float32]:
    """Mark the objects without their last row and column: touching objects would be one flat area."""
    inside = image > 0
    inside[:-1] &= image[:-1] == image[1:]
    inside[:, :-1] &= image[:, :-1] == image[:, 1:]
    return inside.astype(np.float32)


def _shift_between(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the shift (y, x) of at most an eighth of the plane that lets `a` coincide best with `b`."""
    reach = [max(1, n // 8) for n in a.shape]
    shape = [next_fast_len(n + r, real=True) for n, r in zip(a.shape, reach, strict=True)]
    product: NDArray[Any] = np.conj(rfft2(a, shape)) * rfft2(b, shape)
    correlation = irfft2(product, shape)
    y = np.r_[-reach[0] : reach[0] + 1]
    x = np.r_[-reach[1] : reach[1] + 1]
    window = correlation[np.ix_(y % shape[0], x % shape[1])]
    best = np.unravel_index(int(window.argmax()), window.shape)
    if window[best] < _DRIFT_GAIN * max(float(correlation[0, 0]), 1.0):
        return np.zeros(2)
    return np.array([y[best[0]], x[best[1]]], np.float64)

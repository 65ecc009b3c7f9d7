"""Masks inside masks: merge those that are the same object, and choose one level of those that are nested.

A mask's parent is the smallest mask that contains it. Granularity chooses a cut through this forest: of a
whole and the parts in it one or the other is kept, never both, by the same rule everywhere in the image. A
size is wanted, from the largest of the nested masks at granularity 0 to the smallest at 1; what counts for a
mask is its area (so that parts have to explain a whole to replace it), its predicted IoU, and how near its
size is to the one wanted. The cuts are nested: a higher granularity only ever splits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.overlap_pairs import Pairs

__all__ = ["depths", "level_cut", "merge_duplicates", "parents"]

#: Share of a mask that must lie in another for the other to contain it.
CONTAINED = 0.8
# One mask in another counts as the same object if it lies in it to this share and their areas are alike to
# the duplicate IoU less this slack.
_SAME_INSIDE, _SAME_SLACK = 0.95, 0.1
# Weight of the predicted IoU, and the breadth of the wanted size in factors of e of the area.
_QUALITY, _BREADTH = 4.0, 1.5


def merge_duplicates(
    alive: NDArray[np.bool_], quality: NDArray[np.floating], pairs: Pairs, threshold: float
) -> NDArray[np.bool_]:
    """Keep the better of any two masks that are the same object.

    Parameters
    ----------
    alive : (N,) bool array
        Candidates to choose from.
    quality : (N,) array
        Which of two is the better; at equal values the first.
    pairs : Pairs
        Their overlaps.
    threshold : float
        Mask IoU from which two masks are the same object. One inside the other is so too, if their areas
        are almost alike.

    Returns
    -------
    (N,) bool array
        `alive` less the duplicates.
    """
    # With r = small / large: iou = inside r / (1 + r - inside r), so r = iou / (inside (1 + iou) - iou).
    ratio = pairs.iou / np.maximum(pairs.inside * (1 + pairs.iou) - pairs.iou, 1e-6)
    same = (pairs.iou >= threshold) | ((pairs.inside >= _SAME_INSIDE) & (ratio >= threshold - _SAME_SLACK))
    same &= alive[pairs.small] & alive[pairs.large]
    rank = np.argsort(np.argsort(-quality, kind="stable"))
    small, large = pairs.small[same], pairs.large[same]
    first = rank[small] < rank[large]
    better, worse = np.where(first, small, large), np.where(first, large, small)
    kept = alive.copy()
    order = np.argsort(rank[better], kind="stable")
    for good, bad in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if kept[good]:
            kept[bad] = False
    return kept


def parents(alive: NDArray[np.bool_], area: NDArray[np.integer], pairs: Pairs) -> NDArray[np.int64]:
    """Return the smallest mask that contains each, (N,) int64: its row, -1 if there is none."""
    inside = (pairs.inside >= CONTAINED) & alive[pairs.small] & alive[pairs.large]
    small, large = pairs.small[inside], pairs.large[inside]
    order = np.lexsort((-large, area[large], small))
    small, large = small[order], large[order]
    found = np.full(len(alive), -1, np.int64)
    # Written from the largest to the smallest, so that the smallest stays.
    found[small[::-1]] = large[::-1]
    return found


def depths(alive: NDArray[np.bool_], parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many masks contain each, one inside the other, (N,) int64; 0 for outermost masks."""
    depth = np.zeros(len(parent), np.int64)
    above = np.where(alive, parent, -1)
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    return depth


def level_cut(
    alive: NDArray[np.bool_],
    area: NDArray[np.integer],
    quality: NDArray[np.floating],
    parent: NDArray[np.int64],
    granularity: float,
) -> NDArray[np.bool_]:
    """Choose one level of nested masks.

    Parameters
    ----------
    alive : (N,) bool array
        Masks to choose from, best first.
    area : (N,) array
        Pixels of each.
    quality : (N,) array
        From 0 to 1, such as the predicted IoU.
    parent : (N,) int64 array
        From :func:`parents`.
    granularity : float
        0 keeps the outermost masks, 1 the innermost, what lies between prefers a size.

    Returns
    -------
    (N,) bool array
        The masks kept; none of them is an ancestor of another.
    """
    nested = alive & (parent >= 0)
    if not nested.any():
        return alive.copy()
    if granularity <= 0:
        return alive & (parent < 0)
    has_parts = np.zeros(len(alive), bool)
    has_parts[parent[nested]] = True
    if granularity >= 1:
        return alive & ~has_parts
    size = np.log(np.maximum(area, 1))
    wanted = float(np.quantile(size[nested | (alive & has_parts)], 1 - granularity))
    worth = size + _QUALITY * np.log(np.maximum(quality, 1e-3)) - ((size - wanted) / _BREADTH) ** 2 / 2
    return _best_cut(alive, area, worth, parent)


def _best_cut(
    alive: NDArray[np.bool_],
    area: NDArray[np.integer],
    worth: NDArray[np.floating],
    parent: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Maximise the summed worth (given as logarithms) over masks of which none contains another."""
    rows = np.flatnonzero(alive)
    # Parts before wholes: the smaller area first, of equal areas the worse.
    rows = rows[np.lexsort((-rows, area[rows]))]
    best, above = worth.tolist(), parent.tolist()
    parts = [-math.inf] * len(best)
    whole = alive.copy()
    for row in rows.tolist():
        if parts[row] > best[row]:
            best[row], whole[row] = parts[row], False
        up = above[row]
        if up >= 0:
            parts[up] = _log_sum(parts[up], best[row])
    kept = np.zeros(len(best), bool)
    closed = np.zeros(len(best), bool)
    for row in rows[::-1].tolist():
        up = above[row]
        closed[row] = up >= 0 and (closed[up] or whole[up])
        kept[row] = whole[row] and not closed[row]
    return kept


def _log_sum(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))

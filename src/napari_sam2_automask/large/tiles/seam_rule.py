"""The seam rule: which of the tiles' objects are one, which of them is drawn, and under which number.

1. Two tiles' objects are one if they agree in the strip the tiles share (IoU of at least one half there).
   Pieces of an object that a tile cuts in several are taken together for this.
2. An object that some tile sees whole is drawn as that tile sees it, by the tile where it lies deepest
   inside. One that no tile sees whole is drawn as all its pieces together.
3. An object that one tile alone sees is drawn if its centroid lies in the core of that tile, since elsewhere
   a neighbour, which sees more of the surroundings, has the say.
4. Where objects of different tiles overlap, the smaller lies on top; one that would be hardly visible is left
   out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.large.tiles.grid import Grid, split_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["Plan", "make_plan"]

# Objects of two tiles that agree this much in the strip are one object.
_SAME = 0.5
# A piece lies in an object of the next tile with at least this much of what it has in the strip.
_PIECE = 0.75
# A cut object that only one tile sees is left out when others cover this much of it ...
_COVERED = 0.5
# ... and any object when smaller ones cover this much.
_HIDDEN = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to draw the tiles' objects.

    Attributes
    ----------
    starts : ndarray of int64, shape (T + 1,)
        Where the objects of each tile begin in `number`.
    number : ndarray of uint32 or uint64, shape (N,)
        Number of each object of each tile in the finished labels, 0 for those not drawn. Several are drawn
        under one number where an object is put together from pieces.
    rank : ndarray of uint32 or uint64, shape (M + 1,)
        For each number, how far on top it lies; all different, 0 for background.
    score : ndarray of float32, shape (M + 1,)
        For each number, the best score of its objects.
    tiles : ndarray of int32, shape (M + 1,)
        For each number, how many tiles it is drawn from.
    """

    starts: NDArray[np.int64]
    number: NDArray[np.unsignedinteger[Any]]
    rank: NDArray[np.unsignedinteger[Any]]
    score: NDArray[np.float32]
    tiles: NDArray[np.int32]

    @property
    def count(self) -> int:
        """How many objects there are in the end."""
        return len(self.rank) - 1


def make_plan(
    grid: Grid, table: NDArray[np.void], seams: NDArray[np.void], failed: Collection[int] = ()
) -> Plan:
    """Apply the seam rule.

    Parameters
    ----------
    grid : Grid
        The grid.
    table : ndarray of TILE_FIELDS, shape (N,)
        The objects of all tiles, in order of tile, then label.
    seams : ndarray of SEAM_FIELDS
        The pairs of objects that share pixels, of all pairs of tiles.
    failed : collection of int
        Tiles without a result; their neighbours' objects are drawn there.

    Returns
    -------
    Plan
        It depends on nothing but the arguments.
    """
    tile, _ = split_id(table["id"])
    starts = np.searchsorted(tile, np.arange(len(grid) + 1)).astype(np.int64)
    a, b = (_rows(starts, seams[name]) for name in "ab")
    group = _groups(table, tile, *_agreeing(table, tile, seams, a, b))
    drawn = _drawn(grid, table, tile, group, np.asarray(sorted(failed), np.int64))
    drawn = _without_hidden(table, seams, a, b, group, drawn)
    return _numbered(table, starts, group, drawn)


def _rows(starts: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    tile, label = split_id(ids)
    return starts[tile] + label - 1


def _agreeing(
    table: NDArray[np.void], tile: NDArray[Any], seams: NDArray[np.void], a: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs of rows that are one object, with how well they agree."""
    shared = seams["shared"].astype(np.float64)
    iou = shared / (seams["in_a"] + seams["in_b"] - shared)
    one = iou >= _SAME
    found = [(a[one], b[one], iou[one])]
    for piece, whole, in_piece, in_whole in ((a, b, "in_a", "in_b"), (b, a, "in_b", "in_a")):
        rows = np.flatnonzero(table["cut"][piece] & (shared >= _PIECE * seams[in_piece]))
        key = np.stack([whole[rows], tile[piece[rows]]])
        _, together, several = np.unique(key, axis=1, return_inverse=True, return_counts=True)
        together = together.ravel()
        total = np.bincount(together, shared[rows], len(several))
        own = np.bincount(together, seams[in_piece][rows].astype(np.float64), len(several))
        agree = total[together] / (own[together] + seams[in_whole][rows] - total[together])
        good = (several[together] > 1) & (agree >= _SAME)
        found.append((piece[rows[good]], whole[rows[good]], agree[good]))
    one_a, one_b, strength = (np.concatenate(c) for c in zip(*found, strict=True))
    return one_a, one_b, strength


def _groups(
    table: NDArray[np.void],
    tile: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    strength: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Join agreeing rows, the best agreement first; two whole objects of one tile are never joined."""
    parent = np.arange(len(table))
    whole: dict[int, set[int]] = {}

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for e in np.lexsort((b, a, -strength)):
        i, j = sorted((root(int(a[e])), root(int(b[e]))))
        if i == j:
            continue
        tiles = [whole.get(r, set() if table["cut"][r] else {int(tile[r])}) for r in (i, j)]
        if not tiles[0] & tiles[1]:
            parent[j] = i
            whole[i] = tiles[0] | tiles[1]
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return parent


def _drawn(
    grid: Grid, table: NDArray[np.void], tile: NDArray[Any], group: NDArray[Any], failed: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Choose the rows that are drawn (rules 2 and 3)."""
    owner = grid.owner(tile // (grid.rows * grid.columns), table["y"], table["x"])
    own = (owner == tile) | np.isin(owner, failed)
    size = np.bincount(group, minlength=len(table))
    is_whole = ~table["cut"]
    any_whole = np.bincount(group, is_whole, len(table)) > 0
    drawn: NDArray[np.bool_] = np.where(size[group] == 1, own, ~any_whole[group]).astype(np.bool_)
    rows = np.flatnonzero(is_whole & (size[group] > 1))
    order = rows[np.lexsort((tile[rows], -_depth(grid, table, tile)[rows], ~own[rows], group[rows]))]
    first = np.r_[True, group[order][1:] != group[order][:-1]] if len(order) else np.zeros(0, bool)
    drawn[order[first]] = True
    return drawn


def _depth(grid: Grid, table: NDArray[np.void], tile: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far each object is from the edges of its tile that are no edges of the image."""
    boxes = np.array([grid[int(t)].outer for t in np.unique(tile)], np.float64).reshape(-1, 4)
    outer = boxes[np.searchsorted(np.unique(tile), tile)]
    sides = np.stack([table["y0"], table["x0"], -table["y1"], -table["x1"]], axis=1) - outer * [1, 1, -1, -1]
    sides[outer == [0, 0, *grid.shape]] = np.inf
    depth: NDArray[np.float64] = sides.min(axis=1, initial=np.inf)
    return depth


def _without_hidden(
    table: NDArray[np.void],
    seams: NDArray[np.void],
    a: NDArray[Any],
    b: NDArray[Any],
    group: NDArray[Any],
    drawn: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Leave out what other objects cover (rule 4)."""
    both = drawn[a] & drawn[b]
    one, two, shared = group[a[both]], group[b[both]], seams["shared"][both].astype(np.float64)
    inner = one == two
    area = np.bincount(group[drawn], table["area"][drawn].astype(np.float64), len(table))
    area -= np.bincount(one[inner], shared[inner], len(table))
    one, two, shared = one[~inner], two[~inner], shared[~inner]
    small_is_one = (area[one] < area[two]) | ((area[one] == area[two]) & (one < two))
    small, large = np.where(small_is_one, one, two), np.where(small_is_one, two, one)
    size = np.bincount(group, minlength=len(table))
    lone_cut = (size == 1) & table["cut"]
    covered = np.bincount(small, shared, len(table)) >= _COVERED * np.maximum(area, 1)
    gone = lone_cut & covered
    stays = ~gone[small]
    gone |= np.bincount(large[stays], shared[stays], len(table)) >= _HIDDEN * np.maximum(area, 1)
    drawn = drawn.copy()
    drawn[gone[group]] = False
    return drawn


def _numbered(
    table: NDArray[np.void], starts: NDArray[np.int64], group: NDArray[Any], drawn: NDArray[np.bool_]
) -> Plan:
    """Give the objects numbers from 1 in the order of their first row: a prefix sum over the tiles."""
    first = np.full(len(table), len(table), np.int64)
    rows = np.flatnonzero(drawn)
    np.minimum.at(first, group[rows], rows)
    leads = np.zeros(len(table), bool)
    leads[first[first < len(table)]] = True
    running = np.cumsum(leads)
    count = int(running[-1]) if len(table) else 0
    dtype: Any = np.uint32 if count <= np.iinfo(np.uint32).max else np.uint64
    number = np.zeros(len(table), dtype)
    number[rows] = running[first[group[rows]]]
    area, tiles = np.bincount(number, table["area"], count + 1), np.bincount(number, minlength=count + 1)
    score = np.full(count + 1, -np.inf, np.float32)
    np.maximum.at(score, number, table["score"])
    rank = np.zeros(count + 1, dtype)
    rank[np.lexsort((np.arange(1, count + 1), -area[1:])) + 1] = np.arange(1, count + 1)
    score[0] = tiles[0] = 0
    return Plan(starts, number, rank, score, tiles.astype(np.int32))

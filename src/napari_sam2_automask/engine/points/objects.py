"""Points at the objects that the model's dense head sees, in place of a grid.

The dense head says for every cell of four by four input pixels whether an object is there, where its centre
is and how large it is. Cells vote for their centre, and each peak of the votes is an object. It is asked at
cells that voted for it, from its centre outwards, and half-way to its nearest neighbour, where a mask of both
may be found. Long objects and crowds have no clear centres: points all over what was seen are asked where no
mask lies afterwards.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from napari_sam2_automask.engine.points.fitted_grid import LEAST
from napari_sam2_automask.engine.points.grid import ObjectPoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.engine.points.grid import Crop

    Shape = tuple[int, int]

__all__ = ["see_objects"]

#: Probability of an object from which a cell votes, and from which it may be one of the sparse points: of
#: those with less hardly any gave a mask.
VOTES, SPARSE = 0.2, 0.85
#: Votes are counted in half cells and blurred by so many of them.
BLUR = 1.6
#: A peak is the highest place within so many half cells, and at least this high; one whole object whose cells
#: agree to the half cell gives a peak of 1 / (2 pi BLUR^2) = 0.06.
APART, PEAK = 5, 0.01
#: A cell is asked for the nearest peak, if the centre that it names is this close, in cells.
NEAR = 2.0
#: There is one sparse point in each square of so many cells.
SQUARE = 12
#: Margin in cells by which a centre may lie outside the part of a crop that is its own: two crops need not
#: see it at the very same place, and one of them has to ask.
MARGIN = 2.0
# The trunk says offsets in units of 32 input pixels and the logarithm of radius / 16; a cell is 4 wide.
_OFFSET, _RADIUS = 8.0, 4.0


class _Cells(NamedTuple):
    """Cells on objects."""

    #: Their middles and the centres that they name, (N, 2) row, column in cells.
    middle: NDArray[np.float64]
    named: NDArray[np.float64]
    #: Probability of an object, and the share of an object that a cell is.
    here: NDArray[np.float32]
    share: NDArray[np.float32]


def see_objects(dense: NDArray[np.float32], crop: Crop, most: int) -> ObjectPoints:
    """Find the objects of a crop and where to ask for them.

    Parameters
    ----------
    dense : (4, h, w) float32 array
        What the dense head says of the crop as it is shown; see `CentreTrunk.dense`.
    crop : Crop
        The crop; only objects in the part that is its own are returned.
    most : int
        Points on each object at most.

    Returns
    -------
    ObjectPoints
        Objects from top to bottom.
    """
    shape = dense.shape[1], dense.shape[2]
    cells = _cells(dense, crop)
    peaks = _peaks(cells, shape)
    mine, turn, row = _asked_cells(cells, peaks, most)
    cell = max(crop.shown) / max(shape)
    owned = crop.owns(_pixels(peaks, crop, shape), MARGIN * cell)[mine]
    mine, turn, row = mine[owned], turn[owned], row[owned]
    first = turn == 0
    asked = mine[first]
    between = _pixels(_half_way(peaks, asked), crop, shape)
    inside = _inside(between, crop)
    number = np.full(len(peaks), -1)
    number[asked] = np.arange(len(asked))
    points = _pixels(cells.middle[row], crop, shape)
    seen = cells.here >= SPARSE
    sparse = _pixels(_one_a_square(cells.middle[seen], cells.here[seen]), crop, shape)
    return ObjectPoints(
        centres=points[first],
        further=np.concatenate([points[~first], between[inside]]),
        owner=np.concatenate([number[mine[~first]], np.flatnonzero(inside)]),
        sparse=sparse[crop.owns(sparse)],
    )


def _cells(dense: NDArray[np.float32], crop: Crop) -> _Cells:
    """Return the cells on objects in the crop itself, not in its mirror; what is too small is texture."""
    here = 1 / (1 + np.exp(-dense[0]))
    row, column = np.nonzero(here > VOTES)
    radius = _RADIUS * np.exp(dense[3, row, column])
    middle = np.stack([row, column], 1).astype(np.float64) + 0.5
    pixel = math.sqrt(math.prod(crop.shown) / here.size)
    fits = _inside(_pixels(middle, crop, here.shape), crop) & (2 * radius * pixel >= LEAST)
    row, column, middle, radius = row[fits], column[fits], middle[fits], radius[fits]
    return _Cells(
        middle,
        middle + _OFFSET * dense[1:3, row, column].T,
        here[row, column],
        here[row, column] / np.maximum(1, np.pi * radius * radius),
    )


def _peaks(cells: _Cells, shape: Shape) -> NDArray[np.float64]:
    """Return the centres that cells agree on, (K, 2) row, column in cells."""
    votes = np.zeros((2 * shape[0], 2 * shape[1]), np.float32)
    at = np.clip(2 * cells.named, 0, np.array(votes.shape) - 1).astype(np.intp)
    np.add.at(votes, (at[:, 0], at[:, 1]), cells.share)
    votes = gaussian_filter(votes, BLUR, mode="constant")
    return (np.argwhere((votes == maximum_filter(votes, size=APART)) & (votes > PEAK)) + 0.5) / 2


def _asked_cells(
    cells: _Cells, peaks: NDArray[np.float64], most: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return which peaks are asked about, in which of their turns, and which cell then: the nearest first."""
    if not len(peaks):
        nothing = np.zeros(0, np.intp)
        return nothing, nothing, nothing
    away, owner = cKDTree(peaks).query(cells.named)
    voters = np.flatnonzero(away <= NEAR)
    distance = np.hypot(*(cells.middle - peaks[owner]).T)
    voters = voters[np.lexsort((distance[voters], owner[voters]))]
    count = np.bincount(owner[voters], minlength=len(peaks))[:, None]
    start = np.cumsum(count) - count[:, 0]
    # From the nearest cell to nearly the farthest; a few cells give fewer points than turns.
    place = count * np.arange(most) * 2 // (2 * most - 1)
    before = np.concatenate([np.full_like(count, -1), place[:, :-1]], 1)
    mine, turn = np.nonzero((place > before) & (count > 0))
    return mine, turn, voters[start[mine] + place[mine, turn]]


def _half_way(peaks: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the places half-way between peaks and the nearest to each, (K, 2) row, column; NaN if alone."""
    if len(peaks) < 2:
        return np.full((len(rows), 2), np.nan)
    _, nearest = cKDTree(peaks).query(peaks[rows], 2)
    half: NDArray[np.float64] = (peaks[rows] + peaks[nearest[:, 1]]) / 2
    return half


def _one_a_square(cells: NDArray[np.float64], worth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the worthiest cell of each square, (R, 2) row, column; of equal ones the first."""
    square = (cells // SQUARE).astype(np.intp)
    order = np.lexsort((-worth, square[:, 1], square[:, 0]))
    _, first = np.unique(square[order], axis=0, return_index=True)
    return cells[order[first]]


def _pixels(cells: NDArray[np.float64], crop: Crop, shape: Shape) -> NDArray[np.float32]:
    """Turn (N, 2) row, column in cells of what is shown into x, y in pixels of the crop."""
    (height, width), (above, left) = crop.shown, crop.before
    y, x = cells[:, 0] * (height / shape[0]) - above, cells[:, 1] * (width / shape[1]) - left
    return np.stack([x, y], 1).astype(np.float32)


def _inside(points: NDArray[np.float32], crop: Crop) -> NDArray[np.bool_]:
    x, y = points.T
    inside: NDArray[np.bool_] = (x >= 0) & (y >= 0) & (x < crop.shape[1]) & (y < crop.shape[0])
    return inside

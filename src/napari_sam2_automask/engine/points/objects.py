"""Points at the objects that the model's dense head sees, in place of a grid.

The dense head says for every cell of four by four input pixels whether an object is there, where its centre
is and how large it is. Cells vote for their centre, and each peak of the votes is an object. It is asked at
its centre, half-way to its nearest neighbour, where a mask of both may be found, and around it, where its
outline is often taken wider. Long objects and crowds have no clear centres: points all over what was seen are
asked where no mask lies afterwards.
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

__all__ = ["OFFSET", "see_objects"]

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
#: Points around an object are so many of its radii from its centre: what was outlined too tightly, and what
#: lies there besides, is found from just outside.
RIM = 1.1
#: There is one sparse point in each square of so many cells.
SQUARE = 12
#: Margin in cells by which a centre may lie outside the part of a crop that is its own: two crops need not
#: see it at the very same place, and one of them has to ask.
MARGIN = 2.0
# The trunk says offsets in units of 32 input pixels and the logarithm of radius / 16; a cell is 4 wide.
OFFSET, _RADIUS = 8.0, 4.0


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
        Points around each object, beside those at its centre and half-way to its neighbour.

    Returns
    -------
    ObjectPoints
        Objects from top to bottom.
    """
    shape = dense.shape[1], dense.shape[2]
    cells = _cells(dense, crop)
    peaks = _peaks(cells, shape)
    asked, middle, radius = _middles(cells, peaks)
    cell = max(crop.shown) / max(shape)
    owned = crop.owns(_pixels(peaks[asked], crop, shape), MARGIN * cell)
    asked, middle, radius = asked[owned], middle[owned], radius[owned]
    around = _around(peaks, asked, radius, most)
    further = _pixels(around.reshape(-1, 2), crop, shape)
    inside = _inside(further, crop)
    seen = cells.here >= SPARSE
    sparse = _pixels(_one_a_square(cells.middle[seen], cells.here[seen]), crop, shape)
    return ObjectPoints(
        centres=_pixels(cells.middle[middle], crop, shape),
        further=further[inside],
        owner=np.repeat(np.arange(len(asked)), around.shape[1])[inside],
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
        middle + OFFSET * dense[1:3, row, column].T,
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


def _middles(
    cells: _Cells, peaks: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the peaks that cells voted for, the nearest of these to each, and how far they reach, (K,)."""
    if not len(peaks):
        nothing = np.zeros(0, np.intp)
        return nothing, nothing, np.zeros(0)
    away, owner = cKDTree(peaks).query(cells.named)
    voters = np.flatnonzero(away <= NEAR)
    distance = np.hypot(*(cells.middle - peaks[owner]).T)
    voters = voters[np.lexsort((distance[voters], owner[voters]))]
    asked, first, count = np.unique(owner[voters], return_index=True, return_counts=True)
    return asked, voters[first], np.sqrt(count / np.pi)


def _around(
    peaks: NDArray[np.float64], rows: NDArray[np.intp], radius: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """Return places around some peaks, (K, most + 1, 2) row, column in cells.

    The first is half-way to the nearest other peak, NaN for one that is alone. The rest lie just outside, in
    directions that share the circle evenly with it.
    """
    apart = np.full((len(rows), 2), np.nan)
    if len(peaks) > 1:
        apart = peaks[cKDTree(peaks).query(peaks[rows], 2)[1][:, 1]] - peaks[rows]
    to_next = np.arctan2(*np.nan_to_num(apart).T)[:, None]
    angle = to_next + 2 * np.pi * np.arange(1, most + 1) / (most + 1)
    away = RIM * radius[:, None, None] * np.stack([np.sin(angle), np.cos(angle)], -1)
    around: NDArray[np.float64] = peaks[rows][:, None] + np.concatenate([apart[:, None] / 2, away], 1)
    return around


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

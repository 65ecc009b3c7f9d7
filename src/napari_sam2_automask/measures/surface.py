"""The surface of a body whose voxels may be longer one way than another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.measures.outline import outlines, perimeter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["surface_area"]

#: Widths of the blur in voxels: of a small body, and of one that is large enough for two, the second of
#: which is twice the first.
_SMALL, _LARGE = 0.6, 0.9
#: Extents in voxels up to which a body is small, and from which it is large.
_FROM, _TO = 12, 24
#: Voxels that a body may have once it is interpolated; and levels that are put in the place of a plane.
_MOST, _LEVELS = 2**25, 16


def surface_area(body: NDArray[np.bool_], sides: Sequence[float]) -> float:
    """Return the area of a body's surface.

    Planes that lie farther apart than pixels are joined by interpolating their shapes [1]_. The body is then
    blurred, so that steps between voxels do not count, and its surface taken by marching cubes. A blur rounds
    edges by a share that grows with its width: of large bodies, two widths are taken and the area is
    extrapolated to none. A body in a single plane is a prism.

    Parameters
    ----------
    body : ndarray of bool, shape (Z, Y, X)
        At least one voxel is True. Nothing around it belongs to the body.
    sides : sequence of 3 float
        Sides of a voxel, in any unit.

    Returns
    -------
    float
        In the square of that unit.

    References
    ----------
    .. [1] S. P. Raya and J. K. Udupa, "Shape-based interpolation of multidimensional objects", IEEE
       Transactions on Medical Imaging 9 (1), 32-42, 1990.
    """
    if 1 in body.shape:
        axis = body.shape.index(1)
        face = body.squeeze(axis)
        across = [side for one, side in enumerate(sides) if one != axis]
        edge = perimeter(outlines(face), across)
        return 2 * float(np.count_nonzero(face)) * math.prod(across) + edge * sides[axis]
    body, finer = _even(body, sides)
    extent = min(body.shape)
    large = min(1.0, max(0.0, (extent - _FROM) / (_TO - _FROM)))
    area = 0.0
    if large < 1:
        area += (1 - large) * _blurred(body, finer, _SMALL)
    if large > 0:
        area += large * (2 * _blurred(body, finer, _LARGE) - _blurred(body, finer, 2 * _LARGE))
    return area


def _blurred(body: NDArray[np.bool_], sides: Sequence[float], width: float) -> float:
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes, mesh_surface_area

    blur = [width * max(sides) / side for side in sides]
    edges = [(math.ceil(4 * one) + 1,) * 2 for one in blur]
    soft = gaussian_filter(np.pad(body, edges).astype(np.float32), blur)
    # A line of voxels is thinner than the blur.
    level = min(0.5, 0.5 * float(soft.max()))
    corners, faces, *_ = marching_cubes(soft, level, spacing=tuple(sides))  # type: ignore[no-untyped-call]
    return float(mesh_surface_area(corners, faces))  # type: ignore[no-untyped-call]


def _even(body: NDArray[np.bool_], sides: Sequence[float]) -> tuple[NDArray[np.bool_], list[float]]:
    """Interpolate along the axes on which voxels are long; return the body and the sides of its voxels."""
    sides = list(sides)
    shortest = min(sides)
    for axis in sorted(range(3), key=lambda one: -sides[one]):
        levels = min(round(sides[axis] / shortest), _LEVELS, _MOST // body.size)
        if levels > 1:
            others = [side for one, side in enumerate(sides) if one != axis]
            body = np.moveaxis(_between(np.moveaxis(body, axis, 0), levels, others), 0, axis)
            sides[axis] /= levels
    return body, sides


def _between(planes: NDArray[np.bool_], levels: int, sides: Sequence[float]) -> NDArray[np.bool_]:
    """Put `levels` planes in the place of each; what is between two has the shape between theirs."""
    filled = [bool(plane.any()) for plane in planes]
    inside = np.stack([_depth(plane, sides) for plane in planes])
    at = (np.arange(len(planes) * levels) + 0.5) / levels - 0.5
    last = len(planes) - 1
    found = np.empty((len(at), *planes.shape[1:]), bool)
    for k, place in enumerate(at):
        before = math.floor(place)
        share = place - before
        first, second = min(max(before, 0), last), min(before + 1, last)
        if filled[first] and filled[second]:
            found[k] = (1 - share) * inside[first] + share * inside[second] > 0
        else:  # a body ends half-way to a plane without it
            found[k] = planes[first if share < 0.5 else second]
    return found


def _depth(plane: NDArray[np.bool_], sides: Sequence[float]) -> NDArray[np.float32]:
    """Return how deep each pixel lies in the shape, below 0 outside."""
    from scipy.ndimage import distance_transform_edt

    wide = np.pad(plane, 1)
    half = 0.5 * min(sides)
    depth: NDArray[np.float64] = np.where(
        wide,
        distance_transform_edt(wide, sampling=sides) - half,
        half - distance_transform_edt(~wide, sampling=sides),
    )
    return depth[1:-1, 1:-1].astype(np.float32)

"""A Points layer to a point grid, and a grid to the same points of whatever is segmented.

Settings hold points as fractions of what the model sees, which changes with the region, image and view; a
person's own points do not: here they are pixels of the plane that they were set on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Points

from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.place import onto
from napari_sam2_automask._napari.layers.snapshot import take_source
from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.settings.amg import AmgSettings, PointGrids

__all__ = ["grid_from_points", "in_whole_image", "points_in"]


class _Plane(NamedTuple):
    """Rows and columns of a plane: which axes of its layer, from the last one, and their full lengths."""

    axes: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def of(cls, source: ImageSource) -> _Plane:
        axes = len(source.layer_shape or source.shape)
        rows, columns = source.layer_rows_columns
        return cls((rows - axes, columns - axes), source.full_plane_shape)


#: The planes that grids were taken on, of the last so many grids; others are of the image that is segmented.
_KEPT = 64
_taken: dict[Any, _Plane] = {}


def grid_from_points(viewer: Viewer, image: Image | None) -> PointGrids:
    """Return the points of a Points layer as one grid, in fractions of the image.

    The active layer if it holds points, else the topmost Points layer. Of a stack, points that lie on other
    planes than the current one are left out.

    Raises
    ------
    ImageError
        If there is no image, no Points layer, or no point on the image.
    """
    if image is None:
        raise ImageError("There is no image that points could lie on: open one first.")
    layers = [unwrapped(layer) for layer in viewer.layers]
    points = [layer for layer in reversed(layers) if isinstance(layer, Points)]
    active = unwrapped(viewer.layers.selection.active)
    if isinstance(active, Points):
        points.insert(0, active)
    if not points:
        raise ImageError("There is no Points layer: add one and click on the objects to find.")
    source = take_source(image, tuple(viewer.dims.order), tuple(viewer.dims.point))
    placed = onto(image, points[0], points[0].data)
    here = np.ones(len(placed), dtype=bool)
    if points[0].ndim >= len(source.shape):
        for axis, index in zip(source.other_axes, source.index, strict=True):
            here &= np.abs(placed[:, axis] - index) <= 0.5
    rows, columns = source.rows_columns
    height, width = source.plane_shape
    xy = placed[here][:, [columns, rows]] / (width, height)
    xy = xy[((xy >= 0) & (xy <= 1)).all(axis=1)]
    if not len(xy):
        raise ImageError(
            f"No point of {points[0].name!r} lies on this plane of {image.name!r}: add some points."
        )
    grid = tuple((float(x), float(y)) for x, y in xy)
    _taken.pop(grid, None)
    _taken[grid] = _Plane.of(source)
    while len(_taken) > _KEPT:
        _taken.pop(next(iter(_taken)))
    return (grid,)


def in_whole_image(settings: AmgSettings) -> AmgSettings:
    """Leave out crop layers where the grids are the same points for all: they are points of the image.

    The form gives every crop layer the grid of the image, and each crop would be asked at other places. Grids
    that differ, such as those of a preset's file, are fractions of the crops.
    """
    grids = settings.point_grids
    if grids is None or len(grids) == 1 or any(grid != grids[0] for grid in grids):
        return settings
    return settings.replace(crop_n_layers=0, point_grids=grids[:1])


def points_in(settings: AmgSettings, source: ImageSource, region: Region | None) -> AmgSettings:
    """Return settings whose own points are fractions of what is segmented, and lie where they were set.

    Parameters
    ----------
    settings : AmgSettings
        With own points in fractions of the plane that they were taken on; of that of `source`, if they were
        not taken since napari was started. Others are returned as they are.
    source : ImageSource
        The image that is segmented.
    region : Region or None
        What of its planes; points outside of it, and of the plane, are left out.

    Raises
    ------
    ImageError
        If no point is left, or the points were set on other axes.
    """
    settings = in_whole_image(settings)
    if settings.point_grids is None or len(settings.point_grids) > 1:
        return settings
    (grid,) = settings.point_grids
    here = _Plane.of(source)
    taken = _taken.get(grid, here)
    if here == taken and region is None:
        return settings
    if sorted(here.axes) != sorted(taken.axes):
        raise ImageError(
            "Your own points were set on another side of the stack: take them from Points again."
        )
    yx = np.array(grid)[:, ::-1] * taken.shape
    if here.axes != taken.axes:
        yx = yx[:, ::-1]
    yx = yx * np.divide(source.plane_shape, here.shape)
    y0, x0, y1, x1 = (0, 0, *source.plane_shape) if region is None else region.box
    size = np.array([y1 - y0, x1 - x0])
    pixel = np.floor(yx + 0.5).astype(np.int64) - (y0, x0)
    inside = np.flatnonzero(((pixel >= 0) & (pixel < size)).all(1))
    if region is not None and region.mask is not None:
        inside = inside[region.mask[tuple(pixel[inside].T)]]
    if not inside.size:
        where = f"in {region.name!r}" if region is not None else f"on {source.name!r}"
        raise ImageError(f"None of your own points lies {where}: set some there, or clear Own point grids.")
    xy = ((yx[inside] - (y0, x0)) / size).clip(0, 1)[:, ::-1]
    return settings.replace(point_grids=(tuple(map(tuple, xy.tolist())),))

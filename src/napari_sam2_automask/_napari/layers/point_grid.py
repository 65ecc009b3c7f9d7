"""A Points layer to a point grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.snapshot import take_source
from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_automask.settings.amg import PointGrids

__all__ = ["grid_from_points"]


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
    placed = np.array([_on_image(points[0], row, image) for row in points[0].data]).reshape(
        -1, len(source.shape)
    )
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
    return (tuple((float(x), float(y)) for x, y in xy),)


def _on_image(points: Points, row: Any, image: Image) -> np.ndarray[Any, Any]:
    """Return the position of one point in the image's data coordinates."""
    world = np.asarray(points.data_to_world(row), dtype=float)
    missing = image.ndim - len(world)
    if missing > 0:  # a 2-D Points layer lies on every plane
        world = np.concatenate([np.zeros(missing), world])
    return np.asarray(image.world_to_data(world))[-image.ndim :]

"""Where to look in a viewer: in the shapes of a layer, in a mask, or in what is in view."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.place import level_data, onto
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.geometry.placed import tight
from napari_sam2_automask.geometry.rings import fill
from napari_sam2_automask.image.region import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels, Shapes
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource

__all__ = [
    "ENCLOSING",
    "drawn",
    "inside",
    "outline_of",
    "outlines_of_shapes",
    "region_in_view",
    "region_of_labels",
    "region_of_shapes",
]

#: What napari calls the shapes that enclose an area; lines and paths do not.
ENCLOSING = ("rectangle", "polygon", "ellipse")
#: Corners of the polygon that stands for an ellipse.
CORNERS = 90


def region_in_view(image: Image, source: ImageSource) -> Region:
    """Return what of an image the viewer shows now.

    Raises
    ------
    ImageError
        If nothing of it is in view.
    """
    corners = np.asarray(image.corner_pixels, float)[:, : image.ndim]
    if image.multiscale:
        corners = corners * np.asarray(image.downsample_factors)[image.data_level][: image.ndim]
    low, high = corners[:, list(source.layer_rows_columns)]
    # A corner is a pixel's; the box reaches from edge to edge.
    edges = np.stack([low, high + 1]) / _steps(source)
    return _boxed("field of view", edges, source, None)


def region_of_shapes(shapes: Shapes, image: Image, source: ImageSource) -> Region:
    """Return what lies in the shapes of a layer; lines and paths enclose nothing and do not count.

    Raises
    ------
    ImageError
        If no shape encloses any of the image.
    """
    outlines = outlines_of_shapes(shapes, image, source)
    whole = _boxed(shapes.name, np.concatenate(outlines), source, None)
    y0, x0, y1, x1 = whole.box
    moved = [points - (y0, x0) for points in outlines]
    return replace(whole, mask=drawn(shapes.name, moved, (y1 - y0, x1 - x0)))


def drawn(name: str, outlines: Sequence[NDArray[Any]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels in outlines of a Shapes layer, see `inside`; raise `ImageError` if there is none."""
    mask = inside(outlines, shape)
    if not mask.any():
        raise ImageError(f"the shapes of {name!r} hold no pixel of the image: draw them on it")
    return mask


def inside(outlines: Sequence[NDArray[Any]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie inside of an outline.

    Parameters
    ----------
    outlines : sequence of (N, 2) arrays
        y and x of corners, 0 in the middle of the first pixel.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    (Y, X) bool array
    """
    mask = np.zeros(shape, bool)
    for points in outlines:
        placed = fill([points[:, ::-1] + 0.5], shape)
        if placed is not None:
            mask[placed.window] |= placed.mask
    return mask


def outlines_of_shapes(shapes: Shapes, image: Image, source: ImageSource) -> list[NDArray[Any]]:
    """Return the corners (N, 2) of each shape that encloses an area, y and x in pixels of the plane.

    Raises
    ------
    ImageError
        If none does.
    """
    outlines = [
        onto(image, shapes, outline_of(data, kind))
        for data, kind in zip(shapes.data, shapes.shape_type, strict=True)
        if kind in ENCLOSING
    ]
    axes = source.layer_rows_columns
    outlines = [points[:, list(axes)] for points in outlines]
    if source.pyramid is not None:
        outlines = [source.pyramid.at(points, axes) for points in outlines]
    if not outlines:
        raise ImageError(f"{shapes.name!r} holds no shape that encloses an area: draw a polygon or rectangle")
    return outlines


def region_of_labels(labels: Labels, source: ImageSource) -> Region:
    """Return where a Labels layer is not 0, on the current plane if it has several.

    Raises
    ------
    ImageError
        If it has another shape than the image, or is 0 there.
    """
    data = level_data(labels)
    if tuple(data.shape) == source.shape:
        data = source.cut(data, source.index)
    elif source.level and tuple(data.shape) in (source.full_shape, source.full_plane_shape):
        data = _coarse(data, source)
    elif tuple(data.shape) != source.plane_shape:
        raise ImageError(
            f"the mask {labels.name!r} has the shape {tuple(data.shape)}, the image {source.shape}: "
            "choose labels of that image"
        )
    mask = np.asarray(data) != 0
    rows, columns = tight(mask)
    if not rows.stop:
        raise ImageError(f"the mask {labels.name!r} is empty on this plane: paint where to look")
    return Region(labels.name, (rows.start, columns.start, rows.stop, columns.stop), mask[rows, columns])


def _steps(source: ImageSource) -> NDArray[Any]:
    """Return how many pixels of the layer a pixel of the source spans, along rows and columns."""
    if source.pyramid is None:
        return np.ones(2)
    return np.array([source.pyramid.steps[axis] for axis in source.layer_rows_columns])


def _coarse(mask: Any, source: ImageSource) -> NDArray[Any]:
    """Return a mask at full resolution as the level of the source shows it, of the current plane."""
    pyramid = source.pyramid
    assert pyramid is not None
    own = source.layer_axes or tuple(range(len(source.shape)))
    rows, columns = (
        pyramid.nearest(axis, n)
        for axis, n in zip(source.layer_rows_columns, source.plane_shape, strict=True)
    )
    if len(mask.shape) > 2:
        where = [pyramid.nearest(own[axis], source.shape[axis]) for axis in source.other_axes]
        index = [int(places[k]) for places, k in zip(where, source.index, strict=True)]
        mask = source.cut(mask, index)
    return np.asarray(mask)[np.ix_(rows, columns)]


def _boxed(name: str, points: NDArray[Any], source: ImageSource, mask: None) -> Region:
    """Return the smallest box of whole pixels around points (N, 2), inside the image."""
    shape = np.array(source.plane_shape)
    low = np.clip(np.floor(points.min(0)), 0, shape).astype(int)
    high = np.clip(np.ceil(points.max(0)), 0, shape).astype(int)
    if (high <= low).any():
        raise ImageError(f"nothing of {source.name!r} lies in the {name}: move the view or the shapes")
    return Region(name, (int(low[0]), int(low[1]), int(high[0]), int(high[1])), mask)


def outline_of(data: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return the corners of a shape; many for an ellipse, which is given by the corners of its box."""
    if kind != "ellipse":
        return data
    centre, one, other = data.mean(0), (data[1] - data[0]) / 2, (data[3] - data[0]) / 2
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(turn) * one + np.sin(turn) * other)

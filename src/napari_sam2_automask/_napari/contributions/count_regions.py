"""Objects counted in the shapes of a layer: behind Layers > Measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Shapes
from napari.qt.threading import create_worker
from napari.utils.notifications import show_info, show_warning
from napari.viewer import Viewer  # noqa: TC002 (napari reads the annotation)

from napari_sam2_automask._napari.layers.place import pixel_of
from napari_sam2_automask._napari.layers.region import outline_of
from napari_sam2_automask.measures.regions import count_in_regions

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["count_in_shapes"]


def count_in_shapes(viewer: Viewer) -> Any:
    """Count and measure the objects of the active Labels layer in each shape of the active Shapes layer.

    Where none is active the topmost one is taken. The counts become the features of the Shapes layer, a row
    for each shape, with the name that a column ``name`` gives it; lines and paths enclose nothing.
    """
    labels, shapes = (_layer(viewer, kind) for kind in (Labels, Shapes))
    if labels is None or shapes is None or labels.ndim != 2 or labels.multiscale or not len(shapes.data):
        show_warning("Counting needs a Labels layer with two axes and a Shapes layer with a shape: add them")
        return None
    regions = _masks(labels, shapes)
    pixel = pixel_of(labels)
    more = {} if pixel is None else {"pixel_size": (pixel.height, pixel.width), "unit": pixel.unit}
    table = labels.features if len(labels.features.columns) else None

    def show(found: pd.DataFrame) -> None:
        if len(shapes.data) != len(found):
            show_warning(f"The shapes of {shapes.name} have changed meanwhile: count again")
            return
        shapes.features = found
        show_info(f"{int(found['objects'].sum()):,} objects counted: see the features of {shapes.name}")

    return create_worker(
        count_in_regions, np.asarray(labels.data).copy(), regions, table, _connect={"returned": show}, **more
    )


def _layer(viewer: Viewer, kind: type) -> Any:
    """Return the active layer of a kind, or the selected or topmost one; None if there is none."""
    every = [layer for layer in viewer.layers if isinstance(layer, kind)]
    selected = [layer for layer in every if layer in viewer.layers.selection]
    return next(iter([*selected[::-1], *every[::-1]]), None)


def _masks(labels: Labels, shapes: Shapes) -> dict[str, NDArray[np.bool_]]:
    """Return each shape as a mask of the labels, by its name."""
    from skimage.draw import polygon2mask

    names = shapes.features["name"].astype(str) if "name" in shapes.features else [""] * len(shapes.data)
    masks = {}
    for number, (data, kind, name) in enumerate(zip(shapes.data, shapes.shape_type, names, strict=True), 1):
        mask = np.zeros(labels.data.shape, bool)
        if kind in ("rectangle", "polygon", "ellipse"):
            corners = [shapes.data_to_world(corner) for corner in outline_of(data, kind)]
            places = np.array([labels.world_to_data(corner) for corner in corners])
            mask = polygon2mask(mask.shape, places[:, -2:])  # type: ignore[no-untyped-call]
        called = name or f"shape {number}"
        masks[called if called not in masks else f"{called} ({number})"] = mask
    return masks

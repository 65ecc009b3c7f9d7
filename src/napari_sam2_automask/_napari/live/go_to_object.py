"""From a row of a table to its object: napari's own table selects the label, this shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_sam2_automask._napari.common.camera import camera_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels
    from napari.viewer import Viewer

__all__ = ["go_to_selected", "show_object"]


def show_object(
    viewer: Viewer,
    layer: Labels,
    label: int,
    table: pd.DataFrame | None = None,
    axes: tuple[int, int] = (0, 1),
) -> None:
    """Move the view to an object, as the table says where it lies; do nothing where it does not.

    Parameters
    ----------
    viewer : Viewer
        Whose view.
    layer : Labels
        The layer.
    label : int
        The object.
    table : DataFrame, optional
        Its rows; the layer's features when left out.
    axes : (int, int)
        The axes of the layer that the rows and columns of the table's places lie along.
    """
    if table is None:
        if layer.ndim != 2:
            return
        table = layer.features
    if "bbox_y0" not in table or "index" not in table:
        return
    rows = table[table["index"] == label]
    if len(rows) != 1 or rows["bbox_y0"].isna().any():
        return
    row = rows.iloc[0]
    middle = np.zeros(layer.ndim)
    # The ends of a box are exclusive, and whole numbers are the middles of pixels.
    ends = np.array([[row["bbox_y0"], row["bbox_y1"]], [row["bbox_x0"], row["bbox_x1"]]], float)
    middle[list(axes)] = (ends.sum(1) - 1) / 2
    world = np.zeros(viewer.dims.ndim)
    world[-layer.ndim :] = layer.data_to_world(middle)
    camera_of(viewer).center = (0.0, *(float(value) for value in world[list(viewer.dims.displayed)][-2:]))


def go_to_selected(viewer: Viewer, layer: Labels, axes: tuple[int, int]) -> None:
    """Move the view to the object whose label is selected, from now on; `axes` as for `show_object`.

    Only while the view can be moved with the mouse: with the brush or the picker the label is selected on the
    canvas, where the person looks already.
    """
    known_viewer, known_layer = ref(getattr(viewer, "__wrapped__", viewer)), ref(layer)

    def show(event: Any = None) -> None:
        viewer, layer = known_viewer(), known_layer()
        if viewer is not None and layer is not None and layer in viewer.layers and layer.mode == "pan_zoom":
            show_object(viewer, layer, layer.selected_label, axes=axes)

    layer.events.selected_label.connect(show)

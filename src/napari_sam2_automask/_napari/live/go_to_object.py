"""From a row of the table of features to its object: napari's table selects the label, this shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

__all__ = ["go_to_selected"]


def go_to_selected(viewer: Viewer, layer: Labels) -> None:
    """Move the view to the object whose label is selected, from now on.

    Only while the view can be moved with the mouse: with the brush or the picker the label is selected on the
    canvas, where the person looks already.
    """
    known_viewer, known_layer = ref(getattr(viewer, "__wrapped__", viewer)), ref(layer)

    def show(event: Any = None) -> None:
        viewer, layer = known_viewer(), known_layer()
        if viewer is None or layer is None or layer not in viewer.layers or layer.mode != "pan_zoom":
            return
        table = layer.features
        if "bbox_y0" not in table or "index" not in table or layer.ndim != 2:
            return
        rows = table[table["index"] == layer.selected_label]
        if len(rows) != 1:
            return
        row = rows.iloc[0]
        middle = np.array([row["bbox_y0"] + row["bbox_y1"], row["bbox_x0"] + row["bbox_x1"]]) / 2
        world = np.asarray(layer.data_to_world(middle))
        viewer.camera.center = (0.0, *(float(value) for value in world[list(viewer.dims.displayed)][-2:]))

    layer.events.selected_label.connect(show)

"""From a row of a table to its object: napari's own table selects the label, this shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_sam2_automask._napari.common.camera import camera_of

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

__all__ = ["go_to_selected", "show_object"]


def show_object(viewer: Viewer, layer: Labels, label: int) -> None:
    """Move the view to an object, as the layer's features say where it lies; do nothing where they do not."""
    table = layer.features
    if "bbox_y0" not in table or "index" not in table or layer.ndim != 2:
        return
    rows = table[table["index"] == label]
    if len(rows) != 1 or rows["bbox_y0"].isna().any():
        return
    row = rows.iloc[0]
    middle = np.array([row["bbox_y0"] + row["bbox_y1"], row["bbox_x0"] + row["bbox_x1"]], float) / 2
    world = np.asarray(layer.data_to_world(middle))
    camera_of(viewer).center = (0.0, *(float(value) for value in world[list(viewer.dims.displayed)][-2:]))


def go_to_selected(viewer: Viewer, layer: Labels) -> None:
    """Move the view to the object whose label is selected, from now on.

    Only while the view can be moved with the mouse: with the brush or the picker the label is selected on the
    canvas, where the person looks already.
    """
    known_viewer, known_layer = ref(getattr(viewer, "__wrapped__", viewer)), ref(layer)

    def show(event: Any = None) -> None:
        viewer, layer = known_viewer(), known_layer()
        if viewer is not None and layer is not None and layer in viewer.layers and layer.mode == "pan_zoom":
            show_object(viewer, layer, layer.selected_label)

    layer.events.selected_label.connect(show)

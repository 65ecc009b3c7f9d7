"""The choice of where to look: the whole image, what is in view, the shapes or the mask of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.region import region_in_view, region_of_labels, region_of_shapes

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask.image.region import Region

__all__ = ["WhereChoice"]

WHOLE, IN_VIEW = "Whole image", "Field of view"


class WhereChoice(QComboBox):
    """A combo box.

    Parameters
    ----------
    viewer : Viewer
        Whose Shapes and Labels layers are offered.

    Attributes
    ----------
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[Layer] = []
        self.setToolTip(
            "Where to look: in the whole image, in the part that the viewer shows now, inside the shapes of "
            "a Shapes layer, or where a Labels layer is not 0. The model sees the box around it, enlarged."
        )
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        events = viewer.layers.events
        self.connections: list[tuple[Any, Any]] = [
            (event, self._refresh) for event in (events.inserted, events.removed, events.reordered)
        ]
        for event, callback in self.connections:
            event.connect(callback)
        self._refresh()

    def choose(self, layer: Any) -> None:
        """Choose a layer's shapes or mask."""
        self.setCurrentIndex(2 + self._layers.index(unwrapped(layer)))

    def region(self, image: Image, source: ImageSource) -> Region | None:
        """Return the region chosen, or None for the whole image.

        Raises
        ------
        ImageError
            If it holds nothing of the image.
        """
        index = self.currentIndex()
        if index <= 0:
            return None
        if index == 1:
            return region_in_view(image, source)
        layer = self._layers[index - 2]
        if isinstance(layer, Shapes):
            return region_of_shapes(layer, image, source)
        assert isinstance(layer, Labels)
        return region_of_labels(layer, source)

    def _refresh(self, event: Any = None) -> None:
        index = self.currentIndex()
        chosen = self._layers[index - 2] if index > 1 else None
        layers = [unwrapped(layer) for layer in self._viewer.layers]
        self._layers = [layer for layer in reversed(layers) if isinstance(layer, Shapes | Labels)]
        self.clear()
        self.addItems([WHOLE, IN_VIEW])
        for layer in self._layers:
            self.addItem(f"{'Inside' if isinstance(layer, Shapes) else 'Where not 0:'} {layer.name}")
        self.setCurrentIndex(
            2 + self._layers.index(chosen) if chosen in self._layers else min(max(index, 0), 1)
        )

"""The choice of the image: follows the active layer unless it is pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_sam2_automask._napari.common.layout import Signal, roomy

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["VIEW_KEY", "LayerChoice", "is_own_view", "unwrapped"]

#: In the metadata of a layer that shows what the model sees: it is nothing to segment unless it is chosen.
VIEW_KEY = "sam2_automask_view"


def unwrapped(layer: Any) -> Any:
    """Return the layer behind the proxy that napari gives to plugins; comparisons by identity need it."""
    return getattr(layer, "__wrapped__", layer)


def is_own_view(layer: Any) -> bool:
    """Tell whether a layer is one that shows what the model sees."""
    return VIEW_KEY in layer.metadata


class LayerChoice(QWidget):
    """A combo box of the viewer's image layers, and a pin.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose layers are offered.

    Attributes
    ----------
    changed : Qt signal
        Another image is chosen, the list is another, or axes have other names.
    eye : Qt signal
        One of the images was shown or hidden.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    changed = Signal()
    eye = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[Image] = []
        self.combo = QComboBox()
        self.combo.setToolTip("The image to segment. Follows the active layer; choosing one here pins it.")
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.pin = QToolButton()
        self.pin.setText("Pin")
        self.pin.setCheckable(True)
        self.pin.setToolTip("Keep this image, whichever layer is active.")
        roomy(self.pin)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo, 1)
        layout.addWidget(self.pin)
        self.combo.activated.connect(self._on_chosen)
        self.pin.toggled.connect(self._follow)
        events = viewer.layers.events
        self.connections: list[tuple[Any, Any]] = [
            (events.inserted, self._refresh),
            (events.removed, self._refresh),
            (events.reordered, self._refresh),
            (viewer.layers.selection.events.active, self._follow),
        ]
        for event, callback in self.connections:
            event.connect(callback)
        self._refresh()
        self._follow()

    @property
    def layer(self) -> Image | None:
        """The chosen image layer, or None if there is none."""
        index = self.combo.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Image) -> None:
        """Choose a layer and pin it."""
        self.combo.setCurrentIndex(self._position(layer))
        self._on_chosen()

    def _position(self, layer: Any) -> int:
        wanted = unwrapped(layer)
        return next((i for i, own in enumerate(self._layers) if own is wanted), -1)

    def _refresh(self, event: Any = None) -> None:
        chosen = self.layer
        layers = [unwrapped(layer) for layer in self._viewer.layers]
        # The topmost layer first, as in the layer list.
        images = [layer for layer in reversed(layers) if isinstance(layer, Image)]
        self._watch_new(images)
        self._layers = images
        self.combo.blockSignals(True)
        self.combo.clear()
        self.combo.addItems([layer.name for layer in images])
        position = self._position(chosen)
        first = next((i for i, layer in enumerate(images) if not is_own_view(layer)), -1)
        self.combo.setCurrentIndex(position if position >= 0 else first)
        self.combo.blockSignals(False)
        if position < 0:
            self.pin.setChecked(False)  # the pinned layer is gone
            self._follow()
        self.changed.emit()

    def _watch_new(self, images: list[Image]) -> None:
        for layer in images:
            if layer not in self._layers:
                for event, callback in (
                    (layer.events.name, self._refresh),
                    (layer.events.axis_labels, self._refresh),
                    (layer.events.visible, self._on_eye),
                ):
                    event.connect(callback)
                    self.connections.append((event, callback))

    def _on_eye(self, event: Any = None) -> None:
        self.eye.emit()

    def _follow(self, event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if self.pin.isChecked() or (active is not None and is_own_view(active)):
            return
        position = self._position(active)
        # Another kind of layer, such as the labels of the last run, leaves the choice as it is.
        if position >= 0 and position != self.combo.currentIndex():
            self.combo.setCurrentIndex(position)
            self.changed.emit()

    def _on_chosen(self, index: int = 0) -> None:
        self.pin.setChecked(True)
        self.changed.emit()

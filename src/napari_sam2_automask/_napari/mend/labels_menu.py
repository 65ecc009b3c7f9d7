"""A menu of Labels layers, and which layers are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QMenu

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.live.level_layers import CELLS_KEY, LEVEL_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

__all__ = ["LabelsMenu", "labels_layers"]


class LabelsMenu(QMenu):
    """One line for each of some layers.

    Attributes
    ----------
    chosen : Qt signal
        Emits the identifier of a layer, `layer.unique_id` as text. What an action holds stays for as long as
        it: the layer itself would keep a closed viewer in memory.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.triggered.connect(self._on_action)

    def show_layers(self, layers: Iterable[Labels]) -> None:
        """Offer these layers, and no others."""
        self.clear()
        for layer in layers:
            action = self.addAction(layer.name)
            if action is not None:
                action.setData(str(layer.unique_id))

    def _on_action(self, action: Any) -> None:
        self.chosen.emit(action.data())


def labels_layers(viewer: Viewer) -> list[Labels]:
    """Return a viewer's Labels layers, the topmost first; levels and cells of a result are none."""
    layers = [unwrapped(layer) for layer in reversed(viewer.layers)]
    return [
        layer
        for layer in layers
        if isinstance(layer, Labels) and not {LEVEL_KEY, CELLS_KEY} & set(layer.metadata)
    ]

"""Labels from anywhere as a start for mending: those of another layer become the objects of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QPushButton

from napari_sam2_automask._napari.common.layout import Signal, roomy
from napari_sam2_automask._napari.layers.resample import labels_on, places_on
from napari_sam2_automask._napari.mend.labels_menu import LabelsMenu, labels_layers

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.panel import LivePanel

__all__ = ["OwnLabels"]


class OwnLabels(QPushButton):
    """Offers the Labels layers that lie on the result; hidden where there is none.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are offered.
    live : LivePanel
        Whose objects they become.

    Attributes
    ----------
    taken : Qt signal
        Emits what is to be said of labels that were taken.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    taken = Signal(str)

    def __init__(self, viewer: Viewer, live: LivePanel) -> None:
        super().__init__("Take labels")
        self._viewer, self._live = viewer, live
        self._choices = LabelsMenu(self)
        self._choices.setToolTipsVisible(True)
        self.setMenu(self._choices)
        self.setToolTip(
            "Begin with the labels of another layer, of Cellpose, StarDist or your own: they become the "
            "objects of the result, in one step that Undo takes back."
        )
        roomy(self)
        self._choices.aboutToShow.connect(self._fill)
        self._choices.chosen.connect(self._on_choice)
        live.begun.connect(self.offer)
        live.ended.connect(self.offer)
        events = viewer.layers.events
        self.connections: list[tuple[Any, Any]] = [
            (events.inserted, self.offer),
            (events.removed, self.offer),
        ]
        for event, callback in self.connections:
            event.connect(callback)
        self.setVisible(False)

    @property
    def others(self) -> list[Labels]:
        """The layers that can be taken, the topmost first."""
        follower = self._live.live_layer
        if follower is None:
            return []
        return [
            layer
            for layer in labels_layers(self._viewer)
            if layer is not follower.layer and places_on(layer, follower.layer) is not None
        ]

    def offer(self, event: Any = None) -> None:
        """Show the button where there is something to take."""
        self.setVisible(bool(self.others))

    def take(self, layer: Labels) -> None:
        """Make labels the objects of the result; what it had besides is removed."""
        follower = self._live.live_layer
        if follower is None:
            return
        labels, own = labels_on(layer, follower.layer), follower.layer.data.dtype
        if labels.dtype == np.bool_ or (labels.size and _fit(labels, own)):
            labels = labels.astype(own)
        follower.layer.data = labels
        self.taken.emit(f"The objects are those of {layer.name} now; Undo takes that back.")

    def _fill(self) -> None:
        self._choices.show_layers(self.others)

    def _on_choice(self, key: str) -> None:
        for layer in self.others:
            if str(layer.unique_id) == key:
                self.take(layer)
                return


def _fit(labels: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Tell whether a dtype can hold labels; those that are none are refused where edits are taken over."""
    return bool(labels.min() >= 0 and labels.max() <= np.iinfo(dtype).max)

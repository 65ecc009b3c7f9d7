"""Labels that are there already, to be mended without a run: a button while there is no result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.layers.resample import ResultPlace, places_on, reader_on
from napari_sam2_automask._napari.mend.labels_menu import LabelsMenu, labels_layers
from napari_sam2_automask._napari.run.request import Start
from napari_sam2_automask.errors import AutomaskError

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.image.panel import ImagePanel
    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask._napari.live.panel import LivePanel

__all__ = ["StartLabels", "start_of"]


class StartLabels(QPushButton):
    """Offers the Labels layers that lie on the image; hidden where there is none, or a result.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are offered.
    images : ImagePanel
        Which image they have to lie on.
    live : LivePanel
        Follows the result, if there is one.

    Attributes
    ----------
    wanted : Qt signal
        Emits the layer that a person chose.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    wanted = Signal(object)

    def __init__(self, viewer: Viewer, images: ImagePanel, live: LivePanel) -> None:
        super().__init__("Mend labels")
        self._viewer, self._images, self._live = viewer, images, live
        self._choices = LabelsMenu(self)
        self.setToolTip(
            "Put the labels of a layer right, of Cellpose, StarDist or your own, without a run: they are "
            "copied into a result. The model is loaded only if you ask it for what is missing."
        )
        self.clicked.connect(self._on_click)
        self._choices.chosen.connect(self._on_choice)
        images.changed.connect(self.offer)
        live.begun.connect(self.offer)
        live.ended.connect(self.offer)
        events = viewer.layers.events
        self.connections: list[tuple[Any, Any]] = [
            (events.inserted, self.offer),
            (events.removed, self.offer),
        ]
        for event, callback in self.connections:
            event.connect(callback)
        self.offer()

    @property
    def others(self) -> list[Labels]:
        """The layers that can be mended, the topmost first."""
        layers = labels_layers(self._viewer)
        if not layers or self._live.live_layer is not None or self._images.layer is None:
            return []
        try:
            source = self._images.source()
        except AutomaskError:  # which Run would say
            return []
        if source.other_axes and not self._live.isHidden():  # its result shows another plane
            return []
        target = ResultPlace(source)
        return [layer for layer in layers if places_on(layer, target) is not None]

    def offer(self, event: Any = None) -> None:
        """Show the button where there is something to mend; of several layers it has a menu."""
        layers = self.others
        self.setVisible(bool(layers))
        self._choices.show_layers(layers)
        self.setMenu(self._choices if len(layers) > 1 else None)

    def _on_choice(self, key: str) -> None:
        for layer in self.others:
            if str(layer.unique_id) == key:
                self.wanted.emit(layer)
                return

    def _on_click(self) -> None:
        for layer in self.others[:1]:
            self.wanted.emit(layer)


def start_of(layer: Labels, source: ImageSource) -> Start:
    """Return the labels of a layer that lies on an image, to begin with."""
    return Start(layer.name, str(layer.unique_id), reader_on(layer, ResultPlace(source)))

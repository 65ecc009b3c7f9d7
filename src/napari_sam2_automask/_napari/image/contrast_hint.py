"""A warning where the contrast limits waste the range of the image, with the button that mends it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_sam2_automask._napari.common.errands import Errands
from napari_sam2_automask._napari.common.layout import roomy, small
from napari_sam2_automask._napari.common.listening import listen
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.place import level_count, level_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.image.panel import ImagePanel

__all__ = ["ContrastHint", "share_used"]

#: A range of which the image uses less than this share is wasted: the model sees little more than gray.
LEAST = 0.15
#: So many pixels of a plane are looked at, at most along each axis.
LOOK = 512
#: Milliseconds that the choices have to rest before the image is looked at.
WAIT = 300


class ContrastHint(QWidget):
    """Hidden unless the limits are far wider than what the image holds.

    Parameters
    ----------
    images : ImagePanel
        Chooses image and contrast.

    Attributes
    ----------
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    def __init__(self, images: ImagePanel) -> None:
        super().__init__()
        self._images = images
        self._layer: Any = None
        self._errands = Errands(self)
        self.connections: list[tuple[Any, Any]] = []
        self.message, self.button = small(QLabel()), QPushButton("Percentiles")
        self.button.setToolTip("Take the 0.5 and 99.5 percentiles of each plane as black and white.")
        roomy(self.button)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.message, 1)
        row.addWidget(self.button)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT)
        self._timer.timeout.connect(self._look)
        self.button.clicked.connect(images.take_percentiles)
        images.changed.connect(self._follow)
        self.setVisible(False)
        self._follow()

    def _follow(self) -> None:
        """Look at the image chosen now, and again when its limits are moved."""
        layer = unwrapped(self._images.layer)
        if layer is not self._layer:
            listen(self.connections, () if layer is None else (layer.events.contrast_limits,), self._later)
            self._layer = layer
            self.setVisible(False)
        self._later()

    def _later(self, event: Any = None) -> None:
        self._timer.start()

    def _look(self) -> None:
        layer = self._layer
        if layer is None or layer.rgb or self._images.contrast != "layer" or self._images.channels.how:
            self.setVisible(False)
            return
        data = level_data(layer, level_count(layer) - 1)
        limits = tuple(float(limit) for limit in layer.contrast_limits)
        work = partial(_sample, data)
        self._errands.send(
            lambda: share_used(work(), limits), partial(self._tell, layer, limits), lambda error: None
        )

    def _tell(self, layer: Any, limits: tuple[float, ...], share: float) -> None:
        if layer is not self._layer or limits != tuple(layer.contrast_limits):
            return  # another look is under way
        self.message.setText(f"The image uses {max(0.01, share):.0%} of the contrast limits.")
        self.setVisible(0 < share < LEAST)


def share_used(sample: NDArray[Any], limits: tuple[float, ...]) -> float:
    """Return which share of the limits lies between the 0.5 and 99.5 percentiles of an image."""
    values = np.asarray(sample, np.float64).ravel()
    values = values[np.isfinite(values)]
    if not len(values) or limits[1] <= limits[0]:
        return 0.0
    low, high = np.clip(np.percentile(values, (0.5, 99.5)), limits[0], limits[1])
    return float((high - low) / (limits[1] - limits[0]))


def _sample(data: Any) -> NDArray[Any]:
    """Read some pixels of the plane in the middle."""
    index = tuple(length // 2 for length in data.shape[:-2])
    steps = tuple(slice(None, None, max(1, length // LOOK)) for length in data.shape[-2:])
    return np.asarray(data[(*index, *steps)])

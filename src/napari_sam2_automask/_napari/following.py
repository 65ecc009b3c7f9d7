"""A result that follows the settings: begun with a run's end, told into the layer when the sliders rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.layout import Signal
from napari_sam2_automask._napari.live_layer import LiveLayer, retell
from napari_sam2_automask._napari.live_table import live_table
from napari_sam2_automask._napari.thread import inference_thread

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam2_automask._napari.controller import Finished
    from napari_sam2_automask._napari.live_panel import LivePanel
    from napari_sam2_automask._napari.outcome import Outcome
    from napari_sam2_automask._napari.thread import Run
    from napari_sam2_automask.settings import AmgSettings

__all__ = ["Following"]

#: How often a table that is being made is looked for, in milliseconds.
POLL_INTERVAL = 40


class Following(QObject):
    """Keeps the last result, its features and its record in step with the settings.

    Parameters
    ----------
    panel : LivePanel
        What moves the settings.

    Attributes
    ----------
    finished : Finished or None
        The run that is followed.
    told : Qt signal
        Features and record of the layer fit what it shows.
    """

    told = Signal()

    def __init__(self, panel: LivePanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self.finished: Finished | None = None
        self._making: tuple[Run[Any], LiveLayer, AmgSettings] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)
        panel.settled.connect(self._on_settled)

    def begin(self, finished: Finished, outcome: Outcome, layer: Labels) -> None:
        """Let a result follow the settings from now on."""
        self.end()
        if outcome.live is None:
            return
        self.finished = finished
        settings = finished.request.settings
        follower = LiveLayer(outcome.live, layer, finished.request.window, settings)
        self._panel.begin(follower, settings)

    def end(self) -> None:
        """Follow nothing any more."""
        self._timer.stop()
        if self._making is not None:
            self._making[0].cancel()
        self._making = self.finished = None
        self._panel.end()

    def _on_settled(self, settings: AmgSettings) -> None:
        """Have the table made by another thread, from what the layer shows now."""
        follower, finished = self._panel.live_layer, self.finished
        if follower is None or finished is None:
            return
        request, source = finished.request, finished.request.source
        labels = follower.window(np.asarray(follower.layer.data)).copy()
        names = [name for name in follower.layer.features if str(name).startswith("area_")]
        pixel_area = (names[0], source.pixel_size[0] * source.pixel_size[1]) if names else None
        index, region = request.indices[0], request.region

        def make(progress: Any) -> Any:
            image = source.plane(index)
            image = image if region is None else region.cut(image)
            measured = image if source.channels is None else None
            table = live_table(labels, follower.candidates, settings, image=measured, pixel_area=pixel_area)
            request.measure(table, labels, image)
            return table if region is None else region.shifted(table)

        self._making = inference_thread().submit(make), follower, settings
        self._timer.start()

    def _poll(self) -> None:
        if self._making is None or not self._making[0].finished:
            return
        self._timer.stop()
        (run, follower, settings), self._making = self._making, None
        if follower is not self._panel.live_layer or self.finished is None:
            return
        try:
            follower.layer.features = run.result()
        except Exception:  # an image that cannot be read any more: the labels are right without their table
            return
        retell(follower, self.finished, settings)
        self.told.emit()

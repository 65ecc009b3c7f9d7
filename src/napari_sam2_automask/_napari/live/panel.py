"""What shows under the preset after a run: how the settings select, while they are moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.histogram import Histogram
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.live.live_work import LiveWork
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["LivePanel"]

#: Milliseconds without a change after which features follow, and how many settings undo remembers.
SETTLED = 300
REMEMBERED = 100
BEFORE = "Before (as it ran)"
LEVELS_WAIT = "The layers of the levels follow when the sliders rest."


class LivePanel(QWidget):
    """Histograms, counts, before and after, undo; hidden until a run has left candidates.

    Attributes
    ----------
    settings_wanted : Qt signal
        Emits settings that the form should show: by undo, or before and after.
    run_wanted : Qt signal
        A person wants another run, because the candidates cannot answer.
    settled : Qt signal
        Emits the settings shown when nothing has changed for a while.
    begun, ended : Qt signals
        A layer follows from now on, or none any more.
    """

    settings_wanted = Signal(object)
    run_wanted = Signal()
    settled = Signal(object)
    begun, ended = Signal(), Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layer: LiveLayer | None = None
        self._history: list[AmgSettings] = []
        self._ran: AmgSettings | None = None
        self._shown: AmgSettings | None = None
        self._pending: AmgSettings | None = None
        self.count, self.removed, self.message = QLabel(), QLabel(), QLabel()
        self.quality = Histogram("Predicted IoU")
        self.stability = Histogram("Stability")
        self.before = QPushButton(BEFORE)
        self.undo = QPushButton("Undo")
        self.again = QPushButton("Run with these")
        self._lay_out()
        self._work = LiveWork(self)
        self._work.shown.connect(self._on_shown)
        self._work.refused.connect(self._on_refused)
        self._next, self._rest = QTimer(self), QTimer(self)
        for timer, wait, then in ((self._next, 0, self._update), (self._rest, SETTLED, self._settle)):
            timer.setSingleShot(True)
            timer.setInterval(wait)
            timer.timeout.connect(then)
        self.before.setCheckable(True)
        self.before.toggled.connect(self._compare)
        self.undo.clicked.connect(self._undo)
        self.again.clicked.connect(self.run_wanted)
        self.setVisible(False)

    @property
    def live_layer(self) -> LiveLayer | None:
        """The layer that follows, if there is one."""
        return self._layer

    @property
    def shown(self) -> AmgSettings | None:
        """The settings that the layer shows."""
        return self._shown

    def repaint_layer(self) -> None:
        """Show the same settings again, because objects were locked or released."""
        if self._layer is not None and self._shown is not None:
            self._work.follow(self._shown)

    def begin(self, layer: LiveLayer, settings: AmgSettings) -> None:
        """Follow a layer from the settings of its run on."""
        self.end()
        self._layer, self._ran, self._shown = layer, settings, settings
        self._history = [settings]
        self._work.begin(layer)
        self._say(None, settings)
        self._draw(settings, with_histograms=True)
        self.setVisible(True)
        self.begun.emit()

    def end(self) -> None:
        """Follow nothing any more."""
        for timer in (self._next, self._rest):
            timer.stop()
        self._layer, self._pending = None, None
        self._work.begin(None)
        self.setVisible(False)
        self.ended.emit()

    def follow(self, settings: AmgSettings) -> None:
        """Show other settings soon; of several that come at once the last counts."""
        if self._layer is not None:
            self._pending = settings
            self._next.start()

    def _lay_out(self) -> None:
        for label in (self.removed, self.message):
            label.setWordWrap(True)
            label.setStyleSheet("font-size: 11px;")
        self.count.setStyleSheet("font-weight: bold;")
        self.before.setToolTip("Press for the settings of the run, press again for yours.")
        self.undo.setToolTip("Go back to the settings before the last change.")
        self.again.setToolTip("The stored candidates cannot answer for these settings; run the model again.")
        self.again.setVisible(False)
        self.message.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.count, self.removed, self.quality, self.stability, self.message, self.again):
            layout.addWidget(part)
        buttons = QHBoxLayout()
        for button in (self.before, self.undo):
            buttons.addWidget(button)
        layout.addLayout(buttons)

    def _update(self) -> None:
        settings, self._pending = self._pending, None
        if self._layer is None or settings is None:
            return
        if settings == self._shown and not self._work.busy:
            self._say(None, settings)
            return
        self._rest.stop()
        self._work.follow(settings)

    def _on_shown(self, settings: AmgSettings) -> None:
        before, self._shown = self._shown, settings
        self._say(None, settings)
        if not self.before.isChecked() and settings != self._history[-1]:
            self._history = [*self._history[-REMEMBERED:], settings]
        moved = before is None or (before.stability_score_offset, before.mask_threshold) != (
            settings.stability_score_offset,
            settings.mask_threshold,
        )
        self._draw(settings, with_histograms=moved)
        self._rest.start()

    def _on_refused(self, settings: AmgSettings, reason: str) -> None:
        self._say(reason, settings)
        self._rest.start()

    def _say(self, reason: str | None, settings: AmgSettings) -> None:
        """Say why another run is needed, or what does not follow at once."""
        text = reason or (LEVELS_WAIT if settings.overlap == ALL_LEVELS else "")
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.again.setVisible(reason is not None)

    def _draw(self, settings: AmgSettings, *, with_histograms: bool) -> None:
        assert self._layer is not None
        objects = self._layer.objects
        locked = len(self._layer.locked)
        shown = f"{len(objects)} objects of {len(self._layer.candidates)} candidates"
        self.count.setText(shown + (f", {locked} of them locked" if locked else ""))
        parts = [f"{name} {count:,}" for name, count in self._layer.removed.items() if count > 0]
        self.removed.setText("Removed: " + ", ".join(parts) if parts else "")
        if with_histograms:
            self.quality.show_counts(*self._layer.live.histogram("predicted_iou", settings))
            self.stability.show_counts(*self._layer.live.histogram("stability_score", settings))
        self.quality.show_threshold(settings.pred_iou_thresh)
        self.stability.show_threshold(settings.stability_score_thresh)
        self.undo.setEnabled(len(self._history) > 1)

    def _settle(self) -> None:
        if self._layer is not None and self._shown is not None:
            self.settled.emit(self._shown)

    def _compare(self, before: bool) -> None:
        wanted = self._ran if before else self._history[-1]
        self.before.setText("Back to mine" if before else BEFORE)
        self.settings_wanted.emit(wanted)

    def _undo(self) -> None:
        if len(self._history) > 1:
            self._history.pop()
            self.settings_wanted.emit(self._history[-1])

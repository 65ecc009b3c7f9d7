"""What shows first after a run: how many objects there are, and the sliders that select them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.common.layout import Signal, roomy
from napari_sam2_automask._napari.live.live_work import LiveWork
from napari_sam2_automask._napari.live.sliders import Sliders
from napari_sam2_automask._napari.live.why_missing import count_words, why_missing
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["LivePanel"]

#: Milliseconds without a change after which features follow, and how many settings undo remembers.
SETTLED = 300
REMEMBERED = 100
LEVELS_WAIT = "The layers of the levels follow when the sliders rest."


class LivePanel(QWidget):
    """The count, the sliders, before and after, undo; hidden until a run has left candidates.

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
    drawn : Qt signal
        The layer shows something else.
    """

    settings_wanted = Signal(object)
    run_wanted = Signal()
    settled = Signal(object)
    begun, ended, drawn = Signal(), Signal(), Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layer: LiveLayer | None = None
        self._history: list[AmgSettings] = []
        self._ran: AmgSettings | None = None
        self._shown: AmgSettings | None = None
        self._pending: AmgSettings | None = None
        self._asked: AmgSettings | None = None
        self.count, self.removed, self.message = QLabel(), QLabel(), QLabel()
        self.sliders = Sliders()
        self.missing = Fold("Why are some missing?", "What each filter removed.")
        self.before = QPushButton("Before")
        self.undo = QPushButton("Undo")
        self.again = QPushButton("Run again")
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
        self.sliders.wanted.connect(self._on_slider)
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
        self._layer, self._ran, self._shown, self._asked = layer, settings, settings, settings
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
            self._pending = self._asked = settings
            self._next.start()

    def _lay_out(self) -> None:
        for label in (self.removed, self.message):
            label.setWordWrap(True)
        self.missing.addWidget(self.removed)
        self.count.setStyleSheet("font-weight: bold;")
        self.before.setToolTip("Press for the result as it ran, press again for yours.")
        self.undo.setToolTip("Go back to the settings before the last change.")
        self.again.setToolTip("What is stored of this run cannot answer for these settings: ask the model.")
        roomy(self.before, self.undo)
        self.again.setVisible(False)
        self.message.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        head = QHBoxLayout()
        head.addWidget(self.count, 1)
        for button in (self.before, self.undo):
            head.addWidget(button)
        layout.addLayout(head)
        for part in (self.message, self.again, self.sliders, self.missing):
            layout.addWidget(part)

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
        self.count.setText(count_words(len(objects), locked))
        self.count.setToolTip(f"Chosen from {len(self._layer.candidates):,} masks that the run has left.")
        self.removed.setText(why_missing(self._layer.removed))
        if with_histograms:
            self.sliders.show_candidates(self._layer.live, settings)
        self.sliders.show_settings(settings)
        self.undo.setEnabled(len(self._history) > 1)
        self.drawn.emit()

    def _on_slider(self, changes: dict[str, Any]) -> None:
        if self._asked is not None:
            self.before.blockSignals(True)  # who moves a slider goes on from what shows
            self.before.setChecked(False)
            self.before.setText("Before")
            self.before.blockSignals(False)
            self.settings_wanted.emit(self._asked.adjusted(**changes))

    def _settle(self) -> None:
        if self._layer is not None and self._shown is not None:
            self.settled.emit(self._shown)

    def _compare(self, before: bool) -> None:
        wanted = self._ran if before else self._history[-1]
        self.before.setText("Mine" if before else "Before")
        self.settings_wanted.emit(wanted)

    def _undo(self) -> None:
        if len(self._history) > 1:
            self._history.pop()
            self.settings_wanted.emit(self._history[-1])

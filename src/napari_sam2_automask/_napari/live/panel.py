"""What shows first after a run: how many objects there are, and the sliders that select them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.common.layout import Signal, roomy, small
from napari_sam2_automask._napari.live.edit_watch import EditWatch
from napari_sam2_automask._napari.live.live_work import LiveWork
from napari_sam2_automask._napari.live.sliders import Sliders
from napari_sam2_automask._napari.live.why_missing import count_words, why_missing
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.live.live_layer import Act, LiveLayer
    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["LivePanel"]

T = TypeVar("T")

#: Milliseconds without a change after which features follow: of sliders, which may be moved on, and of mends.
SETTLED = 300
MENDED = 20
EVERYWHERE = "These settings in all planes"
NO_RUN = "No model was run here. Run finds masks to choose from, and keeps these objects as they are."
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
    mended : Qt signal
        Emits what was done to objects (`Done`), once the layer shows it.
    not_mended : Qt signal
        Emits why an action on objects cannot be done, in a sentence.
    begun, ended : Qt signals
        A layer follows from now on, or none any more.
    drawn : Qt signal
        The layer shows something else.
    everywhere_wanted : Qt signal
        Emits settings that all planes of the stack are to follow.
    switched : Qt signal
        Another plane of the stack follows from now on, or none for now.
    passed : Qt signal
        Emits a plane of a stack (`LiveLayer`) in which something was done after another one was shown.
    misfit : Qt signal
        The layer has labels of another shape now.
    edited_anywhere, through : Qt signals
        Other planes of the stack than the one that follows may have been edited; `through` tells it at once.
    """

    settings_wanted = Signal(object)
    run_wanted = Signal()
    settled = Signal(object)
    mended, not_mended = Signal(object), Signal(str)
    begun, ended, drawn, misfit, edited_anywhere = Signal(), Signal(), Signal(), Signal(), Signal()
    switched, passed, everywhere_wanted, through = Signal(), Signal(object), Signal(object), Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layer: LiveLayer | None = None
        self._mine: AmgSettings | None = None
        self._dragged = False
        self._ran: AmgSettings | None = None
        self._shown: AmgSettings | None = None
        self._pending: AmgSettings | None = None
        self._asked: AmgSettings | None = None
        # However many objects there are, the dock is no wider: there is room beside its scroll bar.
        self.count, self.removed, self.message = small(QLabel()), QLabel(), QLabel()
        self.sliders = Sliders()
        self.missing = Fold("Why are some missing?", "What each filter removed.")
        self.before = QPushButton("Before")
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        self.again = QPushButton("Run again")
        self.everywhere, self.kept = QPushButton(EVERYWHERE), small(QLabel())
        self._lay_out()
        self._work = LiveWork(self)
        self._work.passed.connect(self.passed)
        self._work.shown.connect(self._on_shown)
        self._work.refused.connect(self._on_refused)
        self._work.mended.connect(self._on_mended)
        self._work.failed.connect(self._on_failed)
        self._edits = EditWatch(self)
        self._edits.edited.connect(self._on_edited)
        self._edits.edited_anywhere.connect(self.edited_anywhere)
        self._edits.through.connect(self.through)
        self._next, self._rest = QTimer(self), QTimer(self)
        for timer, wait, then in ((self._next, 0, self._update), (self._rest, SETTLED, self._settle)):
            timer.setSingleShot(True)
            timer.setInterval(wait)
            timer.timeout.connect(then)
        self.before.setCheckable(True)
        self.before.toggled.connect(self._compare)
        self.sliders.wanted.connect(self.want)
        self.undo.clicked.connect(self.undo_last)
        self.redo.clicked.connect(self.redo_last)
        self.again.clicked.connect(self.run_wanted)
        self.everywhere.clicked.connect(self._on_everywhere)
        self.setVisible(False)

    @property
    def live_layer(self) -> LiveLayer | None:
        """The layer that follows, if there is one."""
        return self._layer

    @property
    def unsettled(self) -> bool:
        """Whether the layer shows something that was not told in its table and record yet."""
        return self._rest.isActive()

    @property
    def shown(self) -> AmgSettings | None:
        """The settings that the layer shows."""
        return self._shown

    @property
    def asked(self) -> AmgSettings | None:
        """The settings that were asked for last; the layer shows them soon."""
        return self._asked

    @property
    def work(self) -> LiveWork:
        """What does the work, on a thread of its own."""
        return self._work

    def mend(self, act: Act) -> None:
        """Do something to the objects, see `LiveWork.mend`; `mended` or `not_mended` tells the end."""
        self._work.mend(act)

    def look(self, ask: Callable[[Mends], T], then: Callable[[T | AutomaskError], None]) -> None:
        """Ask something of the mends that changes nothing, such as a preview, see `LiveWork.look`."""
        self._work.look(ask, then)

    def undo_last(self) -> None:
        """Take the last step back, whether settings, a mend, paint or a change of links."""
        if self._layer is not None:
            self._work.mend(self._layer.undo)

    def redo_last(self) -> None:
        """Do the step again that was taken back last."""
        if self._layer is not None:
            self._work.mend(self._layer.redo)

    def begin(self, layer: LiveLayer, settings: AmgSettings) -> None:
        """Follow a layer from the settings of its run on."""
        self.end()
        self._layer, self._ran, self._shown, self._asked = layer, settings, settings, settings
        self._mine = settings
        self._work.begin(layer)
        self._edits.watch(layer.layer)
        for part in (self.sliders, self.before, self.everywhere):
            part.setEnabled(True)
        self.everywhere.setVisible(layer.plane is not None and layer.selects)
        for choice in (self.sliders, self.before, self.missing):
            choice.setVisible(layer.selects)
        self.kept.setVisible(False)
        self._say(None, settings)
        self._draw(settings, with_histograms=True)
        self.setVisible(True)
        self.begun.emit()

    def pause(self, reason: str) -> None:
        """Follow no plane of the stack for now, and say why."""
        self._wait(None)
        self.message.setText(reason)
        self.message.setVisible(True)
        self.again.setVisible(False)
        self.count.setText("")
        self.switched.emit()

    def switch(self, layer: LiveLayer) -> None:
        """Follow another plane of the stack, at its own settings."""
        self._wait(layer)
        settings = layer.shows.settings
        self._shown = self._asked = self._mine = settings
        self._edits.watch(layer.layer)
        self._say(None, settings)
        self._draw(settings, with_histograms=True)
        self.settings_wanted.emit(settings)
        self.switched.emit()
        self._work.take_edits()

    def _wait(self, layer: LiveLayer | None) -> None:
        """Let the plane be that follows; what is to be done in it is done."""
        if self._next.isActive():
            self._update()
        if self._rest.isActive():
            self._settle()
        for timer in (self._next, self._rest):
            timer.stop()
        self._pending = None
        self._edits.watch(None)
        self._work.go_on(layer)
        self._layer = layer
        for part in (self.sliders, self.before, self.undo, self.redo, self.everywhere):
            part.setEnabled(layer is not None)

    def end(self) -> None:
        """Follow nothing any more."""
        for timer in (self._next, self._rest):
            timer.stop()
        self._layer, self._pending = None, None
        self._work.begin(None)
        self._edits.watch(None)
        self.setVisible(False)
        self.ended.emit()

    def follow(self, settings: AmgSettings) -> None:
        """Show other settings soon; of several that come at once the last counts."""
        if self._layer is not None and self._layer.selects:
            self._pending = self._asked = settings
            self._next.start()

    def _lay_out(self) -> None:
        for label in (self.removed, self.message):
            label.setWordWrap(True)
        self.missing.addWidget(self.removed)
        self.count.setStyleSheet("font-weight: bold;")
        self.before.setToolTip("Press for the result as it ran, press again for yours.")
        self.undo.setToolTip("Take back what was done last: settings, a mend, a stroke, a change of links.")
        self.redo.setToolTip("Do again what was taken back.")
        self.again.setToolTip("What is stored of this run cannot answer for these settings: ask the model.")
        roomy(self.before, self.undo, self.redo)
        self.everywhere.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.everywhere.setToolTip("Let all planes follow these settings, under what was mended in each.")
        self.again.setVisible(False)
        self.message.setVisible(False)
        self.kept.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        head = QHBoxLayout()
        head.addWidget(self.count, 1)
        for button in (self.before, self.undo, self.redo):
            head.addWidget(button)
        layout.addLayout(head)
        for part in (self.message, self.again, self.sliders, self.everywhere, self.kept, self.missing):
            layout.addWidget(part)

    def _update(self) -> None:
        settings, self._pending = self._pending, None
        if self._layer is None or settings is None:
            return
        if settings == self._shown and not self._work.busy:
            self._say(None, settings)
            return
        self._rest.stop()
        # While a slider is drawn, its settings are one step of the history.
        pressed = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        self._work.follow(settings, join=pressed and self._dragged)
        self._dragged = pressed

    def _on_shown(self, settings: AmgSettings) -> None:
        before, self._shown = self._shown, settings
        self._say(None, settings)
        if not self.before.isChecked():
            self._mine = settings
        moved = before is None or (before.stability_score_offset, before.mask_threshold) != (
            settings.stability_score_offset,
            settings.mask_threshold,
        )
        self._draw(settings, with_histograms=moved)
        self._rest.start(SETTLED if settings != before else MENDED)

    def _on_mended(self, done: Done) -> None:
        self.mended.emit(done)
        if self._shown is not None and self._shown != self._asked:
            self.settings_wanted.emit(self._shown)  # undo and redo move the form, too

    def _on_failed(self, reason: str) -> None:
        self.not_mended.emit(reason)
        self._rest.start(MENDED)

    def _on_edited(self) -> None:
        if self._layer is not None and not self._layer.fits:
            self.misfit.emit()
            return
        self._work.take_edits()

    def _on_refused(self, settings: AmgSettings, reason: str) -> None:
        self._say(reason, settings)
        self._rest.start()

    def _say(self, reason: str | None, settings: AmgSettings) -> None:
        """Say why another run is needed, or what does not follow at once."""
        text = reason or (LEVELS_WAIT if settings.overlap == ALL_LEVELS else "")
        if self._layer is not None and not self._layer.selects:
            text = NO_RUN
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.again.setVisible(reason is not None)

    def _draw(self, settings: AmgSettings, *, with_histograms: bool) -> None:
        assert self._layer is not None
        objects = self._layer.objects
        here = "" if self._layer.plane is None else "In this plane. "
        self.count.setText(count_words(len(objects)))
        chosen = f"{here}Chosen from {len(self._layer.candidates):,} masks that the run has left."
        self.count.setToolTip(chosen if self._layer.selects else "")
        self.removed.setText(why_missing(self._layer.removed))
        if with_histograms and self._layer.selects:
            self.sliders.show_candidates(self._layer.live, settings)
        self.sliders.show_settings(settings)
        self.undo.setEnabled(self._layer.shows.next_undo is not None)
        self.redo.setEnabled(self._layer.shows.next_redo is not None)
        self.drawn.emit()

    def want(self, changes: dict[str, Any]) -> None:
        """Change settings, by name, as a person does who moves a slider."""
        if self._asked is not None:
            self.before.blockSignals(True)  # who moves a slider goes on from what shows
            self.before.setChecked(False)
            self.before.setText("Before")
            self.before.blockSignals(False)
            self.settings_wanted.emit(self._asked.adjusted(**changes))

    def say_left(self, planes: int) -> None:
        """Say in how many planes something is yet to be done."""
        self.everywhere.setText(f"{planes:,} planes left: stop" if planes else EVERYWHERE)

    def say_kept(self, on_disk: int, planes: int) -> None:
        """Say of how many planes of a stack what was found lies on the disk."""
        self.kept.setText(f"What was found in {on_disk:,} of {planes:,} planes is kept on the disk.")
        self.kept.setToolTip("The memory for the planes of a stack is one of the preferences.")
        self.kept.setVisible(on_disk > 0)

    def _on_everywhere(self) -> None:
        if self._shown is not None:
            self.everywhere_wanted.emit(self._shown)

    def _settle(self) -> None:
        if self._layer is not None and self._shown is not None:
            self.settled.emit(self._shown)

    def _compare(self, before: bool) -> None:
        wanted = self._ran if before else self._mine
        self.before.setText("Mine" if before else "Before")
        self.settings_wanted.emit(wanted)

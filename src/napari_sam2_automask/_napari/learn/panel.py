"""Learn from these: labels of open images, a name, a time, and a button."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2_automask._napari.common.inference_thread import learning_thread, torch_threads
from napari_sam2_automask._napari.common.layout import Signal, choice_form, choice_label, small
from napari_sam2_automask._napari.common.preferences import preference, use_preferences
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.learn.examples import Example, labels_in, take_example, task_of
from napari_sam2_automask._napari.learn.row import ExampleRow
from napari_sam2_automask._napari.learn.words import Words, learned_words
from napari_sam2_automask._napari.run.controller import explain
from napari_sam2_automask.errors import AutomaskError, LearningError, ModelError
from napari_sam2_automask.learning.own_process import learn_in_own_process
from napari_sam2_automask.models.catalogue.registry import list_models, own_path
from napari_sam2_automask.progress import Cancelled, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.viewer import Viewer

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.image.panel import ImagePanel
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.settings.model_choice import ModelChoice
    from napari_sam2_automask.learning.own_process import Learned

__all__ = ["LearnPanel"]

#: How often learning is looked at, in milliseconds.
POLL_INTERVAL = 100
MINUTES = (0.5, 600.0, 5.0)
LONGEST_NAME = 40
HINT = (
    "Fits the small model to your images, from labels that you mended or painted. Ten objects and more; a "
    "second image that differs helps more than more of the same."
)


class LearnPanel(QWidget):
    """The list of labels, the choices, a button, and how it goes.

    Parameters
    ----------
    viewer : Viewer
        Whose labels are learned from.
    images : ImagePanel
        Which says how the model sees an image.
    models : ModelChoice
        Where the new model is to be.
    live : LivePanel
        Which knows what was just mended.

    Attributes
    ----------
    told : Qt signal
        Emits a word on how it goes.
    wanted : Qt signal
        Emits the name of a model that a person wants to use.
    """

    told, wanted = Signal(str), Signal(str)

    def __init__(self, viewer: Viewer, images: ImagePanel, models: ModelChoice, live: LivePanel) -> None:
        super().__init__()
        self._viewer, self._images, self._models, self._live = viewer, images, models, live
        self._run: Run[Learned] | None = None
        self._words = Words()
        self._named = ""
        self.rows: list[ExampleRow] = []
        self.hint, self.message = small(QLabel(HINT)), small(QLabel())
        self.base, self.minutes, self.name = QComboBox(), QDoubleSpinBox(), QLineEdit()
        self.button, self.use, self.bar = (
            QPushButton("Learn"),
            QPushButton("Use the new model"),
            QProgressBar(),
        )
        self._list = QVBoxLayout()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._lay_out()
        self._timer.timeout.connect(self._poll)
        self.button.clicked.connect(self._on_button)
        self.use.clicked.connect(lambda: self.wanted.emit(self._named))
        events = viewer.layers.events
        self.connections: list[tuple[Any, Any]] = [
            (event, self.refresh) for event in (events.inserted, events.removed, events.reordered)
        ]
        for event, callback in self.connections:
            event.connect(callback)
        self.refresh()

    def _lay_out(self) -> None:
        for label in (self.hint, self.message):
            label.setStyleSheet("font-size: 11px;")
        self.base.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.base.setToolTip("The model to begin with: the bundled one, or one that was learned before.")
        self.minutes.setRange(*MINUTES[:2])
        self.minutes.setValue(MINUTES[2])
        self.minutes.setDecimals(1)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip(
            "About how long it may take. It ends earlier where nothing gets better, and the viewer can be "
            "used meanwhile."
        )
        self.name.setToolTip("What the new model is called in the list of models.")
        for part, name in ((self.base, "Learn from model"), (self.minutes, "Minutes"), (self.name, "Name")):
            part.setAccessibleName(name)
        form = choice_form()
        form.addRow(choice_label("From"), self.base)
        form.addRow(choice_label("Time"), self.minutes)
        form.addRow(choice_label("Name"), self.name)
        self._list.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        layout.addLayout(self._list)
        layout.addLayout(form)
        for shown in (self.bar, self.message, self.button, self.use):
            layout.addWidget(shown)
        self.bar.setFormat("%v / %m")
        for hidden in (self.bar, self.message, self.use):
            hidden.setVisible(False)
        self._offer_learn()

    # -- choices

    def refresh(self, event: Any = None) -> None:
        """Look again which layers and models there are."""
        layers = [unwrapped(layer) for layer in self._viewer.layers]
        images = [layer for layer in reversed(layers) if isinstance(layer, Image)]
        there = {id(row.labels): row for row in self.rows}
        rows: list[ExampleRow] = []
        for labels in labels_in(layers):
            row = there.pop(id(labels), None) or self._new_row(ExampleRow(labels))
            row.offer(layers, images)
            self._list.insertWidget(len(rows), row)
            rows.append(row)
        for row in there.values():
            self._list.removeWidget(row)
            row.deleteLater()
        self.rows = rows
        chosen = self.base.currentData() or self._models.model
        self.base.clear()
        for entry in list_models():
            if entry.is_bundled or entry.is_own:
                self.base.addItem(entry.title, entry.name)
        self.base.setCurrentIndex(max(0, self.base.findData(chosen)))
        self._suggest()

    def _new_row(self, row: ExampleRow) -> ExampleRow:
        row.changed.connect(self._suggest)
        return row

    def _suggest(self) -> None:
        """Suggest a name that no model has, unless a person gave one."""
        if self.name.text() and self.name.isModified():
            return
        images = [row.chosen_image for row in self.rows if row.check.isChecked()]
        first = next((image.name for image in images if image is not None), "my images")
        plain = re.sub(r"[^\w +-]+", " ", first).strip(" _+-")[:LONGEST_NAME].strip() or "my images"
        name, number = f"{plain} learned", 1
        with suppress(ModelError):  # no such home; said when learning is asked for
            while own_path(name).exists():
                number += 1
                name = f"{plain} learned {number}"
        self.name.setText(name)

    # -- learning

    def _on_button(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self.button.setText("Stopping ...")
            self.button.setEnabled(False)
            return
        self.refresh()
        use_preferences()
        try:
            work = self._work()
        except AutomaskError as error:
            self._say(explain(error))
            return
        self._words, self._run = Words(), learning_thread().submit(work)
        self.use.setVisible(False)
        self.button.setText("Stop")
        self.button.setToolTip("Stop; the best model so far is kept.")
        self.bar.setVisible(True)
        self._timer.start()
        self._show()

    def _work(self) -> Callable[[Callable[[Progress], None]], Learned]:
        """Return the work of learning from what is chosen; takes note of everything, and reads no pixels."""
        name = self.name.text().strip()
        if own_path(name).exists():
            raise LearningError(f"there is a model {name!r} already: choose another name")
        rows = [row for row in self.rows if row.check.isChecked()]
        if not rows:
            raise LearningError(
                "no labels are chosen: mend a result, or paint objects in a Labels layer, and check it above"
            )
        return partial(
            _learn,
            [self._example(row) for row in rows],
            name=name,
            base=str(self.base.currentData()),
            minutes=float(self.minutes.value()),
            device=self._models.device,
            threads=preference("threads") or torch_threads(),
        )

    def _example(self, row: ExampleRow) -> Example:
        image, follower = row.chosen_image, self._live.live_layer
        if image is None:
            raise LearningError(f"the labels {row.labels.name!r} have no image: open it, and choose it there")
        locked = follower.locked if follower is not None and follower.layer is row.labels else ()
        source = self._images.source(image)
        return take_example(row.labels, image, source, self._images.contrast, row.chosen_complete, locked)

    def _poll(self) -> None:
        run = self._run
        if run is None:
            return
        if not run.finished:
            self._show()
            return
        self._timer.stop()
        self._run = None
        self._offer_learn()
        self.bar.setVisible(False)
        try:
            learned = run.result()
        except Cancelled:
            self._say("Stopped before anything was learned. Nothing was kept.")
        except Exception as error:
            self._say(explain(error))
        else:
            self._on_learned(learned)

    def _on_learned(self, learned: Learned) -> None:
        self._named = learned.path.stem
        self.use.setToolTip(f"Choose the model {self._named!r} for the next run.")
        self.use.setVisible(True)
        self._models.refresh()
        self.name.setModified(False)
        self.refresh()
        self._say(learned_words(learned), word="a new model is ready")

    def _offer_learn(self) -> None:
        self.button.setText("Learn")
        self.button.setEnabled(True)
        self.button.setToolTip(
            "Fit a model to these, in a process of its own. A part of each image is held back to see whether "
            "it helps."
        )

    def _show(self) -> None:
        run = self._run
        assert run is not None
        told = self._words.tell(run.latest)
        self.bar.setRange(0, max(1, told.total))
        self.bar.setValue(told.done)
        self._say(told.text, word=told.word)

    def _say(self, text: str, word: str = "") -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.told.emit(word)

    def close_down(self) -> None:
        """Look no more. What is being learned ends with the best so far, and is kept."""
        self._timer.stop()
        if self._run is not None:
            self._run.cancel()
        self._run = None


def _learn(examples: Sequence[Example], progress: Callable[[Progress], None], **more: Any) -> Learned:
    """Read the pixels and learn; on a thread that waits."""
    progress(Progress("load", 0, 1))
    return learn_in_own_process(task_of(examples, **more), progress)

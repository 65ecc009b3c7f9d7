"""Settings found from a few objects, which a person picked from the result or painted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.inference_thread import inference_thread
from napari_sam2_automask._napari.common.layout import Signal, roomy
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.resample import labels_on, places_on
from napari_sam2_automask._napari.run.controller import explain
from napari_sam2_automask._napari.tuning.pick_objects import Picking
from napari_sam2_automask._napari.tuning.search_plot import SearchPlot
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.evaluation.tuning import tune
from napari_sam2_automask.progress import Cancelled, Progress

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.evaluation.tuning import Tuning
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["TunePanel"]

#: How often a search is looked at, in milliseconds, and how long it may take, in seconds.
POLL_INTERVAL = 100
SECONDS = 8.0
PICKED = "Objects picked as good"
HINT = "Pick a few good objects, or paint some in a Labels layer of their own; then search."


class TunePanel(QWidget):
    """Shown with the live panel.

    Parameters
    ----------
    viewer : Viewer
        Whose Labels layers can hold the examples.
    live : LivePanel
        Whose candidates are searched.

    Attributes
    ----------
    settings_wanted : Qt signal
        Emits the settings found when a person applies them.
    """

    settings_wanted = Signal(object)

    def __init__(self, viewer: Viewer, live: LivePanel) -> None:
        super().__init__()
        self._viewer, self._live = viewer, live
        self._run: Run[Tuning] | None = None
        self.found: Tuning | None = None
        self._layers: list[Labels] = []
        self.picking = Picking(live)
        self.examples = QComboBox()
        self.search, self.apply = QPushButton("Find settings"), QPushButton("Apply")
        self.message, self.plot = QLabel(HINT), SearchPlot()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._lay_out()
        self._timer.timeout.connect(self._poll)
        self.search.clicked.connect(self._on_search)
        self.apply.clicked.connect(self._on_apply)
        self.connections: list[tuple[Any, Any]] = []
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._refresh)
            self.connections.append((event, self._refresh))
        live.begun.connect(self._begin)
        live.ended.connect(self._end)
        self.setVisible(False)

    def _lay_out(self) -> None:
        self.examples.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.examples.setToolTip(
            "Where the examples are: objects of the result that you picked, or a Labels layer in which you "
            "painted some. Each should be painted whole."
        )
        self.search.setToolTip(
            "Try settings on the stored candidates, for at most 8 seconds, and keep those that fit the "
            "examples best. Where the examples are of another size than the run was fitted to, the model "
            "runs once more, fitted to theirs."
        )
        self.apply.setToolTip("Set the parameters to what was found. Undo brings yours back.")
        self.message.setWordWrap(True)
        self.message.setStyleSheet("font-size: 11px;")
        roomy(self.search, self.apply)
        row = QHBoxLayout()
        row.addWidget(self.examples, 1)
        row.addWidget(self.search)
        row.addWidget(self.apply)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.picking)
        layout.addLayout(row)
        layout.addWidget(self.message)
        layout.addWidget(self.plot)
        self._show(None)

    def _begin(self) -> None:
        self._stop()
        self._show(None)
        self.message.setText(HINT)
        self._refresh()
        self.setVisible(True)

    def _end(self) -> None:
        self._stop()
        self.setVisible(False)

    def _refresh(self, event: Any = None) -> None:
        """List the Labels layers that could hold examples."""
        follower = self._live.live_layer
        if follower is None:
            return
        chosen = self.examples.currentIndex()
        before = self._layers[chosen - 1] if 0 < chosen <= len(self._layers) else None
        layers = [unwrapped(layer) for layer in self._viewer.layers]
        self._layers = [
            layer
            for layer in layers
            if isinstance(layer, Labels)
            and layer is not follower.layer
            and places_on(layer, follower.layer) is not None
        ]
        self.examples.clear()
        self.examples.addItems([PICKED, *(layer.name for layer in self._layers)])
        if before in self._layers:
            self.examples.setCurrentIndex(1 + self._layers.index(before))

    # -- searching

    def _on_search(self) -> None:
        if self._run is not None:
            self._run.cancel()
            return
        follower, settings = self._live.live_layer, self._live.shown
        if follower is None or settings is None:
            return
        try:
            labels, ids = self._given(follower)
        except CandidatesError as error:
            self.message.setText(plain(error))
            return
        work = partial(_search, follower, labels, ids, follower.own(follower.rejected), settings)
        self._run = inference_thread().submit(work)
        self._show(None)
        self.search.setText("Stop")
        self.message.setText("Searching ...")
        self._timer.start()

    def _given(self, follower: LiveLayer) -> tuple[NDArray[Any], list[int] | None]:
        """Return a label image with the examples in it, and which labels they are (None for all)."""
        chosen = self.examples.currentIndex()
        if chosen > 0:
            return follower.window(labels_on(self._layers[chosen - 1], follower.layer)), None
        ids = sorted(follower.accepted)
        if not ids:
            raise CandidatesError(
                "no object is picked: press Pick and click on a few good ones, or paint some"
            )
        return follower.window(np.asarray(follower.layer.data)).copy(), ids

    def _poll(self) -> None:
        run = self._run
        if run is None:
            return
        if not run.finished:
            latest = run.latest
            if latest is not None and latest.stage == "search":
                self.message.setText(f"Searching ... {latest.done} settings tried")
            elif latest is not None and latest.stage == "points":
                self.message.setText(
                    f"Running once more, fitted to the examples' size ... {latest.done:,} of "
                    f"{latest.total:,} points"
                )
            return
        self._stop()
        try:
            self._show(run.result())
        except Cancelled:
            self.message.setText("Stopped. Nothing was changed.")
        except Exception as error:
            self.message.setText(explain(error))

    def _stop(self) -> None:
        self._timer.stop()
        if self._run is not None:
            self._run.cancel()
        self._run = None
        self.search.setText("Find settings")

    def _show(self, found: Tuning | None) -> None:
        """Say what a search found, in words and as a plot."""
        self.found = found
        better = found is not None and found.best.score > found.start.score
        self.plot.setVisible(found is not None)
        self.apply.setVisible(better)
        if found is None:
            return
        self.plot.show_search(found)
        best, start, tried = found.best, found.start, len(found.trials)
        if not better:
            self.message.setText(f"{tried} settings tried: none fits better (F1 {start.f1:.2f}).")
            return
        changes = [
            f"{info.title} {_worded(getattr(start.settings, info.name))} → "
            f"{_worded(getattr(best.settings, info.name))}"
            for info in best.settings.fields()
            if getattr(best.settings, info.name) != getattr(start.settings, info.name)
        ]
        self.message.setText(
            f"{tried} settings tried. In the examples F1 {start.f1:.2f} → {best.f1:.2f}, overlap (IoU) "
            f"{start.mean_iou:.2f} → {best.mean_iou:.2f}: {'; '.join(changes)}."
            + (
                " This needs another run."
                if best.settings.object_diameter != start.settings.object_diameter
                else ""
            )
        )

    def _on_apply(self) -> None:
        if self.found is not None:
            self.settings_wanted.emit(self.found.best.settings)


def _search(
    follower: LiveLayer,
    labels: NDArray[Any],
    ids: list[int] | None,
    bad: tuple[int, ...],
    settings: AmgSettings,
    progress: Any,
) -> Tuning:
    """Search on the inference thread; a cancel acts between two trials."""

    def report(tried: int) -> None:
        progress(Progress("search", tried, 0))

    def again(changed: AmgSettings) -> Candidates:
        assert propose is not None
        return propose(changed, progress)

    report(0)
    propose = follower.live.again
    known = tuple(label for label in bad if label <= len(follower.candidates))
    return tune(
        follower.candidates,
        labels,
        ids=ids,
        bad=known,
        start=settings,
        again=None if propose is None else again,
        seconds=SECONDS,
        progress=report,
    )


def _worded(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

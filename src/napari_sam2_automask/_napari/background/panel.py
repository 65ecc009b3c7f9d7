"""Large images in the background: started, watched, stopped, picked up again, and opened when finished."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Labels as LabelsLayer
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.background.known_runs import KnownRun, as_lists
from napari_sam2_automask._napari.background.open_result import find_result, place_of
from napari_sam2_automask._napari.background.row import BackgroundRow
from napari_sam2_automask._napari.background.spec_of_request import default_output, large_spec
from napari_sam2_automask._napari.background.work import look_at, open_run, resume_run, start_run, stop_run
from napari_sam2_automask._napari.common.errands import Errands
from napari_sam2_automask._napari.common.garbage import CollectionsWait
from napari_sam2_automask._napari.common.layout import choice_label, roomy
from napari_sam2_automask._napari.layers.file_of_layer import file_of_layer
from napari_sam2_automask._napari.run.controller import explain
from napari_sam2_automask.files.web_address import is_web

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.background.known_runs import KnownRuns
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.large.background import Status

__all__ = ["BackgroundPanel"]

#: How often the runs are looked at while they show, in milliseconds.
WATCH_INTERVAL = 700
HINT = (
    "Tile by tile into an OME-Zarr, in a process of its own that goes on when napari is closed; with the "
    "model, preset and contrast chosen above."
)


class BackgroundPanel(QWidget):
    """Where to write, a button, and the list of runs.

    Parameters
    ----------
    viewer : Viewer
        Where results are opened.
    known : KnownRuns
        The runs that are remembered.
    request : callable
        Returns what Run would do now with an image of any size; may raise `AutomaskError`.
    layer : callable
        Returns the image chosen, if there is one.
    """

    def __init__(
        self,
        viewer: Viewer,
        known: KnownRuns,
        request: Callable[[], Request],
        layer: Callable[[], Image | None],
    ) -> None:
        super().__init__()
        self._viewer, self._known, self._request, self._layer = viewer, known, request, layer
        self._errands, self._collections = Errands(self), CollectionsWait()
        self.rows: list[BackgroundRow] = []
        self._own_output = False
        self._looking = False
        self.output = QLineEdit()
        self.browse, self.start = QPushButton("..."), QPushButton("Start in the background")
        self.message = QLabel(HINT)
        self._list = QVBoxLayout()
        self._timer = QTimer(self)
        self._timer.setInterval(WATCH_INTERVAL)
        self._lay_out()
        self._timer.timeout.connect(self._look)
        self.output.textEdited.connect(self._on_edited)
        self.browse.clicked.connect(self._on_browse)
        self.start.clicked.connect(self._on_start)

    def _lay_out(self) -> None:
        self.message.setWordWrap(True)
        self.message.setStyleSheet("font-size: 11px;")
        self.output.setPlaceholderText("an image from a file is needed")
        self.output.setToolTip("The OME-Zarr to write, with a table of the objects (CSV) beside it.")
        self.browse.setToolTip("Choose where to write.")
        self.start.setToolTip("Segment the whole image behind the layer; napari may be closed meanwhile.")
        roomy(self.browse)
        row = QHBoxLayout()
        row.addWidget(choice_label("Write to"))
        row.addWidget(self.output, 1)
        row.addWidget(self.browse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.message)
        layout.addLayout(row)
        layout.addWidget(self.start)
        layout.addLayout(self._list)

    # -- showing

    def watch(self, watching: bool) -> None:
        """Look at the runs from now on, or no more."""
        if not watching:
            self._timer.stop()
            return
        self.show_image()
        self._fill()
        self._look()
        self._timer.start()

    def show_image(self) -> None:
        """Offer a place for the labels of the image chosen now, unless a person chose one."""
        if self._own_output:
            return
        layer = self._layer()
        path = None if layer is None else file_of_layer(layer)
        if path is None or is_web(path):
            self.output.clear()
        else:
            self._errands.send(partial(default_output, path), self._offer, self._fail)

    def close_down(self) -> None:
        """Look at nothing any more. The runs go on."""
        self._timer.stop()
        self._errands.close()
        self._collections.end()

    def _offer(self, output: str) -> None:
        if not self._own_output:
            self.output.setText(output)

    def _fill(self) -> None:
        """Make a row for each run that is remembered."""
        kept = {row.run.output: row for row in self.rows}
        runs = self._known.all()
        for row in self.rows:
            if row.run not in runs:
                del kept[row.run.output]
                self._list.removeWidget(row)
                row.deleteLater()
        self.rows = []
        for run in runs:
            row = kept.get(run.output) or self._new_row(run)
            self._list.insertWidget(len(self.rows), row)
            self.rows.append(row)

    def _new_row(self, run: KnownRun) -> BackgroundRow:
        row = BackgroundRow(run)
        row.wanted.connect(lambda what: self._do(row, what))
        return row

    def _look(self) -> None:
        if self._looking or not self.rows:
            return
        self._looking = True
        outputs = [row.run.output for row in self.rows]
        self._errands.send(partial(look_at, outputs), self._show, self._on_unseen)

    def _show(self, found: dict[str, Status]) -> None:
        self._looking = False
        for row in self.rows:
            if row.run.output in found:
                row.show_status(found[row.run.output])

    def _on_unseen(self, error: BaseException) -> None:
        self._looking = False  # said here only: it would come again at every look
        self.message.setText(explain(error))

    # -- doing

    def _on_edited(self, text: str) -> None:
        self._own_output = bool(text.strip())

    def _on_browse(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Write labels to", self.output.text(), "OME-Zarr (*.zarr)"
        )
        if path:
            self._own_output = True
            self.output.setText(path)

    def _on_start(self) -> None:
        try:
            request = self._request()
            spec = large_spec(request, self.output.text().strip())
        except Exception as error:
            self._fail(error)
            return
        source = request.source
        run = KnownRun(spec.output, spec.image, source.shape, as_lists(source.transform), source.level)
        # Remembered before it is there: a viewer that is closed at this moment must not lose it.
        self._known.add(run)
        self.start.setEnabled(False)
        self.message.setText("Starting ...")
        self._errands.send(partial(start_run, spec, source), self._on_started, partial(self._on_refused, run))

    def _on_started(self, _: Any) -> None:
        self._own_output = False
        self.start.setEnabled(True)
        self.message.setText("It runs, also when napari is closed.")
        self.watch(True)

    def _on_refused(self, run: KnownRun, error: BaseException) -> None:
        self.start.setEnabled(True)
        self._errands.send(
            partial(look_at, [run.output]), partial(self._forget_unknown, run.output), self._fail
        )
        self._fail(error)

    def _forget_unknown(self, output: str, found: dict[str, Status]) -> None:
        if found[output].state == "unknown":
            self._known.forget(output)
        self._fill()

    def _do(self, row: BackgroundRow, what: str) -> None:
        run = row.run
        if what == "forget":
            self._known.forget(run.output)
            self._fill()
        elif what == "open":
            shown = find_result(self._viewer, run)
            if shown is not None:
                self._viewer.layers.selection.active = shown
                row.enable()
                return
            self._collections.begin()
            read = partial(open_run, run, place_of(self._viewer, run))
            self._errands.send(read, partial(self._add, row), partial(self._fail, row=row))
        else:
            act = partial(stop_run if what == "stop" else resume_run, run.output)
            self._errands.send(act, lambda _: self._look(), partial(self._fail, row=row))

    def _add(self, row: BackgroundRow, found: Labels | Status) -> None:
        if isinstance(found, LabelsLayer):
            try:
                self._viewer.add_layer(found)
            except Exception as error:
                self._fail(error)
        else:
            row.show_unfinished(found)
        self._collections.end()
        row.enable()

    def _fail(self, error: BaseException, row: BackgroundRow | None = None) -> None:
        self._collections.end()
        if row is not None:
            row.enable()
        text = explain(error)
        self.message.setText(text)
        show_error(text)

"""A page for the lab book of a folder's results, made by another thread and opened in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_sam2_automask._napari.common.inference_thread import table_thread
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.report.page import write_report

if TYPE_CHECKING:
    from napari_sam2_automask._napari.common.inference_thread import Run

__all__ = ["ReportButton"]

_TITLE, _POLL = "Report of a folder...", 50


class ReportButton(QPushButton):
    """Asks for a folder of results and makes their page; pressed again meanwhile, it stops.

    Attributes
    ----------
    made : Qt signal
        Emits a sentence that says where the page is.
    """

    made = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_TITLE, parent)
        self._run: Run[Path] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        self._timer.timeout.connect(self._look)
        self.setToolTip(
            "One HTML page of the results in a folder: outlines, counts, distributions, outliers, settings."
        )
        self.clicked.connect(self._on_clicked)

    def make(self, folder: Path) -> None:
        """Make the page of a folder: report.html in it."""
        self._run = table_thread().submit(lambda progress: write_report(folder, None, progress=progress))
        self.setText("Stop")
        self._timer.start()

    def _on_clicked(self) -> None:
        if self._run is not None:
            self._run.cancel()
            return
        folder = QFileDialog.getExistingDirectory(self, "Folder of results")
        if folder:
            self.make(Path(folder))

    def _look(self) -> None:
        run = self._run
        if run is None:
            self._timer.stop()
            return
        if not run.finished:
            if run.latest is not None and run.latest.total:
                self.setText(f"Stop ({run.latest.done:,} of {run.latest.total:,})")
            return
        self._run = None
        self._timer.stop()
        self.setText(_TITLE)
        try:
            path = run.result()
        except Cancelled:
            return
        except AutomaskError as error:
            show_warning(plain(error))
            return
        self.made.emit(f"The report is in {path}.")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

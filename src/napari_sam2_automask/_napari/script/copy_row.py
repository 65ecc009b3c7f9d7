"""The buttons that put the line which repeats a run on the clipboard, and that make a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.script.report_button import ReportButton
from napari_sam2_automask._napari.script.run_lines import as_command, as_python
from napari_sam2_automask.errors import AutomaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.settings.presets import HasPresets

__all__ = ["CopyRow"]


class CopyRow(QWidget):
    """Copies what Run would do now, as Python and as a command.

    Parameters
    ----------
    request : callable
        Returns the request; may raise `AutomaskError`.
    family : callable
        Returns the family of the model chosen, or what is known of a learned one.
    mended : callable, optional
        Returns the run of the result that follows the sliders, and the entry ``mends`` of its record; None
        where nobody mended it.

    Attributes
    ----------
    copied : Qt signal
        Emits a sentence that says what is on the clipboard.
    """

    copied = Signal(str)

    def __init__(
        self,
        request: Callable[[], Request],
        family: Callable[[], str | HasPresets],
        mended: Callable[[], tuple[Request, dict[str, Any]] | None] = lambda: None,
    ) -> None:
        super().__init__()
        self._request, self._family, self._mended = request, family, mended
        self.python = QPushButton("Copy as Python")
        self.command = QPushButton("Copy as command")
        self.python.setToolTip("Put Python that repeats this run on the clipboard.")
        self.command.setToolTip("Put the command line that repeats this run on the clipboard.")
        self.report = ReportButton()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.python)
        row.addWidget(self.command)
        layout.addLayout(row)
        layout.addWidget(self.report)
        self.report.made.connect(self.copied)
        self.python.clicked.connect(lambda: self._copy(self._as_python, "Python"))
        self.command.clicked.connect(lambda: self._copy(self._as_command, "command"))

    def _as_python(self, request: Request) -> str:
        mended = self._mended()
        return as_python(request) if mended is None else as_python(*mended)

    def _as_command(self, request: Request) -> str:
        return as_command(request, self._family())

    def _copy(self, write: Callable[[Request], str], what: str) -> None:
        try:
            text = write(self._request())
        except AutomaskError as error:
            show_warning(plain(error))
            return
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
            self.copied.emit(f"The {what} that repeats this run is on the clipboard.")

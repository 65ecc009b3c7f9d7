"""The table taken away: onto the clipboard for a spreadsheet, or as CSV."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QFileDialog, QHBoxLayout, QPushButton, QTableView, QWidget

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.errors import AutomaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

__all__ = ["RowsView", "TakeAway"]

FILES = "Tables (*.csv)"


class RowsView(QTableView):
    """A table whose rows can be copied.

    Attributes
    ----------
    copied : Qt signal
        Ctrl+C was pressed in it.
    """

    copied = Signal()

    def event(self, event: QEvent | None) -> bool:
        """Keep Ctrl+C for the table; napari has a use for it, too."""
        if event is not None and event.type() == QEvent.Type.ShortcutOverride and _copies(event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: Any) -> None:
        """Tell of Ctrl+C."""
        if _copies(event):
            self.copied.emit()
        else:
            super().keyPressEvent(event)


class TakeAway(QWidget):
    """Two buttons.

    Parameters
    ----------
    rows : callable
        Returns the objects as they are shown, a row each with all that is known of them; or, given true,
        those of the rows selected.
    name : callable
        Returns what the table is of.
    """

    def __init__(self, rows: Callable[[bool], pd.DataFrame], name: Callable[[], str]) -> None:
        super().__init__()
        self._rows, self._name = rows, name
        self.copy_button, self.save_button = QPushButton("Copy table"), QPushButton("Save table ...")
        self.copy_button.setToolTip(
            "Put all rows on the clipboard with all that is known of the objects, to be pasted into a "
            "spreadsheet. Ctrl+C in the table copies those selected."
        )
        self.save_button.setToolTip("Write all rows into a CSV file.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.copy_button)
        row.addWidget(self.save_button)
        self.copy_button.clicked.connect(lambda: self.copy(False))
        self.save_button.clicked.connect(self._save)

    def copy(self, selected: bool) -> None:
        """Put all rows on the clipboard, or those selected, with tabs between the columns."""
        rows = self._rows(selected)
        clipboard = QApplication.clipboard()
        if len(rows) and clipboard is not None:
            clipboard.setText(rows.to_csv(sep="\t", index=False))
            show_info(f"{len(rows):,} {'row is' if len(rows) == 1 else 'rows are'} on the clipboard.")

    def _save(self) -> None:
        rows = self._rows(False)
        proposed = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "_", self._name()) + ".csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save table", proposed, FILES)
        if not path:
            return
        try:
            write_one(Path(path), rows.to_csv(index=False).encode())
        except AutomaskError as error:
            show_error(plain(error))


def _copies(event: Any) -> bool:
    return bool(event.matches(QKeySequence.StandardKey.Copy))

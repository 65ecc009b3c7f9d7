"""The objects of a result as rows that Qt can show and sort."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_sam2_automask._napari.common.columns import COLUMNS, column_title
from napari_sam2_automask._napari.common.plain_words import short

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ObjectModel", "told"]

#: Columns that say where an object lies or how it was asked for; not shown.
_PLACE = ("bbox", "point", "crop", "centroid", "level", "parent")
_SORTED = Qt.ItemDataRole.UserRole


class ObjectModel(QAbstractTableModel):
    """Rows of objects.

    Attributes
    ----------
    names : list of str
        The columns shown, by their names in the table.
    labels : list of int
        The object of each row.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.labels: list[int] = []
        self._values: list[list[Any]] = []

    def show(self, table: pd.DataFrame) -> None:
        """Show other objects: those with anything known of them but their number.

        Parameters
        ----------
        table : DataFrame
            A row per object, its label in column ``index``; rows that are otherwise empty are left out.
        """
        self.beginResetModel()
        if "index" in table and table.shape[1] > 1:
            table = table[table.drop(columns="index").notna().any(axis=1)]
            every = [str(name) for name in table]
            others = [name for name in every if name not in COLUMNS and not name.startswith(_PLACE)]
            self.names = [name for name in COLUMNS if name in every] + others
            self.labels = [int(label) for label in table["index"]]
            self._values = [table[name].tolist() for name in self.names]
        else:
            self.names, self.labels, self._values = [], [], []
        self.endResetModel()

    def values(self, name: str) -> list[Any]:
        """Return the values of a column, row by row."""
        return self._values[self.names.index(name)]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects."""
        return len(self.labels)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(self.names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell, or for sorting its value."""
        if not index.isValid():
            return None
        value = self._values[index.column()][index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return told(value)
        if role == _SORTED:
            return _order(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a column is called, and what it means."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.names):
            return None
        name = self.names[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column_title(name)
        return COLUMNS.get(name, ("", name))[1] if role == Qt.ItemDataRole.ToolTipRole else None


def told(value: Any) -> str:
    """Return a value as a cell shows it; nothing for one that is not known."""
    if value is None or str(value) in ("nan", "<NA>"):
        return ""
    if isinstance(value, float):
        return short(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _order(value: Any) -> Any:
    """Return what a value is sorted by; what is not known comes last."""
    if isinstance(value, str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.inf
    return math.inf if math.isnan(number) else number

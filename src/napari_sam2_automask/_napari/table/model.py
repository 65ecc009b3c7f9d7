"""The objects of a result as rows that Qt can show and sort."""

from __future__ import annotations

import math
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_sam2_automask._napari.common.columns import COLUMNS, column_title
from napari_sam2_automask._napari.common.plain_words import short

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["ObjectModel", "told"]

#: Columns that say where an object lies or how it was asked for; not shown.
_PLACE = ("bbox", "point", "crop", "centroid", "level", "parent")


class ObjectModel(QAbstractTableModel):
    """Rows of objects.

    They are sorted here: Qt's own model for that asks for both values of every pair of rows that it compares,
    which holds the window for a third of a second with 3,000 objects. Columns are arrays for the same reason.

    Attributes
    ----------
    names : list of str
        The columns shown, by their names in the table.
    labels : list of int
        The object of each row, as sorted.
    sorted_by : str
        The column by which rows are sorted; empty for none.
    numbers : list of str
        Those of `names` that have no words among their values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.labels: list[int] = []
        self.numbers: list[str] = []
        self.sorted_by = ""
        self._falling = False
        self._values: list[NDArray[np.object_]] = []

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
            self._values = [table[name].to_numpy(object) for name in self.names]
            of_names = zip(self.names, self._values, strict=True)
            self.numbers = [name for name, values in of_names if not _has_words(values)]
            self._put_in_order()
        else:
            self.names, self.labels, self.numbers, self._values = [], [], [], []
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by a column, now and whenever others are shown; what is not known comes last."""
        self.layoutAboutToBeChanged.emit()
        kept = self.persistentIndexList()
        labels = [self.labels[index.row()] for index in kept]
        self.sorted_by = self.names[column] if 0 <= column < len(self.names) else ""
        self._falling = order == Qt.SortOrder.DescendingOrder
        self._put_in_order()
        rows = {label: row for row, label in enumerate(self.labels)} if kept else {}
        moved = [self.index(rows[label], index.column()) for label, index in zip(labels, kept, strict=True)]
        self.changePersistentIndexList(kept, moved)
        self.layoutChanged.emit()

    def _put_in_order(self) -> None:
        if self.sorted_by not in self.names:
            return
        own = self._values[self.names.index(self.sorted_by)]
        known = self._known_in_order(own)
        unknown = np.ones(len(own), bool)
        unknown[known] = False
        order = np.concatenate([known, np.flatnonzero(unknown)])
        self.labels = [self.labels[row] for row in order.tolist()]
        self._values = [column[order] for column in self._values]

    def _known_in_order(self, values: NDArray[np.object_]) -> NDArray[np.intp]:
        """Return the rows whose values are known, sorted by these; equal ones in the order that they have."""
        import pandas as pd

        if self.sorted_by in self.numbers:
            known = np.flatnonzero(~pd.isna(values))
            numbers = values[known].astype(np.float64)
            return known[np.argsort(-numbers if self._falling else numbers, kind="stable")]
        keys = [(_order(value), row) for row, value in enumerate(values)]
        told = sorted(
            ((key, row) for key, row in keys if key is not None), key=itemgetter(0), reverse=self._falling
        )
        return np.array([row for _, row in told], np.intp)

    def values(self, name: str) -> list[Any]:
        """Return the values of a column, row by row."""
        values: list[Any] = self._values[self.names.index(name)].tolist()
        return values

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects."""
        return len(self.labels)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(self.names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell."""
        if not index.isValid():
            return None
        value = self._values[index.column()][index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return told(value)
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


def _has_words(values: NDArray[np.object_]) -> bool:
    from pandas.api.types import infer_dtype

    kind = infer_dtype(values, skipna=True)
    return kind == "string" or (kind.startswith("mixed") and any(isinstance(value, str) for value in values))


def _order(value: Any) -> tuple[float, str] | None:
    """Return what a value is sorted by, numbers before words; None for one that is not known."""
    if isinstance(value, str):
        return (math.inf, value) if value else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else (number, "")

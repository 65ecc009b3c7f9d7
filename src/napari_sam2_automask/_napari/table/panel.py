"""The table under the result: doubtful objects first, a click on a row goes to its object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam2_automask._napari.common.columns import column_title
from napari_sam2_automask._napari.common.layout import Signal, choice_label
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.live.go_to_object import show_object
from napari_sam2_automask._napari.table.colours import coloured
from napari_sam2_automask._napari.table.model import ObjectModel, told
from napari_sam2_automask._napari.table.take_away import RowsView, TakeAway

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.live.panel import LivePanel

__all__ = ["TablePanel"]

#: Height of the table in pixels.
HEIGHT = 170
ONE_BY_ONE = "as labels"
#: Rows that a column is fitted to, and the pixels beside their text, with the arrow of the sorted column.
MEASURED, ROOM = 30, 24


class TablePanel(QWidget):
    """Shown with a result.

    Parameters
    ----------
    viewer : Viewer
        Whose view goes to an object.
    live : LivePanel
        Whose objects are in it.

    Attributes
    ----------
    model : ObjectModel
        The rows.
    view : RowsView
        Shows them, sorted.
    away : TakeAway
        Copies and saves them.
    selected : Qt signal
        Emits the labels of the rows that a person selected, a tuple.
    """

    selected = Signal(tuple)

    def __init__(self, viewer: Viewer, live: LivePanel) -> None:
        super().__init__()
        self._viewer, self._live = viewer, live
        self._own_colours: Any = None
        self._following = False
        self.model = ObjectModel()
        self.view = RowsView()
        self.away = TakeAway(self._shown, self._name)
        self.previous, self.next = QPushButton("Previous"), QPushButton("Next")
        self.accept, self.remove = QPushButton("Accept"), QPushButton("Remove")
        self.merge = QPushButton("Merge")
        self.colour = QComboBox()
        self._lay_out()
        self._rows.selectionChanged.connect(self._on_selected)
        self.previous.clicked.connect(lambda: self.go(-1))
        self.next.clicked.connect(lambda: self.go(1))
        self.accept.clicked.connect(self._on_accept)
        self.remove.clicked.connect(lambda: self._mend("remove"))
        self.merge.clicked.connect(lambda: self._mend("merge"))
        self.colour.activated.connect(self._on_colour)
        self.view.copied.connect(lambda: self.away.copy(True))
        live.ended.connect(self._end)

    @property
    def labels(self) -> tuple[int, ...]:
        """The objects of the rows that are selected, from top to bottom."""
        rows = sorted(index.row() for index in self._rows.selectedRows())
        return tuple(self.model.labels[row] for row in rows)

    @property
    def _rows(self) -> QItemSelectionModel:
        chosen = self.view.selectionModel()
        assert chosen is not None  # the view has a model from the first
        return chosen

    def show_objects(self) -> None:
        """Show the objects of the result as they are now; what was selected stays so."""
        follower = self._live.live_layer
        if follower is None:
            return
        selected = self.labels
        self._following = True
        before = self.model.names
        self.model.show(follower.features)
        if self.model.names != before:
            self._fit_columns()
            self._show_order()
        if not self.model.sorted_by and "predicted_iou" in self.model.names:
            # What the model is least sure of comes first.
            self.view.sortByColumn(self.model.names.index("predicted_iou"), Qt.SortOrder.AscendingOrder)
        self.select(*selected)
        self._following = False
        self._offer_colours()
        if self.colour.currentIndex() > 0:
            self._on_colour()

    def select(self, *labels: int) -> None:
        """Select the rows of objects, and of no others; without telling anyone."""
        before, self._following = self._following, True
        chosen, flags = self._rows, QItemSelectionModel.SelectionFlag
        chosen.clearSelection()
        known = {label: row for row, label in enumerate(self.model.labels)} if labels else {}
        for label in labels:
            if label in known:
                index = self.model.index(known[label], 0)
                chosen.select(index, flags.Select | flags.Rows)
                self.view.scrollTo(index)
        self._following = before
        self._enable()

    def go(self, step: int) -> None:
        """Select the row a step below the last one selected, or the first."""
        rows = [index.row() for index in self._rows.selectedRows()]
        count = self.model.rowCount()
        if count:
            row = max(rows) + step if rows and step > 0 else min(rows) + step if rows else 0
            self.choose_row(min(max(row, 0), count - 1))

    def choose_row(self, row: int) -> None:
        """Choose one row alone, whatever keys are held: Shift+N asks for the one before, not for both."""
        index = self.model.index(row, 0)
        flags = QItemSelectionModel.SelectionFlag
        self._rows.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.view.scrollTo(index)

    def close_down(self) -> None:
        """Give the layer its own colours back."""
        self._restore()

    def _show_order(self) -> None:
        """Keep the arrow over the column by which rows are sorted, when there are other columns."""
        header, name = self.view.horizontalHeader(), self.model.sorted_by
        if header is not None and name:
            header.blockSignals(True)
            column = self.model.names.index(name) if name in self.model.names else -1
            header.setSortIndicator(column, header.sortIndicatorOrder())
            header.blockSignals(False)

    def _fit_columns(self) -> None:
        """Make columns as wide as their first values: Qt measures all of them, at each change, and slowly."""
        metrics = self.view.fontMetrics()
        for column, name in enumerate(self.model.names):
            title = self.model.headerData(column, Qt.Orientation.Horizontal)
            texts = [title, *(told(value) for value in self.model.values(name)[:MEASURED])]
            self.view.setColumnWidth(column, max(map(metrics.horizontalAdvance, texts)) + ROOM)

    def _shown(self, selected: bool) -> Any:
        """Return all that is known of the objects, or of those selected, in the order of the rows."""
        follower = self._live.live_layer
        if follower is None:
            return _nothing()
        labels = self.labels if selected else self.model.labels
        table = objects_of(follower.features)
        places = {int(label): row for row, label in enumerate(table["index"])}
        return table.iloc[[places[label] for label in labels if label in places]]

    def _name(self) -> str:
        follower = self._live.live_layer
        return "objects" if follower is None else str(follower.layer.name)

    def _lay_out(self) -> None:
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setFixedHeight(HEIGHT)
        self.view.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.view.setAccessibleName("Objects")
        self.view.setToolTip("Click on a row to go to its object; Ctrl+click and Shift+click select several.")
        self.view.setTabKeyNavigation(False)
        if (rows := self.view.verticalHeader()) is not None:
            rows.setVisible(False)
        if (columns := self.view.horizontalHeader()) is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for button, tip in (
            (self.previous, "Go to the object of the row above."),
            (self.next, "Go to the object of the row below; as sorted at first, the next doubtful one."),
            (self.accept, "Lock the objects selected as they are, and go on to the next."),
            (self.remove, "Remove the objects selected; nothing comes back in their place."),
            (self.merge, "Make the objects selected one."),
        ):
            button.setToolTip(tip)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.colour.setToolTip("Colour the objects in the viewer by a column.")
        self.colour.setAccessibleName("Colour")
        self.colour.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        go, act, colours = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for button in (self.previous, self.next, self.accept):
            go.addWidget(button)
        for button in (self.remove, self.merge):
            act.addWidget(button)
        colours.addWidget(choice_label("Colour"))
        colours.addWidget(self.colour, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.view)
        for row in (go, act, colours):
            layout.addLayout(row)
        layout.addWidget(self.away)
        self._enable()

    def _enable(self) -> None:
        count = len(self._rows.selectedRows())
        self.accept.setEnabled(count > 0)
        self.remove.setEnabled(count > 0)
        self.merge.setEnabled(count > 1)

    def _on_selected(self, *_: Any) -> None:
        self._enable()
        if self._following:
            return
        labels = self.labels
        self.selected.emit(labels)
        follower = self._live.live_layer
        if len(labels) == 1 and follower is not None:
            show_object(self._viewer, follower.layer, labels[0], follower.features, follower.rows_columns)

    def _on_accept(self) -> None:
        labels = self.labels
        if labels:
            self._live.mend(lambda mends: mends.lock(*labels))
            self.go(1)

    def _mend(self, what: str) -> None:
        labels = self.labels
        if labels:
            self._live.mend(lambda mends: getattr(mends, what)(*labels))

    # -- colours

    def _offer_colours(self) -> None:
        numbers = [name for name in self.model.numbers if name != "index"]
        if [self.colour.itemData(k) for k in range(1, self.colour.count())] == numbers:
            return
        chosen = self.colour.currentData()
        self.colour.clear()
        self.colour.addItem(ONE_BY_ONE, "")
        for name in numbers:
            self.colour.addItem(column_title(name), name)
        self.colour.setCurrentIndex(max(0, self.colour.findData(chosen)))

    def _on_colour(self, *_: Any) -> None:
        follower, name = self._live.live_layer, self.colour.currentData()
        if follower is None:
            return
        if not name:
            self._restore()
            return
        if self._own_colours is None:
            self._own_colours = follower.layer, follower.layer.colormap
        follower.layer.colormap = coloured(self.model.labels, self.model.values(name))

    def _restore(self) -> None:
        if self._own_colours is not None:
            layer, colours = self._own_colours
            layer.colormap = colours
            self._own_colours = None

    def _end(self) -> None:
        self._restore()
        self.colour.setCurrentIndex(0)
        self.model.show(_nothing())


def _nothing() -> Any:
    import pandas as pd

    return pd.DataFrame()

"""The plots under the result: one measure to filter by, and two against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.columns import column_title
from napari_sam2_automask._napari.common.layout import Signal, choice_label, small
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.plots.measure_filter import MeasureFilter
from napari_sam2_automask._napari.plots.scatter import Scatter
from napari_sam2_automask.settings.measure_names import is_measure

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from napari_sam2_automask._napari.live.panel import LivePanel

__all__ = ["PlotPanel"]

#: What is shown first, where the table has it.
_FIRST = ("area", "predicted_iou")


class PlotPanel(QWidget):
    """Shown with a result.

    Parameters
    ----------
    live : LivePanel
        Whose objects are shown.

    Attributes
    ----------
    filter : MeasureFilter
        The histogram.
    across, up : QComboBox
        What is plotted: columns of the table.
    scatter : Scatter
        The plot of both.
    selected : Qt signal
        Emits the labels of the objects that a person picked, a tuple.
    """

    selected = Signal(tuple)

    def __init__(self, live: LivePanel) -> None:
        super().__init__()
        self._live, self._open = live, False
        self._labels: list[int] = []
        self._chosen: tuple[int, ...] = ()
        self.filter = MeasureFilter(live)
        self.across, self.up, self.scatter, self.count = QComboBox(), QComboBox(), Scatter(), small(QLabel())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.filter)
        for choice, name, what in ((self.up, "Plot", "upwards"), (self.across, "over", "to the right")):
            choice.setToolTip(f"The column of the table that is plotted {what}.")
            choice.setAccessibleName(f"Measure {what}")
            choice.setMinimumContentsLength(5)
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            choice.activated.connect(self._plot)
            row = QHBoxLayout()
            row.addWidget(choice_label(name))
            row.addWidget(choice, 1)
            layout.addLayout(row)
        layout.addWidget(self.scatter)
        layout.addWidget(self.count)
        self.filter.wanted.connect(live.want)
        self.scatter.picked.connect(self._on_picked)
        live.ended.connect(self._clear)

    def set_open(self, shown: bool) -> None:
        """Follow the result from now on, or rest while nobody looks."""
        self._open = shown
        self.filter.set_open(shown)
        self.show_objects()

    def show_objects(self) -> None:
        """Show the objects of the result as the table has them."""
        follower = self._live.live_layer
        if not self._open or follower is None:
            return
        self.filter.setVisible(follower.selects)
        table = objects_of(follower.features)
        names = [str(name) for name in table.select_dtypes("number") if is_measure(str(name))]
        for choice, first in ((self.across, _FIRST[0]), (self.up, _FIRST[1])):
            if names and [choice.itemData(k) for k in range(choice.count())] != names:
                before = choice.currentData() or first
                choice.clear()
                for name in names:
                    choice.addItem(column_title(name), name)
                choice.setCurrentIndex(max(0, choice.findData(before)))
        self._show(table)

    def choose(self, labels: Collection[int]) -> None:
        """Mark objects that were chosen elsewhere; without telling anyone."""
        self._chosen = tuple(labels)
        wanted = set(labels)
        self.scatter.mark([k for k, label in enumerate(self._labels) if label in wanted])
        self._count()

    def _plot(self, *_: Any) -> None:
        follower = self._live.live_layer
        if follower is not None:
            self._show(objects_of(follower.features))

    def _show(self, table: pd.DataFrame) -> None:
        names = (self.across.currentData(), self.up.currentData())
        if not {"index", *names} <= set(table):  # a plane that was not measured yet
            self._labels = []
            self.scatter.show_points(np.empty((0, 2)), ("", ""))
            self._count()
            return
        self._labels = table["index"].astype(int).tolist()
        values = np.stack([table[name].to_numpy(np.float64, na_value=np.nan) for name in names], axis=1)
        self.scatter.show_points(values, [column_title(name) for name in names])
        self.choose(self._chosen)

    def _on_picked(self, points: tuple[int, ...]) -> None:
        self._chosen = tuple(self._labels[k] for k in points)
        self._count()
        self.selected.emit(self._chosen)

    def _count(self) -> None:
        chosen = len(set(self._chosen) & set(self._labels))
        self.count.setText(f"{chosen:,} of {len(self._labels):,} selected" if chosen else "")

    def _clear(self) -> None:
        self._labels, self._chosen = [], ()
        self.scatter.show_points(np.empty((0, 2)), ("", ""))
        self.count.setText("")

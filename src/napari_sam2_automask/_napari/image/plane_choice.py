"""The choice of planes of a stack: the current one, all, a range, or a projection."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.layers.plane_axes import projectable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask._napari.layers.plane_axes import PlaneAxis

__all__ = ["PlaneChoice"]

#: Where an item of the combo box holds the axis of its projection.
_OVER = Qt.ItemDataRole.UserRole + 1


class PlaneChoice(QWidget):
    """A combo box, and for a range its first and last plane, counted from 0 as the viewer's sliders do.

    Attributes
    ----------
    changed : Qt signal
        Another choice.
    combo : QComboBox
        Its data: empty for the current plane, ``"all"``, ``"range"``, ``"max"`` or ``"mean"``.
    first, last : QSpinBox
        The ends of the range, both included.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._planes = 0
        self._axes: list[PlaneAxis] = []
        self.combo = QComboBox()
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.combo.setToolTip(
            "All planes, or a range of them, go into one Labels layer of the stack's shape. A projection is "
            "the maximum or mean along one axis, at the sliders' place on all others."
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        self._ends = QWidget()
        ends = QHBoxLayout(self._ends)
        ends.setContentsMargins(0, 0, 0, 0)
        for box, tip in ((self.first, "The first plane, counted from 0."), (self.last, "The last plane.")):
            box.setToolTip(tip)
            box.setKeyboardTracking(False)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.valueChanged.connect(self._on_end)
        ends.addWidget(self.first, 1)
        ends.addWidget(QLabel("to"))
        ends.addWidget(self.last, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.combo)
        column.addWidget(self._ends)
        self.combo.currentIndexChanged.connect(self._on_kind)

    @property
    def kind(self) -> str:
        """What is chosen, empty for the current plane."""
        return str(self.combo.currentData() or "") if self._planes > 1 else ""

    @property
    def over(self) -> str:
        """The `PlaneAxis.key` of the axis to project; empty for no projection."""
        return str(self.combo.currentData(_OVER) or "") if self._planes > 1 else ""

    @property
    def count(self) -> int:
        """How many planes a run would segment."""
        if self.kind == "range":
            return self.last.value() - self.first.value() + 1
        return self._planes if self.kind == "all" else 1

    def offer(self, axes: Sequence[PlaneAxis]) -> None:
        """Offer the planes of a stack that lie along these axes, and their projections."""
        if list(axes) == self._axes:
            return
        planes, before = math.prod(one.length for one in axes), (self.kind, self.over)
        same = planes == self._planes
        self._planes, self._axes = planes, list(axes)
        self.combo.blockSignals(True)
        self.combo.clear()
        self.combo.addItem("Current plane", "")
        self.combo.addItem(f"All {planes:,} planes", "all")
        self.combo.addItem("A range of planes", "range")
        for axis in projectable(axes):
            for kind in ("max", "mean"):
                title = axis.projected(kind)
                self.combo.addItem(title[0].upper() + title[1:], kind)
                self.combo.setItemData(self.combo.count() - 1, axis.key, _OVER)
        if same:
            self._choose(*before)
        self.combo.blockSignals(False)
        if same:
            return
        self._ends.setVisible(False)
        for box, value in ((self.first, 0), (self.last, planes - 1)):
            box.blockSignals(True)
            box.setRange(0, max(planes - 1, 0))
            box.setValue(value)
            box.blockSignals(False)

    def indices(self, source: ImageSource) -> tuple[tuple[int, ...], ...]:
        """Return the positions of the planes to segment, the last axis fastest."""
        if self.kind == "all":
            return tuple(source.all_indices())
        if self.kind == "range":
            return tuple(source.all_indices()[self.first.value() : self.last.value() + 1])
        return (source.index,)

    def _choose(self, kind: str, over: str) -> None:
        """Show a choice if it is offered."""
        for row in range(self.combo.count()):
            if (self.combo.itemData(row), self.combo.itemData(row, _OVER) or "") == (kind, over):
                self.combo.setCurrentIndex(row)

    def _on_end(self, *_: Any) -> None:
        # The end that was not moved gives way.
        moved, other = (self.first, self.last) if self.sender() is self.first else (self.last, self.first)
        if self.first.value() > self.last.value():
            other.blockSignals(True)
            other.setValue(moved.value())
            other.blockSignals(False)
        self.changed.emit()

    def _on_kind(self, *_: Any) -> None:
        self._ends.setVisible(self.kind == "range")
        self.changed.emit()

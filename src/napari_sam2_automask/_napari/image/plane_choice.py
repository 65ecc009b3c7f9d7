"""The choice of planes of a stack: the current one, all, a range, or a projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from napari_sam2_automask._napari.layers.snapshot import ImageSource

__all__ = ["PlaneChoice"]


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
        self.combo = QComboBox()
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.combo.setToolTip(
            "All planes, or a range of them, go into one Labels layer of the stack's shape. A projection, "
            "the maximum or mean of all planes, gives labels of two axes."
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
    def count(self) -> int:
        """How many planes a run would segment."""
        if self.kind == "range":
            return self.last.value() - self.first.value() + 1
        return self._planes if self.kind == "all" else 1

    def offer(self, planes: int) -> None:
        """Offer the planes of a stack of so many."""
        if planes == self._planes:
            return
        self._planes = planes
        self.combo.blockSignals(True)
        self.combo.clear()
        self.combo.addItem("Current plane", "")
        self.combo.addItem(f"All {planes:,} planes", "all")
        self.combo.addItem("A range of planes", "range")
        self.combo.addItem("Maximum projection", "max")
        self.combo.addItem("Mean projection", "mean")
        self.combo.blockSignals(False)
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

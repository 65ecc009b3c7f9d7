"""A small histogram with thresholds drawn in, which are dragged, or moved with the arrow keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

__all__ = ["DROPPED", "KEPT", "THRESHOLD", "Histogram"]

# From the palette of Okabe and Ito, which people with any colour vision can tell apart.
KEPT, DROPPED, THRESHOLD = QColor(86, 180, 233), QColor(128, 128, 128), QColor(230, 159, 0)
_HEIGHT, _TITLE, _EDGE = 30, 17, 5
#: Steps from one end to the other with the arrow keys.
_STEPS = 100


class Histogram(QWidget):
    """Bars of counts, and one or two lines; what lies right of the first and left of the second passes.

    Parameters
    ----------
    title : str
        Shown above the bars.
    tip : str
        What is counted, in a sentence.
    words : callable
        Returns what is shown beside the title for the thresholds.
    lines : int
        1 or 2.

    Attributes
    ----------
    counts : list of int
        What is shown.
    edges : (float, float)
        The values at both ends.
    thresholds : list of float
        Where the lines are; beyond an end where they let everything pass.
    moved : Qt signal
        Emits the thresholds, a tuple of float, while a person moves a line.
    """

    moved = Signal(tuple)

    def __init__(
        self, title: str, tip: str, words: Callable[[tuple[float, ...]], str], *, lines: int = 1
    ) -> None:
        super().__init__()
        self._title, self._tip, self._words = title, tip, words
        self.counts: list[int] = []
        self.edges: tuple[float, float] = (0.0, 1.0)
        self.thresholds = [0.0, 1.0][:lines]
        self._held = 0
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_TITLE + _HEIGHT + 2)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setAccessibleName(title)
        self.setAccessibleDescription(f"{tip} The arrow keys move the threshold.")

    def show_counts(self, counts: NDArray[np.intp], edges: NDArray[np.float64]) -> None:
        """Show other counts."""
        self.counts = [int(n) for n in counts]
        self.edges = float(edges[0]), float(edges[-1])
        self.update()

    def show_thresholds(self, *values: float) -> None:
        """Move the lines."""
        self.thresholds = list(values)
        self.setToolTip(f"{self._tip} Drag the line, or use the arrow keys.")
        self.update()

    def sizeHint(self) -> QSize:
        """Return a small size; the width follows the form."""
        return QSize(200, _TITLE + _HEIGHT + 2)

    # -- moving a line

    def move_line(self, line: int, value: float) -> None:
        """Move a line as a person does; it does not pass the other."""
        low, high = self.edges
        value = min(max(value, low), high)
        if line == 0 and len(self.thresholds) > 1:
            value = min(value, self.thresholds[1])
        elif line == 1:
            value = max(value, self.thresholds[0])
        if value != self.thresholds[line]:
            self.thresholds[line] = value
            self.update()
            self.moved.emit(tuple(self.thresholds))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take hold of the nearest line, and bring it to the mouse."""
        if event is None or event.button() != Qt.MouseButton.LeftButton or not self.counts:
            return
        x = event.position().x()
        ends = [abs(self._x(value) - x) for value in self.thresholds]
        self._held = ends.index(min(ends))
        if len(ends) > 1 and ends[0] == ends[1]:  # one upon the other: the side of the mouse says which
            self._held = int(x > self._x(self.thresholds[0]))
        self.move_line(self._held, self._value(x))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Take the line along."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton and self.counts:
            self.move_line(self._held, self._value(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move a line a step to the left or right; up and down choose which."""
        if event is None:
            return
        key, step = event.key(), (self.edges[1] - self.edges[0]) / _STEPS
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            at = min(max(self.thresholds[self._held], self.edges[0]), self.edges[1])
            self.move_line(self._held, at + (step if key == Qt.Key.Key_Right else -step))
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and len(self.thresholds) > 1:
            self._held = int(key == Qt.Key.Key_Up)
        else:
            super().keyPressEvent(event)

    def _x(self, value: float) -> float:
        low, high = self.edges
        share = (value - low) / (high - low) if high > low else 0.0
        return _EDGE + min(max(share, 0.0), 1.0) * (self.width() - 2 * _EDGE)

    def _value(self, x: float) -> float:
        low, high = self.edges
        return low + (x - _EDGE) / max(1, self.width() - 2 * _EDGE) * (high - low)

    # -- drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw title, bars and lines."""
        painter = QPainter(self)
        text = self.palette().text().color()
        painter.setPen(text)
        inner = self.width() - 2 * _EDGE
        title = QRectF(_EDGE, 0, inner, _TITLE)
        painter.drawText(title, Qt.AlignmentFlag.AlignLeft, self._title)
        painter.drawText(title, Qt.AlignmentFlag.AlignRight, self._words(tuple(self.thresholds)))
        low, high = self.edges
        if not self.counts or high <= low:
            return
        width, tallest = inner / len(self.counts), max(1, *self.counts)
        for k, count in enumerate(self.counts):
            centre = low + (k + 0.5) * (high - low) / len(self.counts)
            passes = centre > self.thresholds[0] and centre <= max(self.thresholds[1:], default=centre)
            # Square root: a handful of candidates is visible beside hundreds.
            height = _HEIGHT * (count / tallest) ** 0.5
            bar = QRectF(_EDGE + k * width, _TITLE + _HEIGHT - height, max(width - 1, 1), height)
            painter.fillRect(bar, KEPT if passes else DROPPED)
        painter.setPen(QPen(text, 1))
        painter.drawLine(_EDGE, _TITLE + _HEIGHT, self.width() - _EDGE, _TITLE + _HEIGHT)
        for k, value in enumerate(self.thresholds):
            x = int(self._x(value))
            painter.setPen(QPen(THRESHOLD, 3 if self.hasFocus() and k == self._held else 2))
            painter.drawLine(x, _TITLE - 2, x, _TITLE + _HEIGHT)
            painter.fillRect(QRectF(x - 3, _TITLE + _HEIGHT - 7, 7, 7), THRESHOLD)

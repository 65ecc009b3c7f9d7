"""A small histogram with the threshold drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent

__all__ = ["Histogram"]

# From the palette of Okabe and Ito, which people with any colour vision can tell apart.
KEPT, DROPPED, THRESHOLD = QColor(86, 180, 233), QColor(128, 128, 128), QColor(230, 159, 0)
_HEIGHT = 44


class Histogram(QWidget):
    """Bars of counts; those right of the threshold are what passes.

    Parameters
    ----------
    title : str
        Shown above the bars with the threshold.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.counts: list[int] = []
        self.edges: tuple[float, float] = (0.0, 1.0)
        self.threshold = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT + 18)

    def show_counts(self, counts: NDArray[np.intp], edges: NDArray[np.float64]) -> None:
        """Show other counts."""
        self.counts = [int(n) for n in counts]
        self.edges = float(edges[0]), float(edges[-1])
        self.update()

    def show_threshold(self, threshold: float) -> None:
        """Move the line of the threshold."""
        self.threshold = threshold
        self.setToolTip(f"{self._title}: candidates by score; those above {threshold:.3g} pass.")
        self.update()

    def sizeHint(self) -> QSize:
        """Return a small size; the width follows the form."""
        return QSize(200, _HEIGHT + 18)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw title, bars and threshold."""
        painter = QPainter(self)
        painter.setPen(self.palette().text().color())
        painter.drawText(
            QRectF(0, 0, self.width(), 16),
            Qt.AlignmentFlag.AlignLeft,
            f"{self._title} > {self.threshold:.3g}",
        )
        low, high = self.edges
        if not self.counts or high <= low:
            return
        width, tallest = self.width() / len(self.counts), max(1, *self.counts)
        for k, count in enumerate(self.counts):
            centre = low + (k + 0.5) * (high - low) / len(self.counts)
            # Square root: a handful of candidates is visible beside hundreds.
            height = _HEIGHT * (count / tallest) ** 0.5
            bar = QRectF(k * width, 18 + _HEIGHT - height, max(width - 1, 1), height)
            painter.fillRect(bar, KEPT if centre > self.threshold else DROPPED)
        x = (self.threshold - low) / (high - low) * self.width()
        x = min(max(x, 1), self.width() - 2)
        painter.setPen(QPen(THRESHOLD, 2))
        painter.drawLine(int(x), 16, int(x), 18 + _HEIGHT)

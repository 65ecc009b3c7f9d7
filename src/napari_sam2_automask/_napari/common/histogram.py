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
_HEIGHT, _TITLE, _FOOT, _EDGE = 48, 18, 13, 4


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
        self.setFixedHeight(_TITLE + _HEIGHT + _FOOT)

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
        return QSize(200, _TITLE + _HEIGHT + _FOOT)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw title, bars and threshold."""
        painter = QPainter(self)
        text = self.palette().text().color()
        painter.setPen(text)
        inner = self.width() - 2 * _EDGE
        title = QRectF(_EDGE, 0, inner, _TITLE)
        painter.drawText(title, Qt.AlignmentFlag.AlignLeft, f"{self._title} > {self.threshold:.3g}")
        low, high = self.edges
        if not self.counts or high <= low:
            return
        width, tallest = inner / len(self.counts), max(1, *self.counts)
        passing = 0
        for k, count in enumerate(self.counts):
            centre = low + (k + 0.5) * (high - low) / len(self.counts)
            passing += count if centre > self.threshold else 0
            # Square root: a handful of candidates is visible beside hundreds.
            height = _HEIGHT * (count / tallest) ** 0.5
            bar = QRectF(_EDGE + k * width, _TITLE + _HEIGHT - height, max(width - 1, 1), height)
            painter.fillRect(bar, KEPT if centre > self.threshold else DROPPED)
        x = _EDGE + (self.threshold - low) / (high - low) * inner
        x = min(max(x, 1 + _EDGE), self.width() - 2 - _EDGE)
        painter.setPen(QPen(THRESHOLD, 2))
        painter.drawLine(int(x), _TITLE - 2, int(x), _TITLE + _HEIGHT)
        painter.setPen(text)
        painter.drawText(title, Qt.AlignmentFlag.AlignRight, f"{passing:,} of {sum(self.counts):,}")
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.8)
        painter.setFont(font)
        foot = QRectF(_EDGE, _TITLE + _HEIGHT, inner, _FOOT)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, f"{low:.2g}")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{high:.2g}")

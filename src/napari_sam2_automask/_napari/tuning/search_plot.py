"""A small plot of a search: the score of each trial, and the best so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sam2_automask._napari.common.histogram import DROPPED, KEPT, THRESHOLD

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_sam2_automask.evaluation.tuning import Tuning

__all__ = ["SearchPlot"]

_HEIGHT, _TITLE, _EDGE = 70, 16, 4


class SearchPlot(QWidget):
    """Dots for trials from left to right, higher is better; a line for the best so far.

    Attributes
    ----------
    scores : list of float
        What is shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[float] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT + _TITLE)
        self.setToolTip(
            "Score of the settings tried, in this order: F1 in the examples, with small terms for outlines, "
            "sizes and the distance from your settings. The line is the best so far."
        )

    def show_search(self, found: Tuning) -> None:
        """Show another search."""
        self.scores = [trial.score for trial in found.trials]
        self.update()

    def sizeHint(self) -> QSize:
        """Return a small size; the width follows the form."""
        return QSize(200, _HEIGHT + _TITLE)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the title, the trials and the best so far."""
        if not self.scores:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.palette().text().color())
        title = QRectF(_EDGE, 0, self.width() - 2 * _EDGE, _TITLE)
        painter.drawText(title, Qt.AlignmentFlag.AlignLeft, f"Score of {len(self.scores)} settings")
        painter.drawText(title, Qt.AlignmentFlag.AlignRight, f"best {max(self.scores):.2f}")
        low, high = min(self.scores), max(self.scores)
        wide = (self.width() - 2 * _EDGE) / max(1, len(self.scores) - 1)

        def at(k: int, score: float) -> QPointF:
            share = (score - low) / (high - low) if high > low else 0.5
            return QPointF(_EDGE + k * wide, _TITLE + (_HEIGHT - 6) * (1 - share) + 3)

        line, best = QPolygonF(), self.scores[0]
        for k, score in enumerate(self.scores):
            line.append(at(k, best))
            best = max(best, score)
            line.append(at(k, best))
        painter.setPen(QPen(THRESHOLD, 2))
        painter.drawPolyline(line)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, score in enumerate(self.scores):
            painter.setBrush(KEPT if score >= self.scores[0] else DROPPED)
            painter.drawEllipse(at(k, score), 2.0, 2.0)

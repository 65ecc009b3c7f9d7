"""A small scatter plot whose points are picked by drawing around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sam2_automask._napari.common.histogram import DROPPED, KEPT, THRESHOLD
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import short

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent, QResizeEvent

__all__ = ["Scatter"]

_HEIGHT, _LINE, _EDGE = 170, 15, 6
#: Pixels between the mouse and the nearest point that a click takes.
_NEAR = 8
_DOT = 4


class Scatter(QWidget):
    """Points of two measures; a lasso, or a click, picks some.

    Attributes
    ----------
    values : (N, 2) float64 array
        The x and y of the points; NaN where one is not known, which is not drawn.
    picked : Qt signal
        Emits the numbers of the points that a person picked, a tuple, in ascending order.
    """

    picked = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.values = np.empty((0, 2))
        self._titles = "", ""
        self._marked: NDArray[np.int64] = np.empty(0, np.int64)
        self._lasso: list[QPointF] = []
        self._drawn: QPixmap | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("A point is an object. Draw around points to select their objects, or click on one.")
        self.setAccessibleName("Two measures of the objects")
        self.setAccessibleDescription("A point for each object; the rows of the table are the same objects.")

    def show_points(self, values: NDArray[np.float64], titles: Sequence[str]) -> None:
        """Show other points; none of them is marked."""
        self.values = np.asarray(values, np.float64).reshape(-1, 2)
        self._titles = titles[0], titles[1]
        self._marked = np.empty(0, np.int64)
        self._redraw()

    def mark(self, points: Collection[int]) -> None:
        """Show which points are chosen."""
        self._marked = np.array(sorted(points), np.int64)
        self.update()

    def sizeHint(self) -> QSize:
        """Return a small size; the width follows the form."""
        return QSize(200, _HEIGHT)

    # -- picking

    def inside(self, outline: Sequence[tuple[float, float]]) -> tuple[int, ...]:
        """Return which points lie inside of an outline of x, y in the widget."""
        from skimage.measure import points_in_poly

        at = self._at()
        known = np.flatnonzero(np.isfinite(at).all(axis=1))
        if len(outline) < 3 or not len(known):
            return ()
        found = known[points_in_poly(at[known], np.asarray(outline, np.float64))]  # type: ignore[no-untyped-call]
        return tuple(found.tolist())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin to draw around points."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._lasso = [event.position()]

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Go on drawing."""
        if event is not None and self._lasso:
            self._lasso.append(event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Pick what was drawn around, or the point that was clicked on."""
        outline, self._lasso = [(at.x(), at.y()) for at in self._lasso], []
        if event is None or not outline:
            return
        reach = np.ptp(np.array(outline), axis=0).max()
        found = self.inside(outline) if reach > _NEAR else self._near(*outline[-1])
        self.mark(found)
        self.picked.emit(found)

    def _near(self, x: float, y: float) -> tuple[int, ...]:
        away = np.hypot(*(self._at() - (x, y)).T)
        if not np.isfinite(away).any() or np.nanmin(away) > _NEAR:
            return ()
        return (int(np.nanargmin(away)),)

    # -- drawing

    def _box(self) -> QRectF:
        return QRectF(_EDGE, _LINE + 2, self.width() - 2 * _EDGE, self.height() - 2 * _LINE - 4)

    def _ends(self) -> NDArray[np.float64]:
        """Return least and greatest value along x and y, (2, 2)."""
        known = self.values[np.isfinite(self.values).all(axis=1)]
        if not len(known):
            return np.array([[0.0, 0.0], [1.0, 1.0]])
        low, high = known.min(axis=0), known.max(axis=0)
        return np.array([low, np.where(high > low, high, low + 1.0)])

    def _at(self) -> NDArray[np.float64]:
        """Return where the points are in the widget, (N, 2) x, y."""
        box, (low, high) = self._box(), self._ends()
        share = (self.values - low) / (high - low)
        inner = max(1.0, box.width() - 2 * _DOT), max(1.0, box.height() - 2 * _DOT)
        at: NDArray[np.float64] = np.stack(
            [box.left() + _DOT + share[:, 0] * inner[0], box.bottom() - _DOT - share[:, 1] * inner[1]], axis=1
        )
        return at

    def _redraw(self) -> None:
        self._drawn = None
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw anew in another size."""
        self._redraw()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the points, which of them are chosen, and the lasso."""
        if self._drawn is None:
            self._drawn = self._points()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(THRESHOLD, _DOT + 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        at = self._at()
        marked = self._marked[self._marked < len(at)]
        painter.drawPoints(_polygon(at[marked]))
        if len(self._lasso) > 1:
            painter.setPen(QPen(THRESHOLD, 1.5, Qt.PenStyle.DashLine))
            painter.drawPolygon(QPolygonF(self._lasso))

    def _points(self) -> QPixmap:
        """Draw what does not change as the mouse moves."""
        scale = self.devicePixelRatioF()
        made = QPixmap(int(self.width() * scale), int(self.height() * scale))
        made.setDevicePixelRatio(scale)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box, (low, high) = self._box(), self._ends()
        painter.setPen(QPen(DROPPED, 1))
        painter.drawRect(box)
        painter.setPen(self.palette().text().color())
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        above = QRectF(_EDGE, 0, box.width(), _LINE)
        below = QRectF(_EDGE, box.bottom() + 2, box.width(), _LINE)
        if len(self.values):
            painter.drawText(above, left, f"{self._titles[1]}: {short(low[1])} to {short(high[1])}")
            painter.drawText(below, right, f"{self._titles[0]}: {short(low[0])} to {short(high[0])}")
        painter.setPen(QPen(KEPT, _DOT, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        at = self._at()
        painter.drawPoints(_polygon(at[np.isfinite(at).all(axis=1)]))
        painter.end()
        return made


def _polygon(at: NDArray[np.float64]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in at.tolist()])

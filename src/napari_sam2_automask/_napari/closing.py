"""Noticing that the window in which the widget is docked is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMainWindow

from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_sam2_automask._napari.run.controller import Controller

__all__ = ["WindowWatch", "let_go"]


class WindowWatch(QObject):
    """Watches the main window around a widget.

    Attributes
    ----------
    closed : Qt signal
        The window has closed. Emitted once its close event has been answered, for it may be refused.
    """

    closed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        # PySide sees no circle that goes through Qt's own objects: it would keep the window in memory.
        self._window: Callable[[], QMainWindow | None] = lambda: None

    def watch(self, widget: QWidget) -> None:
        """Watch the main window that a widget is in now, if it is in one."""
        parent = widget.parentWidget()
        while parent is not None and not isinstance(parent, QMainWindow):
            parent = parent.parentWidget()
        if parent is not None and parent is not self._window():
            parent.installEventFilter(self)
            self._window = ref(parent)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look, once a close event of the main window has been answered, whether it really closed."""
        if event is not None and event.type() == QEvent.Type.Close and watched is self._window():
            QTimer.singleShot(0, self._tell)
        return False

    def _tell(self) -> None:
        window = self._window()
        if window is not None and not window.isVisible():
            self.closed.emit()


def let_go(controller: Controller, listening: list[list[tuple[Any, Any]]]) -> None:
    """Cancel the run and stop listening to the viewer; needs no widget, which may be gone already."""
    controller.close()
    for connections in listening:
        while connections:
            event, callback = connections.pop()
            event.disconnect(callback)

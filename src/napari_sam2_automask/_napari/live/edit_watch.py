"""Noticing that the pixels of a layer were edited, in whatever way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from napari.layers import Labels

__all__ = ["EditWatch"]

#: Milliseconds after an edit until it is told, so that a burst of edits is told once.
WAIT = 60
# A stroke or fill, undo and redo of napari; other data; what somebody wrote into the data and then refreshed.
_EVENTS = ("paint", "data", "set_data", "labels_update")


class EditWatch(QObject):
    """Watches a layer.

    Attributes
    ----------
    edited : Qt signal
        The pixels may have changed; not in the middle of a stroke.
    edited_anywhere : Qt signal
        The pixels of other planes than the one that shows may have changed as well.
    through : Qt signal
        The same at once, before anything can have taken the edit over.
    """

    edited, edited_anywhere, through = Signal(), Signal(), Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._anywhere = False
        self._taken_back = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT)
        self._timer.timeout.connect(self._tell)

    def watch(self, layer: Labels | None) -> None:
        """Watch another layer, or none."""
        for event in self._events():
            event.disconnect(self._note)
        self._timer.stop()
        self._anywhere = False
        self._layer = layer
        self._taken_back = self._count_taken_back()
        for event in self._events():
            event.connect(self._note)

    def _events(self) -> list[Any]:
        if self._layer is None:
            return []
        events = self._layer.events
        return [getattr(events, name) for name in _EVENTS if hasattr(events, name)]

    def _note(self, event: Any = None) -> None:
        kind, layer = getattr(event, "type", ""), self._layer
        before, self._taken_back = self._taken_back, self._count_taken_back()
        # napari tells of new slices by "set_data" as well. Its own undo and redo may be of any plane.
        through = kind != "set_data" and layer is not None and layer.n_edit_dimensions > 2
        if kind == "data" or through or self._taken_back != before:
            self._anywhere = True
            self.through.emit()
        if not self._timer.isActive():
            self._timer.start()

    def _count_taken_back(self) -> int:
        return len(getattr(self._layer, "_redo_history", ()))

    def _tell(self) -> None:
        if self._layer is not None and getattr(self._layer, "_block_history", False):
            self._timer.start()  # a stroke is one edit
            return
        anywhere, self._anywhere = self._anywhere, False
        self.edited.emit()
        if anywhere:
            self.edited_anywhere.emit()

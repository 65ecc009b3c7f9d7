"""Picking objects of the result: good ones stay as they are, bad ones go and do not come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_sam2_automask._napari.common.layout import roomy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Labels

    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask.mending.mends import Done, Mends

__all__ = ["Picking"]


class Picking(QWidget):
    """A button that lets clicks in the viewer pick objects, and the count of those picked.

    Parameters
    ----------
    live : LivePanel
        Whose layer is clicked on.
    """

    def __init__(self, live: LivePanel) -> None:
        super().__init__()
        self._live = live
        self._layer: Labels | None = None
        self.button, self.clear = QPushButton("Pick"), QPushButton("Clear")
        self.count = QLabel()
        self.button.setCheckable(True)
        self.button.setToolTip(
            "While pressed: click on an object of the result to accept it; it stays as it is whatever the "
            "sliders say. Click again to release it. Shift-click rejects an object: it goes and stays away."
        )
        self.clear.setToolTip("Release all objects that were accepted or rejected.")
        self.count.setStyleSheet("font-size: 11px;")
        roomy(self.button, self.clear)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.button)
        row.addWidget(self.count, 1)
        row.addWidget(self.clear)
        self.button.toggled.connect(self._listen)
        self.clear.clicked.connect(self._clear)
        live.begun.connect(self._begin)
        live.drawn.connect(self._show)
        live.ended.connect(lambda: self.button.setChecked(False))
        self._show()

    def pick(self, label: int, *, good: bool) -> None:
        """Accept, release or reject an object, as a click on it does."""
        follower, settings = self._live.live_layer, self._live.shown
        if follower is None or settings is None or label <= 0:
            return
        if not good:
            self._live.mend(lambda mends: mends.remove(label))
        else:
            self._live.mend(lambda mends: mends.release(label) if label in mends.kept else mends.lock(label))

    def _begin(self) -> None:
        self._listen(False)
        self._show()
        if self.button.isChecked():  # a new result: go on picking there
            self._listen(True)

    def _listen(self, on: bool) -> None:
        if self._layer is not None:
            self._layer.mouse_drag_callbacks.remove(self._on_press)
            self._layer = None
        follower = self._live.live_layer
        if on and follower is not None:
            self._layer = follower.layer
            self._layer.mouse_drag_callbacks.append(self._on_press)
            self._layer.mode = "pan_zoom"

    def _on_press(self, layer: Labels, event: Any) -> Iterator[None]:
        """Take a click; a drag moves the view as always."""
        shift = "Shift" in [getattr(key, "name", key) for key in event.modifiers]
        yield
        moved = False
        while event.type == "mouse_move":
            moved = True
            yield
        if not moved:
            value = layer.get_value(event.position, world=True)
            self.pick(int(value or 0), good=not shift)

    def _clear(self) -> None:
        def act(mends: Mends) -> Done | None:
            picked = {n for n, what in mends.edited.items() if what == "locked"} | mends.removed
            return mends.release(*sorted(picked)) if picked else None

        self._live.mend(act)

    def _show(self) -> None:
        follower = self._live.live_layer
        good, bad = (len(follower.accepted), len(follower.rejected)) if follower is not None else (0, 0)
        self.count.setText(f"{good} good, {bad} bad")
        self.clear.setVisible(bool(good or bad))

"""The widget for one's own point grid: points taken from a Points layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import Label, PushButton
from magicgui.widgets.bases import ValuedContainerWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.settings.amg import PointGrids

__all__ = ["PointGridEdit"]


class PointGridEdit(ValuedContainerWidget[Any]):
    """Says how many own points there are; takes them from a Points layer, or clears them.

    Parameters
    ----------
    pick : callable
        Returns point grids with points in fractions of the image, or None if there are none to take.
    """

    def __init__(self, pick: Callable[[], PointGrids | None]) -> None:
        self._grids: PointGrids | None = None
        self._pick = pick
        self._count = Label(value="none")
        self._take = PushButton(text="From Points")
        self._take.tooltip = "Ask the model at the points of the active Points layer, or of the topmost one."
        self._clear = PushButton(text="Clear")
        self._clear.tooltip = "Use the grid again."
        super().__init__(widgets=[self._count, self._take, self._clear], labels=False, layout="horizontal")
        self.margins = (0, 0, 0, 0)
        self._take.changed.connect(self._on_take)
        self._clear.changed.connect(self._on_clear)
        self._show()

    def get_value(self) -> PointGrids | None:
        """Return the grids, one for each crop layer, or None."""
        return self._grids

    def set_value(self, value: PointGrids | None) -> None:
        """Set the grids, one for each crop layer, or None."""
        changed = value != self._grids
        self._grids = value
        self._show()
        if changed:
            self.changed.emit(value)

    def _on_take(self) -> None:
        picked = self._pick()
        if picked is not None:
            self.value = picked

    def _on_clear(self) -> None:
        self.value = None

    def _show(self) -> None:
        grids = self._grids
        self._count.value = "none" if grids is None else f"{len(grids[0]):,} points"
        self._take.visible = grids is None
        self._clear.visible = grids is not None

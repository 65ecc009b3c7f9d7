"""The widget for a parameter that is a list which people write as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import LineEdit
from magicgui.widgets.bases import ValuedContainerWidget

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ListEdit"]


class ListEdit(ValuedContainerWidget[Any]):
    """Shows a list as text; what a person typed is the value, as text, until it has been read.

    Parameters
    ----------
    write : callable
        Returns the text of a value.
    empty : str
        Shown in grey where there is nothing.
    """

    def __init__(self, write: Callable[[Any], str], empty: str) -> None:
        self._value: Any = ()
        self._write = write
        self._line = LineEdit()
        super().__init__(widgets=[self._line], labels=False, layout="horizontal")
        self.margins = (0, 0, 0, 0)
        self._line.native.setPlaceholderText(empty)
        self._line.native.editingFinished.connect(self._on_edited)

    def get_value(self) -> Any:
        """Return the list, or text that has not been read yet."""
        return self._value

    def set_value(self, value: Any) -> None:
        """Set the list."""
        changed = value != self._value
        self._value = value
        self._line.value = value if isinstance(value, str) else self._write(value)
        if changed:
            self.changed.emit(value)

    def _on_edited(self) -> None:
        if self._line.value != self._write(self._value):
            self.value = self._line.value

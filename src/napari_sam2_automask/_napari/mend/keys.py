"""The keys of Mend mode: bound to the result's layer while the mode is on, and set in the settings file.

napari keeps its action manager and Preferences > Shortcuts for commands of its own: keys of plugins are not
listed there (0.9.2), so that they are kept under ``mend_keys`` in the file of the widget's choices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Labels

__all__ = ["DEFAULT_KEYS", "Keys", "keys_from"]

#: The keys of each command, as napari writes them. None is one of napari's own for a Labels layer that
#: is not drawn in, but for undo and redo, which contain what napari's would do.
DEFAULT_KEYS: dict[str, tuple[str, ...]] = {
    "remove": ("Delete", "Backspace"),
    "whole": (".",),
    "parts": (",",),
    "grow": ("G",),
    "shrink": ("Shift-G",),
    "lock": ("Shift-L",),
    "apply": ("Enter",),
    "sign": ("T",),
    "leave": ("Escape",),
    "undo": ("Control-Z",),
    "redo": ("Control-Shift-Z",),
}
#: Commands whose keys finish or give up a polygon of napari's.
POLYGON = ("apply", "leave")


def keys_from(chosen: Any) -> dict[str, tuple[str, ...]]:
    """Return the keys of each command: those chosen by a person, where they can be used, else the default."""
    chosen = chosen if isinstance(chosen, dict) else {}
    found = dict(DEFAULT_KEYS)
    for command, keys in chosen.items():
        listed = [keys] if isinstance(keys, str) else keys
        if command in found and isinstance(listed, list) and all(isinstance(key, str) for key in listed):
            found[command] = tuple(listed)
    return found


class Keys:
    """Binds commands to keys of one layer at a time.

    Parameters
    ----------
    commands : mapping of str to callable
        What each command does.
    keys : mapping of str to tuple of str
        The keys of each.
    """

    def __init__(
        self, commands: Mapping[str, Callable[[], None]], keys: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._commands, self._keys = commands, keys
        self._layer: Labels | None = None
        self._bound: list[str] = []

    def bind(self, layer: Labels | None, *, drawing: bool = False) -> None:
        """Bind the keys of a layer, and free those of the one before.

        With `drawing`, those that napari's polygon needs are left to it.
        """
        if self._layer is not None:
            for key in self._bound:
                self._layer.bind_key(key, None)
        self._layer, self._bound = layer, []
        if layer is None:
            return
        for command, keys in self._keys.items():
            for key in () if drawing and command in POLYGON else keys:
                try:
                    layer.bind_key(key, _calling(self._commands[command]), overwrite=True)
                except (TypeError, ValueError, KeyError):  # no key of that name
                    continue
                self._bound.append(key)


def _calling(command: Callable[[], None]) -> Callable[[Any], None]:
    def call(layer: Any) -> None:
        command()

    return call

"""Listening to one layer after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["listen"]


def listen(
    connections: list[tuple[Any, Any]], events: Iterable[Any], callback: Callable[..., None], keep: int = 0
) -> None:
    """Listen to the events of a layer in place of those of the one before.

    Parameters
    ----------
    connections : list of (event emitter, callback)
        What is connected; changed in place, for whoever disconnects all of it at the end.
    events : iterable of event emitter
        Of the layer; none to listen to no layer.
    callback : callable
        Called with each event.
    keep : int
        How many connections, the first of the list, are of other things and stay.
    """
    for event, before in connections[keep:]:
        event.disconnect(before)
    del connections[keep:]
    for event in events:
        event.connect(callback)
        connections.append((event, callback))

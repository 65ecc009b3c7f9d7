"""Links of a stack that a layer shows: changed by the thread that mends, painted by that of the window."""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2_automask.errors import MendError, SettingsError
from napari_sam2_automask.stack.linked_history import LinkedHistory
from napari_sam2_automask.stack.plane_mends import PlaneMends
from napari_sam2_automask.stack.splits_and_merges import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.answer import Answer
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.run.outcome import PlanesFound
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.stack.linked_history import Steps
    from napari_sam2_automask.stack.links import Links
    from napari_sam2_automask.stack.numbers import Plane
    from napari_sam2_automask.stack.relabelled import Relabelled

    Ready = list[tuple[LiveLayer, Answer]]

__all__ = ["StackLinks"]


class Planes(Protocol):
    """The planes of a stack that a layer shows, see `StackLayer`."""

    found: PlanesFound
    request: Request

    @property
    def ready(self) -> dict[Plane, LiveLayer]:
        """The planes that are ready."""

    def known(self) -> dict[Plane, Steps]:
        """Return what was done in each plane."""

    def forget_undone(self) -> None:
        """Let what was taken back in planes be done again no more."""

    def renumbered(self, planes: Iterable[Plane]) -> None:
        """Take note that planes get other labels by a change of links."""

    def position(self, plane: Plane) -> int:
        """Return the number of a plane, as links count them."""

    def labels_of(self, position: int) -> NDArray[Any]:
        """Return the labels of a plane (Y, X) as the layer holds them, a view."""


class StackLinks:
    """The links of a stack, and the one history of each of its planes.

    Parameters
    ----------
    stack : Planes
        The stack.
    links : Links
        Its links.

    Attributes
    ----------
    links : Links
        The links; `lock` is held while they are looked at or changed.
    tell : callable
        Called by the thread that mends with each change, and with what is to be known of the planes that are
        ready, for `paint_ready`.
    """

    def __init__(self, stack: Planes, links: Links) -> None:
        self._stack, self.links = stack, links
        self._history = LinkedHistory(links)
        self.lock = RLock()
        self.tell: Callable[[Relabelled, Ready], None] = lambda change, ready: None
        # Changes, the oldest first, each with the planes that the layer does not show it in yet.
        self._unpainted: list[tuple[Relabelled, set[int]]] = []
        self._painting = Lock()

    # -- for the thread that does the work

    def do(self, act: Callable[[Links], Relabelled]) -> None:
        """Change links.

        Raises
        ------
        MendError
            If it cannot be done; nothing has changed.
        """
        self._change(lambda planes: self._history.do(act, planes), fresh=True)

    def undo(self, mends: Mends) -> Done | None:
        """Take back what was done last, in the plane or to the links; None for links, which `tell` tells."""
        if not self._history.link_is_last(_plane(mends), mends):
            return mends.undo()
        self._change(self._history.undo)
        return None

    def redo(self, mends: Mends) -> Done | None:
        """Do again what was taken back last, in the plane or to the links; see `undo`."""
        if not self._history.link_is_next(_plane(mends), mends):
            return mends.redo()
        self._change(self._history.redo)
        return None

    def next_undo(self, mends: Mends) -> Action | str | None:
        """Return what `undo` would take back; of links the name of the action."""
        last = self._history.link_is_last(_plane(mends), mends)
        return self.links.next_undo if last else mends.next_undo

    def next_redo(self, mends: Mends) -> Action | str | None:
        """Return what `redo` would do again; of links the name of the action."""
        following = self._history.link_is_next(_plane(mends), mends)
        return self.links.next_redo if following else mends.next_redo

    def labels_now(self, position: int) -> NDArray[Any]:
        """Return the labels of a plane (Y, X), a copy, with all changes of links that were made."""
        with self._painting:
            labels: NDArray[Any] = np.array(self._stack.labels_of(position))
            for change, left in self._unpainted:
                if position in left:
                    change.paint(labels, position)
        return labels

    def forget(self, planes: list[Plane]) -> None:
        """Take note that planes were segmented anew."""
        self._history.forget(planes)

    # -- other sessions

    def kept(self) -> dict[str, Any] | None:
        """Return what was done to the links, ready for JSON; None for nothing."""
        with self.lock:
            count, events = len(self.links.changes), [event.text for event in self.links.events]
        numbers = self._stack.found.numbers
        planes = [[list(plane), sorted(numbers.of(plane).items())] for plane in numbers.planes]
        return {"changes": count, "events": events, "planes": planes} if count else None

    def restore(self, kept: Any) -> None:
        """Do to the links what `kept` told, where nothing was done to them since.

        Raises
        ------
        MendError
            If it cannot be read, or be done.
        """
        if self.links.changes:
            return
        numbers = self._stack.found.numbers
        changed: dict[int, dict[int, int]] = {}
        try:
            events = [Event.of(text) for text in kept["events"]]
            for place, pairs in kept["planes"]:
                plane = tuple(int(one) for one in place)
                now = numbers.of(plane)
                wanted = {now[label]: int(number) for label, number in pairs if label in now}
                if moved := {old: new for old, new in wanted.items() if old != new}:
                    changed[self._stack.position(plane)] = moved
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise MendError("the links that were kept are damaged: cut and join them again") from error
        self.do(lambda links: links.restore(changed, events))

    def _change(self, act: Callable[[dict[Plane, Steps]], Relabelled], *, fresh: bool = False) -> None:
        stack, links = self._stack, self.links
        numbers, places = stack.found.numbers, stack.request.source.all_indices()
        ready = stack.ready
        with self.lock:
            for position in map(stack.position, ready):  # the table tells of the last mends only later
                links.look(position, self.labels_now(position))
            links.reserve(numbers.largest)
            change = act(stack.known())
        if fresh:
            stack.forget_undone()
        for position, pairs in change.numbers.items():
            plane = places[position]
            labels = [(numbers.label(plane, old), new) for old, new in pairs.items()]
            numbers.put(plane, [(label, new) for label, new in labels if label])
        numbers.largest = max(numbers.largest, links.next_number - 1)
        stack.renumbered(places[position] for position in change.numbers)
        with self._painting:
            self._unpainted.append((change, set(change.numbers)))
        self.tell(change, [(one, one.ask()()) for one in ready.values()])

    # -- for the window

    def paint_ready(self, change: Relabelled, ready: Ready) -> None:
        """Put a change into the planes that are ready, together: what is done in them goes by it now."""
        for follower, answer in ready:
            assert follower.plane is not None
            position = self._stack.position(follower.plane)

            def paint(labels: NDArray[Any], position: int = position) -> None:
                change.paint(labels, position)

            with self._painting:
                for one, left in self._unpainted:
                    if one is change:
                        left.discard(position)
                    elif position in left:  # from before the plane was made ready
                        left.discard(position)
                        one.paint(self._stack.labels_of(position), position)
                follower.renumber(answer, paint)

    def paint_next(self) -> list[Relabelled] | None:
        """Put changes into one more plane; return those that show in all planes now, None if all did."""
        with self._painting:
            if not self._unpainted:
                return None
            change, left = self._unpainted[0]
            if left:
                position = left.pop()
                change.paint(self._stack.labels_of(position), position)
            shown = [change for change, left in self._unpainted if not left]
            self._unpainted = [one for one in self._unpainted if one[1]]
        return shown

    def catch_up(self, plane: Plane) -> None:
        """Put all changes into the layer's data of a plane that was just made ready, which knows of them."""
        position = self._stack.position(plane)
        with self._painting:
            for change, left in self._unpainted:
                if position in left:
                    left.discard(position)
                    change.paint(self._stack.labels_of(position), position)


def _plane(mends: Mends) -> Plane:
    assert isinstance(mends, PlaneMends)
    return mends.plane

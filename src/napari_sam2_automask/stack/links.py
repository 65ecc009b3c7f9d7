"""Links between planes put right by hand: cut, joined and divided, in z or in time, with undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.overlaps import regions
from napari_sam2_automask.stack.linked_planes import Linked, link_planes, linked_table
from napari_sam2_automask.stack.relabelled import Relabelled, is_after, renamed
from napari_sam2_automask.stack.splits_and_merges import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.stack.linked_planes import Axis

__all__ = ["Links"]

_NODES = ("number", "plane", "label", "area", "y", "x")


class _Step(NamedTuple):
    done: Relabelled
    back: Relabelled


@dataclass(eq=False)
class Links:
    """Objects that have one number in all their planes.

    Parameters
    ----------
    nodes : dict of str to ndarray
        One entry per object and plane, as of `Linked`.
    events : tuple of Event
        Splits and merges.
    axis : {"z", "t"}
        What the planes are.
    spacing, unit
        As for `link_planes`.
    labels : (P, Y, X) int array, optional
        The labels; every action changes them in place. Without them only the numbers are kept, and who holds
        the labels paints what an action returns.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_sam2_automask.stack import Links, link_planes
    >>> planes = np.zeros((3, 4, 4), int)
    >>> planes[:, :2, :2] = 1
    >>> links = Links.of(link_planes(planes))
    >>> links.cut(1, 2).labels
    (1, 2)
    >>> links.labels[:, 0, 0].tolist()
    [1, 1, 2]
    >>> _ = links.undo()
    >>> links.labels[:, 0, 0].tolist()
    [1, 1, 1]
    """

    nodes: dict[str, NDArray[Any]]
    events: tuple[Event, ...] = ()
    axis: Axis = "z"
    spacing: tuple[float, float, float] | None = None
    unit: str = "px"
    labels: NDArray[Any] | None = None
    _done: list[_Step] = field(default_factory=list)
    _undone: list[_Step] = field(default_factory=list)
    _largest: int = 0
    # Splits and merges of objects that are not there now, and may come back.
    _hidden: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        self._largest = max(self._largest, int(self.nodes["number"].max(initial=0)))

    @classmethod
    def of(
        cls,
        linked: Linked,
        axis: Axis = "z",
        spacing: tuple[float, float, float] | None = None,
        unit: str = "px",
    ) -> Links:
        """Return the links of what `link_planes` gave; its labels are copied."""
        return cls(dict(linked.nodes), linked.events, axis, spacing, unit, linked.labels.copy())

    # -- what there is

    @property
    def next_number(self) -> int:
        """The number of the next new object."""
        return self._largest + 1

    @property
    def table(self) -> pd.DataFrame:
        """One row per object, see `link_planes`."""
        return linked_table(self.nodes, self.events, self.axis, self.spacing, self.unit)

    @property
    def linked(self) -> Linked:
        """All of it as `link_planes` returns it, for `tracks`; without labels these are of no planes."""
        labels = np.zeros((0, 0, 0), np.uint32) if self.labels is None else self.labels
        return Linked(labels, self.table, self.events, self.nodes)

    @property
    def next_undo(self) -> str | None:
        """What `undo` would take back."""
        return self._done[-1].done.action if self._done else None

    @property
    def next_redo(self) -> str | None:
        """What `redo` would do again."""
        return self._undone[-1].done.action if self._undone else None

    @property
    def changes(self) -> tuple[Relabelled, ...]:
        """Every change that counts, the oldest first."""
        return tuple(step.done for step in self._done)

    def reserve(self, largest: int) -> None:
        """Give out no number up to this one: it was given out elsewhere."""
        self._largest = max(self._largest, largest)

    def planes_of(self, number: int) -> list[int]:
        """Return the planes that an object is seen in, in order.

        Raises
        ------
        MendError
            If there is none.
        """
        found = np.unique(self.nodes["plane"][self.nodes["number"] == number]).tolist()
        if not found:
            raise MendError(f"there is no object {number}: choose one that shows")
        return [int(plane) for plane in found]

    def look(self, plane: int, labels: NDArray[Any]) -> None:
        """Take note of the objects of a plane as they are now.

        Parameters
        ----------
        plane : int
            Which plane.
        labels : (Y, X) int array
            Its labels, in the numbers of the stack.
        """
        seen = regions(labels)
        count = len(seen)
        new = {
            "number": seen.ids.astype(np.int64),
            "plane": np.full(count, plane),
            "label": seen.ids.astype(np.int64),
            "area": seen.areas,
            "y": seen.centroids[:, 0],
            "x": seen.centroids[:, 1],
        }
        others = self.nodes["plane"] != plane
        both = {name: np.concatenate([self.nodes[name][others], new[name]]) for name in _NODES}
        order = np.lexsort((both["label"], both["plane"]))
        self.nodes = {name: values[order] for name, values in both.items()}
        self._largest = max(self._largest, int(self.nodes["number"].max(initial=0)))
        self._show(self._known)

    @property
    def _known(self) -> tuple[Event, ...]:
        return (*self.events, *self._hidden)

    def _show(self, known: tuple[Event, ...]) -> None:
        """Tell of splits and merges only while their objects are there."""
        alive = set(self.nodes["number"].tolist())
        self.events = tuple(e for e in known if {e.number, e.other} <= alive)
        self._hidden = tuple(e for e in known if not {e.number, e.other} <= alive)

    # -- actions

    def cut(self, number: int | Sequence[int], plane: int, into: int | None = None) -> Relabelled:
        """Let an object end before a plane; from there on it is another one.

        Parameters
        ----------
        number : int or sequence of int
            The object, or several, in one step.
        plane : int
            The first plane of the new object.
        into : int, optional
            Its number, and of further ones the numbers that follow; the next one when left out.

        Returns
        -------
        Relabelled
            Its `labels` are each object and the new one that it is from there on.

        Raises
        ------
        MendError
            If an object does not lie on both sides; nothing has changed then.
        """
        objects = list(dict.fromkeys(np.atleast_1d(number).tolist()))
        if not objects:
            raise MendError("cut takes one object at least")
        new, events = self.next_number if into is None else into, self._known
        numbers: dict[int, dict[int, int]] = {}
        pairs = [(one, new + k) for k, one in enumerate(objects)]
        for one, other in pairs:
            moved, events = self._cut(one, plane, other, events)
            _join(numbers, moved)
        return self._do("cut", numbers, events, tuple(label for pair in pairs for label in pair))

    def join(self, number: int, other: int) -> Relabelled:
        """Let two objects of different planes be one, with the number of the first.

        Raises
        ------
        MendError
            If both are seen in one plane.
        """
        mine, theirs = self.planes_of(number), self.planes_of(other)
        if number == other:
            raise MendError(f"object {number} is one already: choose two")
        if both := sorted(set(mine) & set(theirs)):
            raise MendError(
                f"objects {number} and {other} are both in plane {both[0]}: merge them there, or cut one"
            )
        events = tuple(e for e in (renamed(e, other, number) for e in self._known) if e.number != e.other)
        return self._do("join", {plane: {other: number} for plane in theirs}, events, (number,))

    def divide(self, number: int, plane: int, parts: Sequence[int]) -> Relabelled:
        """Let an object divide into parts that are seen from a plane on.

        Parameters
        ----------
        number : int
            The object before; it ends there, and where it goes on it is one of the parts under a new number.
        plane : int
            The first plane of the parts.
        parts : sequence of int
            The numbers of objects in that plane. One that is seen before, too, is cut there.

        Raises
        ------
        MendError
            If the object is not seen before the plane, or a part is not seen in it.
        """
        if min(self.planes_of(number)) >= plane:
            raise MendError(f"object {number} is not seen before plane {plane}: choose one that is")
        new, events = self.next_number, self._known
        numbers: dict[int, dict[int, int]] = {}
        found: list[int] = []
        for part in dict.fromkeys([*parts, *([number] if plane in self.planes_of(number) else [])]):
            planes = self.planes_of(part)
            if plane not in planes:
                raise MendError(f"object {part} is not seen in plane {plane}: choose parts that are")
            if min(planes) < plane:
                moved, events = self._cut(part, plane, new, events)
                _join(numbers, moved)
                found.append(new)
                new += 1
            else:
                found.append(part)
        if len(found) < 2:
            raise MendError(f"object {number} has one part only in plane {plane}: choose two at least")
        events = tuple(e for e in events if not (e.kind == "split" and e.other in found and e.plane == plane))
        events += tuple(Event("split", plane, number, part) for part in found)
        return self._do("divide", numbers, events, (number, *found))

    def link(self, labels: Iterable[NDArray[Any]] | None = None, **how: Any) -> Relabelled:
        """Link all planes anew by how objects overlap, see `link_planes`; all objects get new numbers.

        Parameters
        ----------
        labels : iterable of (Y, X) int arrays, optional
            The planes as they are now; those that are held when left out.
        **how
            Further arguments of `link_planes`.
        """
        planes = self.labels if labels is None else labels
        if planes is None:
            raise MendError("the labels are not known: give them")
        found = link_planes(list(planes), axis=self.axis, spacing=self.spacing, unit=self.unit, **how)
        first, nodes = self._largest, found.nodes
        numbers: dict[int, dict[int, int]] = {}
        for plane, label, number in zip(nodes["plane"], nodes["label"], nodes["number"], strict=True):
            numbers.setdefault(int(plane), {})[int(label)] = first + int(number)
        events = tuple(Event(e.kind, e.plane, first + e.number, first + e.other) for e in found.events)
        return self._do("link", numbers, events, ())

    def restore(self, numbers: Mapping[int, Mapping[int, int]], events: Iterable[Event]) -> Relabelled:
        """Let objects have the numbers, and be told of the splits and merges, that were kept of them.

        Parameters
        ----------
        numbers : mapping of int to mapping of int to int
            For each plane the new number of each object that gets one.
        events : iterable of Event
            All splits and merges.

        Raises
        ------
        MendError
            If two objects of a plane would have one number.
        """
        given = {plane: dict(pairs) for plane, pairs in numbers.items()}
        return self._do("restore", given, tuple(events), ())

    def undo(self) -> Relabelled:
        """Take the last action back.

        Raises
        ------
        MendError
            If there is none, or a number that comes back is another object's since.
        """
        if not self._done:
            raise MendError("there is nothing to undo in the links")
        change = self._put(self._done[-1].back)
        self._undone.append(self._done.pop())
        return change

    def redo(self) -> Relabelled:
        """Do the action again that was taken back last.

        Raises
        ------
        MendError
            If there is none, or a number that comes back is another object's since.
        """
        if not self._undone:
            raise MendError("there is nothing to redo in the links")
        change = self._put(self._undone[-1].done)
        self._done.append(self._undone.pop())
        return change

    def _cut(
        self, number: int, plane: int, new: int, events: tuple[Event, ...]
    ) -> tuple[dict[int, dict[int, int]], tuple[Event, ...]]:
        planes = self.planes_of(number)
        if not planes[0] < plane <= planes[-1]:
            raise MendError(
                f"object {number} is seen in planes {planes[0]} to {planes[-1]}: cut it at a later one"
            )
        moved = {one: {number: new} for one in planes if one >= plane}
        return moved, tuple(renamed(e, number, new) if is_after(e, number, plane) else e for e in events)

    def _do(
        self,
        action: Literal["cut", "join", "divide", "link", "restore"],
        numbers: dict[int, dict[int, int]],
        events: tuple[Event, ...],
        labels: tuple[int, ...],
    ) -> Relabelled:
        back = {plane: {new: old for old, new in pairs.items()} for plane, pairs in numbers.items()}
        undone = Relabelled(action, back, self._known, labels, back=True)
        step = _Step(Relabelled(action, numbers, events, labels), undone)
        self._put(step.done)
        self._done.append(step)
        self._undone.clear()
        return step.done

    def _put(self, change: Relabelled) -> Relabelled:
        number = self.nodes["number"].copy()
        for plane, pairs in change.numbers.items():
            there = set(number[self.nodes["plane"] == plane].tolist()) - pairs.keys()
            if both := sorted(there & set(pairs.values())):
                raise MendError(
                    f"object {both[0]} was painted in plane {plane} since: undo that there first, or merge it"
                )
        for plane, pairs in change.numbers.items():
            here = self.nodes["plane"] == plane
            places = [(here & (number == old), new) for old, new in pairs.items()]
            for place, new in places:
                number[place] = new
            if self.labels is not None:
                self._widen(max(pairs.values(), default=0))
                change.paint(self.labels[plane], plane)
        self.nodes = {**self.nodes, "number": number}
        self._show(change.events)
        self._largest = max(
            [self._largest, *(n for pairs in change.numbers.values() for n in pairs.values())]
        )
        return change

    def _widen(self, largest: int) -> None:
        assert self.labels is not None
        if largest > np.iinfo(self.labels.dtype).max:
            self.labels = self.labels.astype(np.uint32)


def _join(numbers: dict[int, dict[int, int]], more: Mapping[int, Mapping[int, int]]) -> None:
    """Add new numbers of planes to others, in place."""
    for plane, pairs in more.items():
        numbers.setdefault(plane, {}).update(pairs)

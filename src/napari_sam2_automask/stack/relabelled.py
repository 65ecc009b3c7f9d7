"""What an action on links changes: the numbers of objects, and what is known of splits and merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.stack.splits_and_merges import Event

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Relabelled", "is_after", "renamed"]

# More numbers than this are looked up; fewer are looked for one by one.
_FEW = 4
# Up to this number they are looked up in a list as long as the largest one; beyond it by sorting.
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Numbers of objects that changed, and what is known of splits and merges now.

    Attributes
    ----------
    action : str
        "cut", "join", "divide" or "link".
    numbers : dict of int to dict of int to int
        For each plane the new number of each object that got one.
    events : tuple of Event
        The splits and merges, those of objects that do not show at the moment included.
    labels : tuple of int
        The objects that were meant.
    back : bool
        Whether the action was taken back by this.
    """

    action: str
    numbers: dict[int, dict[int, int]]
    events: tuple[Event, ...]
    labels: tuple[int, ...] = ()
    back: bool = False

    def paint(self, labels: NDArray[Any], plane: int) -> None:
        """Put the new numbers into the labels (Y, X) of a plane, in place."""
        moved = self.numbers.get(plane, {})
        if len(moved) > _FEW:
            old = np.array(sorted(moved))
            new = np.array([moved[one] for one in old.tolist()])
            largest = max(int(labels.max(initial=0)), int(old[-1]))
            if largest > _LONGEST:
                places = np.minimum(np.searchsorted(old, labels), len(old) - 1)
                mine = old[places] == labels
                labels[mine] = new[places[mine]]
                return
            table = np.arange(largest + 1)
            table[old] = new
            labels[...] = table[labels]
            return
        found = [(labels == one, other) for one, other in moved.items()]
        for place, other in found:  # all are looked for before one is changed
            labels[place] = other


def renamed(event: Event, old: int, new: int) -> Event:
    """Return an event with another number for an object."""
    number, other = (new if one == old else one for one in (event.number, event.other))
    return Event(event.kind, event.plane, number, other)


def is_after(event: Event, number: int, plane: int) -> bool:
    """Tell whether what an event says of an object is of its part from a plane on."""
    if event.number == number:
        return event.plane >= plane
    return event.other == number and event.kind == "merge"

"""Splits and merges of linked objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam2_automask.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.stack.assignment import Edges

__all__ = ["Event", "find_events"]

# A new object was split off another, and a lost one was merged into another, from this fraction of it inside.
_INSIDE = 0.5
# ... and if counting it in brings the whole this much IoU nearer to what it was before, or is afterwards.
_GAIN = 0.06


@dataclass(frozen=True, slots=True)
class Event:
    """An object that came from another or went into another.

    Attributes
    ----------
    kind : {"split", "merge"}
        A split: `other` is new and was part of `number`. A merge: `other` ended and is part of `number` now.
    plane : int
        The first plane after it: where the new object starts, or where the merged one is first seen.
    number, other : int
        Numbers in the linked labels.
    """

    kind: Literal["split", "merge"]
    plane: int
    number: int
    other: int

    @property
    def text(self) -> str:
        """The event as a record tells it; `of` reads it."""
        return f"{self.kind} at plane {self.plane}: {self.other} and {self.number}"

    @classmethod
    def of(cls, text: str) -> Event:
        """Read what `text` gave.

        Raises
        ------
        SettingsError
            If it is something else.
        """
        found = re.fullmatch(r"(split|merge) at plane (\d+): (\d+) and (\d+)", text)
        if found is None:
            raise SettingsError(f"{text!r} is neither a split nor a merge: use a record that was not edited")
        kind = "split" if found[1] == "split" else "merge"
        return cls(kind, int(found[2]), int(found[4]), int(found[3]))  # type: ignore[arg-type]


def find_events(
    nodes: dict[str, NDArray[Any]], edges: Edges, successor: NDArray[np.intp]
) -> tuple[Event, ...]:
    """Find the splits and merges among linked objects.

    Parameters
    ----------
    nodes : dict of str to ndarray of shape (N,)
        At least the ``number`` and ``plane`` of each object in each plane.
    edges : Edges
        Which of them overlap.
    successor : ndarray of int, shape (N,)
        The links chosen: the node that each goes on as, -1 for none.

    Returns
    -------
    tuple of Event
        In order of plane. A part counts if most of it lies inside the whole, and if with it the whole is more
        like what it was before, or is afterwards.
    """
    number, plane = nodes["number"], nodes["plane"]
    predecessor = np.full(len(successor), -1, np.intp)
    predecessor[successor[successor >= 0]] = np.flatnonzero(successor >= 0)
    pair = {(int(a), int(b)): e for e, (a, b) in enumerate(zip(edges.source, edges.target, strict=True))}
    new = (predecessor[edges.target] < 0) & (edges.in_target >= _INSIDE)
    lost = (successor[edges.source] < 0) & (edges.in_source >= _INSIDE)
    found: dict[tuple[str, int], tuple[float, Event]] = {}
    for e in np.flatnonzero(new | lost):
        source, target = int(edges.source[e]), int(edges.target[e])
        for kind, holds, keeper, other, whole in (
            ("split", new[e], source, target, (source, int(successor[source]))),
            ("merge", lost[e], target, source, (int(predecessor[target]), target)),
        ):
            gain = _gain(edges, int(e), pair.get(whole)) if holds else 0.0
            if gain > found.get((kind, other), (_GAIN,))[0] and number[keeper] != number[other]:
                event = Event(kind, int(plane[target]), int(number[keeper]), int(number[other]))  # type: ignore[arg-type]
                found[kind, other] = gain, event
    return tuple(sorted((e for _, e in found.values()), key=lambda e: (e.plane, e.kind, e.number, e.other)))


def _gain(edges: Edges, part: int, link: int | None) -> float:
    """Return by how much IoU a link gains if the part is counted in, 0 where the link is of other planes."""
    if link is None or edges.gap[link] != edges.gap[part]:
        return 0.0
    # One end of the link and of the part is the same object, the whole: its area is the unit.
    same_source = edges.source[link] == edges.source[part]
    inside, other = (edges.in_source, edges.in_target) if same_source else (edges.in_target, edges.in_source)
    shared = float(inside[link] + inside[part])
    areas = float(inside[link] / other[link] + inside[part] / other[part])
    return shared / (1.0 + areas - shared) - float(edges.iou[link])

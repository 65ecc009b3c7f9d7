"""The axes of planes in the labels of a large image: those of the image, in the order of OME-Zarr."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PlaneAxes"]

_NAMES = {"T": "t", "Z": "z"}
#: Planes of several axes that are neither time nor z: OME-Zarr has one axis for all of them.
_OTHERS = "plane"


def _is_free(axis: str) -> bool:
    """Tell whether a letter is for planes of no known meaning; Q and I are by convention."""
    return axis.islower() or axis in "QI"


@dataclass(frozen=True)
class PlaneAxes:
    """Where planes, counted over all axes of an image that are planes, lie along the axes of its labels.

    Attributes
    ----------
    counts : tuple of int
        How many positions there are along each of these axes of the image, in its order.
    names : tuple of str
        What the axes of the labels are called: ``"t"`` first, then one that is neither, then ``"z"``.
    sources : tuple of tuple of int
        Which of the image's axes each of them is of; several are counted, the last one fastest.
    """

    counts: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    sources: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, counts: Mapping[str, int], along: str | None = None) -> PlaneAxes:
        """Return the axes for an image.

        Parameters
        ----------
        counts : mapping of str to int
            How many positions there are along each axis of planes, by its letter. Small letters are planes
            of no known meaning, which have no axis where there is only one.
        along : {"z", "t"}, optional
            What planes of no known meaning are, z if left out; given, it is also what the planes of an image
            are that has one axis of them.
        """
        letters = list(counts)
        kept = [k for k, axis in enumerate(letters) if counts[axis] > 1 or not _is_free(axis)]
        one, free = along or "z", [k for k in kept if _is_free(letters[k])]
        if len(kept) == 1 and (free or (along and letters[kept[0]] in _NAMES)):
            found = {one: kept}
        else:
            known = {_NAMES[letters[k]]: [k] for k in kept if letters[k] in _NAMES}
            others = [k for k in kept if letters[k] not in _NAMES]
            if free and one not in known:
                known[one] = free
                others = [k for k in others if k not in free]
            lone = letters[others[0]] if len(others) == 1 else ""
            name = _OTHERS if not lone or _is_free(lone) else lone.lower()
            found = known | ({name: others} if others else {})
        names = tuple(sorted(found, key=lambda name: {"t": 0, "z": 2}.get(name, 1)))
        return cls(tuple(counts.values()), names, tuple(tuple(found[name]) for name in names))

    @property
    def count(self) -> int:
        """How many planes there are."""
        return math.prod(self.counts)

    @property
    def shape(self) -> tuple[int, ...]:
        """How long the axes of the labels are."""
        return tuple(math.prod(self.counts[k] for k in own) for own in self.sources)

    def places(self, planes: ArrayLike) -> list[NDArray[Any]]:
        """Return where planes lie along each axis of the labels, an array of the planes' shape for each."""
        where = np.unravel_index(np.asarray(planes), self.counts) if self.counts else ()
        found = []
        for own in self.sources:
            place = np.zeros(np.shape(planes), np.int64)
            for k in own:
                place = place * self.counts[k] + where[k]
            found.append(place)
        return found

    def in_own_order(self, labels: Any) -> Any:
        """Return labels with the axes of planes that the image has, in its order.

        Parameters
        ----------
        labels : array of any kind, shape (planes along these axes ..., Y, X)
            NumPy, dask.
        """
        kept = [k for own in self.sources for k in own]
        split = labels.reshape((*(self.counts[k] for k in kept), *labels.shape[-2:]))
        order = [kept.index(k) for k in sorted(kept)]
        return split.transpose((*order, len(kept), len(kept) + 1))

    def index(self, plane: int) -> tuple[int, ...]:
        """Return where a plane lies along each axis of the labels."""
        return tuple(int(place) for place in self.places(plane))

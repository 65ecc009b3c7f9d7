"""The numbers that objects of single planes have in a whole stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_automask.errors import MendError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["Numbers", "Plane"]

# The largest label of a plane: numbers are looked up in a list as long as that.
_LONGEST = 1 << 24

#: Where a plane lies along the axes that planes are counted along.
Plane: TypeAlias = tuple[int, ...]


class Numbers:
    """For each plane, which number in the stack its labels have.

    In a plane a number belongs to one label at most. Labels that are new get the next number of the stack,
    and no number that was given out is given out again.

    Parameters
    ----------
    planes : mapping of plane index to mapping of int to int
        For each plane the numbers of its labels.
    """

    def __init__(self, planes: Mapping[Plane, Mapping[int, int]] | None = None) -> None:
        self._numbers: dict[Plane, dict[int, int]] = {}
        self._labels: dict[Plane, dict[int, int]] = {}
        self.largest = 0
        for plane, known in (planes or {}).items():
            self.put(plane, known.items())

    @property
    def planes(self) -> list[Plane]:
        """The planes, in order."""
        return sorted(self._numbers)

    def of(self, plane: Plane) -> dict[int, int]:
        """Return the numbers of a plane's labels, a copy."""
        return dict(self._numbers.get(plane, {}))

    def put(self, plane: Plane, pairs: Iterable[tuple[int, int]]) -> None:
        """Let labels of a plane have these numbers; a label that had one of them has none then."""
        numbers = self._numbers.setdefault(plane, {})
        labels = self._labels.setdefault(plane, {})
        for label, number in pairs:
            if (before := numbers.pop(label, None)) is not None:
                del labels[before]
            if (other := labels.pop(number, None)) is not None:
                del numbers[other]
            numbers[label], labels[number] = number, label
            self.largest = max(self.largest, number)

    def forget(self, plane: Plane, label: int) -> None:
        """Let a label have no number."""
        number = self._numbers.get(plane, {}).pop(label, None)
        if number is not None:
            del self._labels[plane][number]

    def number(self, plane: Plane, label: int) -> int:
        """Return the number of a label of a plane, the next one if it has none yet."""
        found = self._numbers.setdefault(plane, {}).get(label)
        if found is None:
            found = self.largest + 1
            self.put(plane, [(label, found)])
        return found

    def label(self, plane: Plane, number: int) -> int:
        """Return the label that has a number in a plane, 0 for none."""
        return self._labels.get(plane, {}).get(number, 0)

    def table(self, plane: Plane, labels: NDArray[np.integer[Any]]) -> NDArray[np.uint32]:
        """Return the numbers of all labels that occur, to be looked up by label; 0 for those that do not.

        Parameters
        ----------
        plane : tuple of int
            The plane.
        labels : (Y, X) int array
            Its labels; those without a number get the next ones, in order.

        Raises
        ------
        MendError
            If a label is too large to be looked up.
        """
        if (largest := int(labels.max(initial=0))) > _LONGEST:
            raise MendError(
                f"a plane has the label {largest:,}, and labels of planes go up to {_LONGEST:,}: number its "
                "objects from 1, and tell the numbers that they have in the stack"
            )
        seen = np.flatnonzero(np.bincount(labels.ravel(), minlength=1))
        known = self._numbers.setdefault(plane, {})
        found = np.zeros(max(int(seen.max(initial=0)), max(known, default=0)) + 1, np.uint32)
        for label in seen.tolist():
            if label:
                self.number(plane, label)
        for label, number in known.items():
            found[label] = number
        return found

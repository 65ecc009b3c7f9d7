"""Mends of one plane of a stack, told in the numbers that objects have in the whole stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.actions import MOST
from napari_sam2_automask.mending.history import LIMIT
from napari_sam2_automask.mending.mends import Done, Mends

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Point
    from napari_sam2_automask.mending.state import Kept
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.stack.numbers import Numbers, Plane

__all__ = ["LARGEST", "PlaneMends"]

# So many numbers are left for new objects of the stack, whatever number a person gives to one.
_ROOM = 1 << 20
LARGEST = MOST - _ROOM
"""The largest number that an object of a stack can be given."""


class PlaneMends(Mends):
    """What a person does to the objects of one plane.

    All as `Mends`, but objects are told by their numbers in the stack: what is given, what an action leaves
    and the label image. Inside, and so in `steps`, `to_json` and `replay`, the labels are those of the plane,
    which do not depend on other planes. A number of another plane that is painted here is that object's, too.

    Parameters
    ----------
    start, settings, limit
        As for `Mends`.
    numbers : Numbers
        Those of the stack; new objects get the next ones.
    plane : tuple of int
        Which plane it is.
    """

    def __init__(
        self,
        start: LiveSelection | Candidates | ArrayLike,
        settings: AmgSettings | None = None,
        *,
        numbers: Numbers,
        plane: Plane,
        limit: int = LIMIT,
    ) -> None:
        super().__init__(start, settings, limit=limit)
        self.numbers, self.plane = numbers, plane

    # -- what there is

    @property
    def labels(self) -> NDArray[np.unsignedinteger[Any]]:
        """The label image, (Y, X) uint32, in the numbers of the stack; made anew at each look."""
        numbered: NDArray[np.uint32] = self.table[self._start.labels]
        return numbered

    @property
    def table(self) -> NDArray[np.uint32]:
        """The number in the stack of each label of the plane that shows, to be looked up by label."""
        return self.numbers.table(self.plane, self._start.labels)

    @property
    def kept(self) -> Mapping[int, Kept]:
        """The locked objects: what was done to each, and what is known of it, by number."""
        return {self._number(label): one for label, one in sorted(self._state.kept.items())}

    @property
    def edited(self) -> dict[int, str]:
        """What was done last to each locked object, by number: "added", "split", ..., or "locked"."""
        return {number: one.edited for number, one in self.kept.items()}

    @property
    def removed(self) -> frozenset[int]:
        """The numbers of objects that were removed and are not there."""
        return frozenset(self._number(label) for label in sorted(super().removed))

    @property
    def next_label(self) -> int:
        """The number of the next new object: above every number in the stack."""
        return self.numbers.largest + 1

    def label_at(self, point: Point) -> int:
        """Return the object at a point (y, x) in pixels, 0 for none."""
        label = super().label_at(point)
        return self._number(label) if label else 0

    def placed(self, label: int) -> Placed:
        """Return the pixels of an object that show."""
        return super().placed(self._label(label))

    # -- actions

    def do(self, action: Action) -> Done:
        """Do any action, told in the numbers of the stack.

        Raises
        ------
        MendError
            If it cannot be done; nothing has changed.
        """
        given: list[int] = []
        try:
            done = self._do(self._inward(action, given))
        except MendError:
            for label in given:
                self.numbers.forget(self.plane, label)
            raise
        return done._replace(labels=tuple(self._number(label) for label in done.labels))

    def preview(self, action: Action) -> dict[int, Placed]:
        """Return the pixels that objects would have after an action, by number; nothing changes."""
        given: list[int] = []
        try:
            found = self._preview(self._inward(action, given))
        finally:
            for label in given:
                self.numbers.forget(self.plane, label)
        known, coming = self.numbers.of(self.plane), self.numbers.largest
        numbers: dict[int, Placed] = {}
        for label, placed in found.items():
            coming += label not in known
            numbers[known.get(label, coming)] = placed
        return numbers

    # -- other planes

    @property
    def own_used(self) -> int:
        """The largest label of the plane that was given out."""
        return self._state.used

    def own(self, labels: Iterable[int]) -> tuple[int, ...]:
        """Return the labels of the plane that numbers of the stack have; those of other planes have none."""
        found = (self.numbers.label(self.plane, number) for number in labels)
        return tuple(label for label in found if label)

    def _number(self, label: int) -> int:
        return self.numbers.number(self.plane, label)

    def _label(self, number: int) -> int:
        label = self.numbers.label(self.plane, number)
        if not label:
            raise MendError(f"there is no object {number} in this plane: choose one that shows")
        return label

    def _new(self, number: int, given: list[int]) -> int:
        """Return the label of a number that may be new to this plane."""
        label = self.numbers.label(self.plane, number)
        if not label:
            if number > LARGEST:
                raise MendError(
                    f"object {number:,} would leave no numbers for new objects of the stack: give it one up "
                    f"to {LARGEST:,}"
                )
            label = max(self._state.used, *given, 0) + 1
            given.append(label)
            self.numbers.put(self.plane, [(label, number)])
        return label

    def _inward(self, action: Action, given: list[int]) -> Action:
        """Return an action in the labels of the plane."""
        told: dict[str, Any] = {}
        kind = action.action  # type: ignore[attr-defined]
        if kind == "paint":
            told["patches"] = tuple(
                patch.model_copy(update={"label": self._new(patch.label, given)}) if patch.label else patch
                for patch in action.patches  # type: ignore[attr-defined]
            )
        elif kind == "add" and (number := action.label) is not None:  # type: ignore[attr-defined]
            told["label"] = self._new(number, given)
        elif kind in ("split", "step") and action.into:  # type: ignore[attr-defined]
            told["into"] = tuple(self._new(number, given) for number in action.into)  # type: ignore[attr-defined]
        if kind != "add" and getattr(action, "label", None):
            told["label"] = self._label(action.label)  # type: ignore[attr-defined]
        if kind in ("remove", "merge", "grow", "lock", "release"):
            told["labels"] = tuple(self._label(number) for number in action.labels)  # type: ignore[attr-defined]
        if kind == "merge":
            told["keep"] = self._label(action.keep)  # type: ignore[attr-defined]
        return action.model_copy(update=told) if told else action

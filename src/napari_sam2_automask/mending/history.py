"""Steps that can be taken back and done again, within a bound of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.state import Change

__all__ = ["History"]

#: Bytes of what steps replaced; the oldest cannot be taken back any more where there is more.
LIMIT = 64 << 20


class _Entry(NamedTuple):
    action: Action
    change: Change | None


class History:
    """One line of steps.

    Parameters
    ----------
    limit : int
        Bytes of what was replaced to keep.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._done: list[_Entry] = []
        self._undone: list[_Entry] = []
        self._bytes = 0
        self._first = 0

    @property
    def steps(self) -> tuple[Action, ...]:
        """All steps that count, the oldest first."""
        return tuple(entry.action for entry in self._done)

    @property
    def undone_steps(self) -> tuple[Action, ...]:
        """All steps that were taken back, the next to be done again first."""
        return tuple(entry.action for entry in reversed(self._undone))

    @property
    def nbytes(self) -> int:
        """Bytes of what was replaced, about."""
        return self._bytes

    @property
    def next_undo(self) -> Action | None:
        """The step that would be taken back."""
        return self._done[-1].action if len(self._done) > self._first else None

    @property
    def next_redo(self) -> Action | None:
        """The step that would be done again."""
        return self._undone[-1].action if self._undone else None

    def push(self, action: Action, before: Change) -> None:
        """Add a step and what it replaced; what was taken back cannot be done again then."""
        self.forget_undone()
        self._keep(action, before)

    def forget_undone(self) -> None:
        """Let what was taken back be done again no more."""
        self._bytes -= sum(entry.change.nbytes for entry in self._undone if entry.change is not None)
        self._undone.clear()

    def amend(self, action: Action) -> None:
        """Let the last step be another one that replaced the same."""
        self._done[-1] = self._done[-1]._replace(action=action)

    def undo(self) -> tuple[Action, Change]:
        """Return the last step and what it replaced, to be told by `undone` what that replaced in turn."""
        action, change = self._done.pop()
        assert change is not None
        self._bytes -= change.nbytes
        return action, change

    def undone(self, action: Action, after: Change) -> None:
        """Keep a step that was taken back."""
        packed = after.packed()
        self._undone.append(_Entry(action, packed))
        self._bytes += packed.nbytes

    def redo(self) -> tuple[Action, Change]:
        """Return the step taken back last and its values, to be told by `redone` what they replaced."""
        action, change = self._undone.pop()
        assert change is not None
        self._bytes -= change.nbytes
        return action, change

    def redone(self, action: Action, before: Change) -> None:
        """Keep a step that was done again."""
        self._keep(action, before)

    def _keep(self, action: Action, before: Change) -> None:
        packed = before.packed()
        self._done.append(_Entry(action, packed))
        self._bytes += packed.nbytes
        while self._bytes > self._limit and self._first < len(self._done) - 1:
            entry = self._done[self._first]
            if entry.change is not None:
                self._bytes -= entry.change.nbytes
                self._done[self._first] = entry._replace(change=None)
            self._first += 1

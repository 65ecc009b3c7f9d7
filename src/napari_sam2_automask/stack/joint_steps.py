"""Steps in several planes of a stack that were made together, such as a stroke through them, are one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from napari_sam2_automask.stack.plane_mends import PlaneMends

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["Joint", "JointSteps", "Line", "MendsLine", "Way"]

Way: TypeAlias = Literal["undo", "redo"]


class Line(Protocol):
    """One history, of what is done in a plane of a stack and elsewhere in the stack."""

    def undo(self, mends: Mends) -> Done | None:
        """Take the last step back; None if it was none of the plane."""

    def redo(self, mends: Mends) -> Done | None:
        """Do the step again that was taken back last; None if it was none of the plane."""

    def next_undo(self, mends: Mends) -> Action | str | None:
        """Return what `undo` would take back."""

    def next_redo(self, mends: Mends) -> Action | str | None:
        """Return what `redo` would do again."""


class MendsLine:
    """The history of a plane that is by itself, a `Line`."""

    def undo(self, mends: Mends) -> Done | None:
        """Take the last step back."""
        return mends.undo()

    def redo(self, mends: Mends) -> Done | None:
        """Do the step again that was taken back last."""
        return mends.redo()

    def next_undo(self, mends: Mends) -> Action | str | None:
        """Return what `undo` would take back."""
        return mends.next_undo

    def next_redo(self, mends: Mends) -> Action | str | None:
        """Return what `redo` would do again."""
        return mends.next_redo


class Joint:
    """What was done together: the steps in each plane, the first first."""

    def __init__(self) -> None:
        self.steps: dict[Plane, list[Action]] = {}


class JointSteps:
    """A history of the planes of a stack in which steps of several planes can be one, a `Line`.

    To take such a step back in one plane takes it back in all, as far as it is the last there.

    Parameters
    ----------
    line : Line
        The history of a plane without such steps.

    Attributes
    ----------
    tell : callable
        Called with a joint step that was taken back or done again in one plane, with that plane, and which of
        the two it was: its other planes are to `follow`.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self.tell: Callable[[Joint, Plane, Way], None] = lambda joint, plane, way: None
        # By the identity of the actions, which histories keep however often they are taken back.
        self._joints: dict[int, Joint] = {}

    def note(self, joint: Joint, mends: Mends) -> None:
        """Take note that the last step of a plane was made with others."""
        last = mends.steps[-1]
        joint.steps.setdefault(_plane(mends), []).append(last)
        self._joints[id(last)] = joint

    def undo(self, mends: Mends) -> Done | None:
        """Take the last step back; `tell` tells of one of several planes."""
        return self._walk(mends, "undo")

    def redo(self, mends: Mends) -> Done | None:
        """Do the step again that was taken back last; see `undo`."""
        return self._walk(mends, "redo")

    def next_undo(self, mends: Mends) -> Action | str | None:
        """Return what `undo` would take back."""
        return self._line.next_undo(mends)

    def next_redo(self, mends: Mends) -> Action | str | None:
        """Return what `redo` would do again."""
        return self._line.next_redo(mends)

    def follow(self, joint: Joint, mends: Mends, way: Way) -> Done | None:
        """Take back, or do again, what belongs to a step in a plane, as far as it is next there."""
        done, boxes = None, []
        while self._joint(mends, way) is joint:
            done = self._line.undo(mends) if way == "undo" else self._line.redo(mends)
            if done is not None:
                boxes.append(done.boxes)
        return None if done is None else done._replace(boxes=np.concatenate(boxes))

    def is_left(self, joint: Joint, mends: Mends, way: Way) -> bool:
        """Tell whether a step could not follow in a plane, since more was done there."""
        counts = {id(step) for step in mends.steps}
        mine = [id(step) in counts for step in joint.steps.get(_plane(mends), ())]
        return any(mine) if way == "undo" else not all(mine)

    def _walk(self, mends: Mends, way: Way) -> Done | None:
        joint = self._joint(mends, way)
        if joint is None:
            return self._line.undo(mends) if way == "undo" else self._line.redo(mends)
        done = self.follow(joint, mends, way)
        self.tell(joint, _plane(mends), way)
        return done

    def _joint(self, mends: Mends, way: Way) -> Joint | None:
        """Return what the next step was made together with; None for nothing."""
        step = self.next_undo(mends) if way == "undo" else self.next_redo(mends)
        return None if step is None else self._joints.get(id(step))


def _plane(mends: Mends) -> Plane:
    assert isinstance(mends, PlaneMends)
    return mends.plane

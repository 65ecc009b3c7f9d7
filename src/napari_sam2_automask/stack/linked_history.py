"""One history for a plane of a stack: what was done in it, and how links between planes were changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.stack.links import Links
    from napari_sam2_automask.stack.numbers import Plane
    from napari_sam2_automask.stack.relabelled import Relabelled

__all__ = ["LinkedHistory", "Steps"]


class Steps(Protocol):
    """What was done in a plane: the steps that count, and what was taken back, the last first."""

    @property
    def steps(self) -> tuple[Action, ...]: ...  # noqa: D102

    @property
    def undone(self) -> tuple[Action, ...]: ...  # noqa: D102


class _Then(NamedTuple):
    """Where a plane was when links were changed: how many steps counted, and all that there were."""

    steps: int = 0
    line: tuple[Action, ...] = ()


class LinkedHistory:
    """Tells whether the last step of a plane, or the last change of links, was done last.

    Each plane has a history of its own. A change of links belongs to the history of every plane.

    Parameters
    ----------
    links : Links
        The links; changed by nothing else.

    Attributes
    ----------
    links : Links
        The links.
    """

    def __init__(self, links: Links) -> None:
        self.links = links
        self._done: list[dict[Plane, _Then]] = []
        self._undone: list[dict[Plane, _Then]] = []

    def do(self, act: Callable[[Links], Relabelled], planes: Mapping[Plane, Steps]) -> Relabelled:
        """Change links; what was taken back before can be done again no more, which the planes are to know.

        Parameters
        ----------
        act : callable
            An action on the links, such as ``lambda links: links.cut(5, 2)``.
        planes : mapping of plane to Steps
            What was done so far in each plane in which anything was.

        Raises
        ------
        MendError
            If it cannot be done; nothing has changed.
        """
        change = act(self.links)
        self._done.append(_now(planes))
        self._undone.clear()
        return change

    def undo(self, planes: Mapping[Plane, Steps]) -> Relabelled:
        """Take the last change of links back; see `do`."""
        change = self.links.undo()
        self._done.pop()
        self._undone.append(_now(planes))
        return change

    def redo(self, planes: Mapping[Plane, Steps]) -> Relabelled:
        """Change links again as was taken back last; see `do`."""
        change = self.links.redo()
        self._undone.pop()
        self._done.append(_now(planes))
        return change

    def link_is_last(self, plane: Plane, mine: Steps) -> bool:
        """Tell whether undo in a plane takes back a change of links, not the last step in the plane."""
        return bool(self._done) and len(mine.steps) <= self._done[-1].get(plane, _Then()).steps

    def link_is_next(self, plane: Plane, mine: Steps) -> bool:
        """Tell whether redo in a plane changes links again, not what was taken back last in the plane."""
        if not self._undone:
            return False
        steps, line = self._undone[-1].get(plane, _Then())
        return len(mine.steps) >= steps and (*mine.steps, *mine.undone) == line

    def forget(self, planes: Iterable[Plane]) -> None:
        """Take note that planes were segmented anew, and nothing was done in them yet."""
        for plane in planes:
            for then in (*self._done, *self._undone):
                then.pop(plane, None)


def _now(planes: Mapping[Plane, Steps]) -> dict[Plane, _Then]:
    return {plane: _Then(len(one.steps), (*one.steps, *one.undone)) for plane, one in planes.items()}

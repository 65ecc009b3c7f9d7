"""Carrying objects through a stack, up and down, in a way that can be stopped and gone on with."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.progress import Progress, ProgressCallback
from napari_sam2_automask.settings.numbers import INDEX, PATIENCE, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_sam2_automask.engine.video import Follower

__all__ = ["Keeper", "Propagation", "Spread"]

# What is found on a plane is new if less than this share of it is covered by objects that were carried there.
_COVERED = 0.5


@dataclass(frozen=True, slots=True)
class Propagation:
    """How objects are propagated through a stack.

    Attributes
    ----------
    start : int or {"first", "middle", "last"}
        The plane whose objects are carried to the others.
    new_every : int
        Look for further objects on every so many planes from there on; 0 for never.
    give_up : int
        An object that was not seen in more planes in a row than this is not followed further.
    """

    start: int | str = "middle"
    new_every: int = 0
    give_up: int = 2

    def __post_init__(self) -> None:
        if isinstance(self.start, str):
            if self.start not in ("first", "middle", "last"):
                raise SettingsError(
                    f"start is {shown(self.start)}: use first, middle, last or a plane's number"
                )
        else:
            object.__setattr__(self, "start", INDEX.check(self.start, "start"))
        for name in ("new_every", "give_up"):
            object.__setattr__(self, name, PATIENCE.check(getattr(self, name), name))

    def plane_of(self, planes: int) -> int:
        """Return the number of the plane to start on, of so many.

        Raises
        ------
        SettingsError
            If there is no such plane.
        """
        plane = {"first": 0, "middle": planes // 2, "last": planes - 1}.get(str(self.start), self.start)
        if not 0 <= int(plane) < planes:
            raise SettingsError(f"there is no plane {plane} to start on: choose from 0 to {planes - 1}")
        return int(plane)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


class Keeper(Protocol):
    """Keeps how far the work is, for a run that may be stopped at any time."""

    def found(self) -> dict[str, Any] | None:
        """Return what was kept last, if anything was."""

    def keep(self, make: Callable[[], dict[str, Any]]) -> None:
        """Keep what `make` returns, or leave it for another time; called after each plane."""


@dataclass(slots=True, eq=False)
class _Object:
    """An object on its way: its number, the model's memory of it, and for how many planes it was not seen."""

    number: int
    state: Any
    unseen: int = 0


@dataclass(slots=True, eq=False)
class _Sweep:
    """Objects on their way in one direction.

    Attributes
    ----------
    plane : int
        The one passed last.
    step : int
        1 upwards, -1 downwards.
    objects : list of _Object
        Those that are still followed.
    further : list of (int, list of _Object)
        Planes on which others were found on the way; these are to be carried the other way as well.
    """

    plane: int
    step: int
    objects: list[_Object]
    further: list[tuple[int, list[_Object]]]


class Spread:
    """The labels of a stack while objects are being carried through it.

    Parameters
    ----------
    planes : int
        How many.
    shape : (int, int)
        Of a plane.
    find : callable
        Takes a plane's number and returns the labels (Y, X) of what can be seen there.
    how : Propagation
        What is asked for.
    progress : callable
        Takes the progress; may raise to stop.

    Attributes
    ----------
    labels : (planes, Y, X) uint32 array
        Numbers of the objects so far; 0 is background.
    follower : Follower
        To be set before `run`.
    """

    follower: Follower

    def __init__(
        self,
        planes: int,
        shape: tuple[int, int],
        find: Callable[[int], NDArray[Any]],
        how: Propagation,
        progress: ProgressCallback,
    ) -> None:
        self.labels = np.zeros((planes, *shape), np.uint32)
        self._find, self._how, self._progress = find, how, progress
        self._count, self._passed, self._all = 0, 1, planes
        self._looked: set[int] = set()
        self._sweeps: deque[_Sweep] = deque()

    def tell(self) -> None:
        """Report the progress, which may stop the work."""
        self._progress(Progress("propagating", self._passed, max(self._all, self._passed)))

    def run(self, start: int, keeper: Keeper | None = None) -> None:
        """Carry what is found on a plane up and down, then what was found on the way the other way."""
        self._start = start
        kept = keeper.found() if keeper is not None else None
        if kept is not None:
            self._restore(kept)
            self.tell()
        else:
            found = self._pick(start)
            self._sweeps.extend(_Sweep(start, step, list(found), []) for step in (1, -1))
            if keeper is not None:
                keeper.keep(self._snapshot)
        while self._sweeps:
            self._sweep(self._sweeps[0], keeper)
            done = self._sweeps.popleft()
            for plane, new in done.further:
                self._all += len(self._ahead(plane, -done.step))
                self._sweeps.append(_Sweep(plane, -done.step, new, []))
            # Each sweep has the patience for its objects anew.
            for one in self._sweeps[0].objects if self._sweeps else ():
                one.unseen = 0

    def _ahead(self, plane: int, step: int) -> range:
        return range(plane + step, len(self.labels) if step > 0 else -1, step)

    def _sweep(self, sweep: _Sweep, keeper: Keeper | None) -> None:
        """Carry objects on in one direction, to the last plane or until none is followed any more."""
        while ahead := self._ahead(sweep.plane, sweep.step):
            if not sweep.objects and not any(map(self._is_due, ahead)):
                self._all -= len(ahead)
                break
            plane = sweep.plane + sweep.step
            self._paint(plane, sweep.objects, backward=sweep.step < 0)
            sweep.objects = [one for one in sweep.objects if one.unseen <= self._how.give_up]
            if self._is_due(plane):
                new = self._pick(plane)
                if new:
                    sweep.further.append((plane, list(new)))
                    sweep.objects += new
            sweep.plane = plane
            self._passed += 1
            if keeper is not None:
                keeper.keep(self._snapshot)
            self.tell()

    def _is_due(self, plane: int) -> bool:
        every = self._how.new_every
        return bool(every) and (plane - self._start) % every == 0 and plane not in self._looked

    def _paint(self, plane: int, objects: list[_Object], *, backward: bool) -> None:
        """Give each pixel that is free to the object that is surest of it, if one is."""
        best = np.zeros(self.labels.shape[1:], np.float32)
        number = np.zeros(self.labels.shape[1:], np.uint32)
        free = self.labels[plane] == 0
        for one in objects:
            self.tell()
            logits = self.follower.step(one.state, plane, backward=backward)
            mine = (logits > best) & free
            best[mine], number[mine] = logits[mine], one.number
        self.labels[plane][free] = number[free]
        seen = set(np.unique(number).tolist())
        for one in objects:
            one.unseen = 0 if one.number in seen else one.unseen + 1

    def _pick(self, plane: int) -> list[_Object]:
        """Find objects on a plane and begin with those that are new."""
        self._looked.add(plane)
        found, labels = self._find(plane), self.labels[plane]
        new = []
        for label in np.unique(found[found > 0]):
            mask = found == label
            free = mask & (labels == 0)
            if 1 - free.sum() / mask.sum() >= _COVERED:
                continue
            self.tell()
            self._count += 1
            labels[free] = self._count
            new.append(_Object(self._count, self.follower.begin(plane, free)))
        return new

    def _snapshot(self) -> dict[str, Any]:
        """Return how far the work is; valid until it goes on.

        An object may be in several sweeps and has one memory, so that sweeps name objects by their numbers.
        """
        sweeps, objects = [], {}
        for sweep in self._sweeps:
            for one in (*sweep.objects, *(one for _, some in sweep.further for one in some)):
                objects[one.number] = (one.unseen, self.follower.packed(one.state))
            further = [(plane, _numbers(some)) for plane, some in sweep.further]
            sweeps.append((sweep.plane, sweep.step, _numbers(sweep.objects), further))
        return {
            "labels": self.labels,
            "counts": (self._count, self._passed, self._all),
            "looked": sorted(self._looked),
            "objects": objects,
            "sweeps": sweeps,
        }

    def _restore(self, kept: dict[str, Any]) -> None:
        """Go back to what `_snapshot` returned."""
        self.labels[:] = kept["labels"]
        self._count, self._passed, self._all = kept["counts"]
        self._looked = set(kept["looked"])
        objects = {
            number: _Object(number, self.follower.unpacked(state), unseen)
            for number, (unseen, state) in kept["objects"].items()
        }
        for plane, step, numbers, further in kept["sweeps"]:
            found = [(at, [objects[n] for n in some]) for at, some in further]
            self._sweeps.append(_Sweep(plane, step, [objects[n] for n in numbers], found))


def _numbers(objects: Iterable[_Object]) -> list[int]:
    return [one.number for one in objects]

"""Stacks by propagation: objects found on one plane are carried through the others by a model's memory."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.progress import Progress, ProgressCallback, no_progress
from napari_sam2_automask.stack import Linked, number_planes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.engine.video import Follower, Views
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.presets import Preset
    from napari_sam2_automask.settings import AmgSettings
    from napari_sam2_automask.stack import Axis

__all__ = ["Propagation", "propagate_planes"]

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
        if isinstance(self.start, str) and self.start not in ("first", "middle", "last"):
            raise SettingsError(f"start is {self.start!r}: use first, middle, last or a plane's number")
        if self.new_every < 0 or self.give_up < 0:
            raise SettingsError(
                f"new_every is {self.new_every} and give_up {self.give_up}: use 0 or more planes"
            )

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


def propagate_planes(
    views: Views,
    settings: AmgSettings | Preset | str,
    model: Model,
    *,
    how: Propagation | None = None,
    axis: Axis = "z",
    spacing: tuple[float, float, float] | None = None,
    unit: str = "px",
    progress: ProgressCallback = no_progress,
) -> Linked:
    """Find objects on one plane and carry them through a stack, forward and backward.

    Parameters
    ----------
    views : sequence of (Y, X, 3) uint8 arrays
        The planes as the model is to see them, see `to_model_view`; of one shape, taken one at a time.
    settings : AmgSettings, Preset or str
        How objects are found, as for `segment`.
    model : Model
        One with a memory: SAM 2.1 tiny, small, base+ or large.
    how : Propagation, optional
        Where to start, and how often to look for further objects.
    axis, spacing, unit
        As for `link_planes`.
    progress : callable
        Takes the progress of finding objects, and ``"propagating"``: planes passed, of all to be passed (more
        of them as further objects are found). It may raise `Cancelled`.

    Returns
    -------
    Linked
        As `link_planes` returns it, without splits and merges. Where objects meet, a pixel belongs to the one
        whose mask is surer of it; planes that are passed a second time, for objects found later, keep what
        they had.

    Raises
    ------
    ModelError
        If the model has no memory.
    ImageError
        If there are no planes.
    SettingsError
        If there is no plane to start on.
    Cancelled
        If `progress` raised it.
    """
    from napari_sam2_automask.models import import_sam2

    import_sam2()
    from napari_sam2_automask.engine.video import Follower
    from napari_sam2_automask.painting import paint
    from napari_sam2_automask.presets import resolve_settings
    from napari_sam2_automask.proposal import propose_view
    from napari_sam2_automask.selection import select

    if len(views) == 0:
        raise ImageError("there are no planes to propagate objects through")
    how = how or Propagation()
    start = how.plane_of(len(views))
    resolved, _ = resolve_settings(settings, model.family)

    def find(plane: int) -> NDArray[Any]:
        candidates = propose_view(views[plane], resolved, model, progress=progress)
        return paint(select(candidates, resolved)).labels

    spread = _Spread(len(views), views[0].shape[:2], find, how, progress)
    spread.follower = Follower(model, views, spread.tell)
    spread.run(start)
    return number_planes(spread.labels, axis=axis, spacing=spacing, unit=unit)


@dataclass(slots=True, eq=False)
class _Object:
    """An object on its way: its number, the model's memory of it, and for how many planes it was not seen."""

    number: int
    state: Any
    unseen: int = 0


class _Spread:
    """The labels of a stack while objects are being carried through it."""

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

    def tell(self) -> None:
        """Report the progress, which may stop the work."""
        self._progress(Progress("propagating", self._passed, max(self._all, self._passed)))

    def run(self, start: int) -> None:
        """Carry what is found on a plane up and down, then what was found on the way the other way."""
        self._start = start
        found = self._pick(start)
        sweeps = deque([(start, 1, list(found)), (start, -1, list(found))])
        while sweeps:
            begin, step, objects = sweeps.popleft()
            further = self._sweep(begin, step, objects)
            self._all += sum(len(self._ahead(plane, -step)) for plane, _ in further)
            sweeps.extend((plane, -step, new) for plane, new in further)

    def _ahead(self, plane: int, step: int) -> range:
        return range(plane + step, len(self.labels) if step > 0 else -1, step)

    def _sweep(self, begin: int, step: int, objects: list[_Object]) -> list[tuple[int, list[_Object]]]:
        """Carry objects from a plane on in one direction; return what was found on the way, and where."""
        further = []
        for one in objects:
            one.unseen = 0
        for plane in self._ahead(begin, step):
            self._paint(plane, objects, backward=step < 0)
            objects = [one for one in objects if one.unseen <= self._how.give_up]
            if self._is_due(plane):
                new = self._pick(plane)
                if new:
                    further.append((plane, list(new)))
                    objects += new
            self._passed += 1
            self.tell()
            if not objects and not any(map(self._is_due, self._ahead(plane, step))):
                self._all -= len(self._ahead(plane, step))
                break
        return further

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

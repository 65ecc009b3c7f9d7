"""Mending a result: actions on its objects, one history, and what was decided stays whatever the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.candidates.candidates import Candidates
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.mending.actions import (
    Action,
    Add,
    Carry,
    Grow,
    Lock,
    Merge,
    Release,
    Remove,
    Reshape,
    Settle,
    Split,
    Step,
    actions_from,
    made,
)
from napari_sam2_automask.mending.arguments import how_far, object_numbers, one_point, some_points
from napari_sam2_automask.mending.carrying import carried
from napari_sam2_automask.mending.draft import Scene
from napari_sam2_automask.mending.editing import plan
from napari_sam2_automask.mending.fixed_labels import FixedLabels
from napari_sam2_automask.mending.history import LIMIT, History
from napari_sam2_automask.mending.painting_by_hand import painted
from napari_sam2_automask.mending.rle_mask import RleMask
from napari_sam2_automask.mending.state import Gone, State
from napari_sam2_automask.painting.live import LiveSelection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.mending.state import Change, Kept
    from napari_sam2_automask.settings.amg import AmgSettings

    Point = tuple[float, float]

__all__ = ["Done", "Mends"]


class Done(NamedTuple):
    """What an action, an undo or a redo did.

    Attributes
    ----------
    action : Action
        The action, with all numbers filled in.
    labels : tuple of int
        The objects that it leaves, the one that was meant first; none after removing, undo and redo.
    boxes : (M, 4) int64 array
        ``y0, x0, y1, x1`` of the parts of the labels that may have changed, end exclusive.
    """

    action: Action
    labels: tuple[int, ...]
    boxes: NDArray[np.int64]


class Mends:
    """A result that a person puts right.

    Not for several threads at a time.

    Parameters
    ----------
    start : LiveSelection, Candidates or array_like of int, shape (Y, X)
        What is mended: the selection from a proposal, or any label image, which is copied.
    settings : AmgSettings, optional
        Where candidates are selected from; those of the last update, or of the proposal, when left out.
    limit : int
        Bytes of what undo needs to keep at most. Older steps still count, and can no longer be undone.

    Raises
    ------
    MendError
        If `start` is no label image of one plane.
    CandidatesError
        If the candidates cannot answer for the settings.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_sam2_automask import Mends
    >>> labels = np.zeros((8, 8), int)
    >>> labels[1:3, 1:7] = 1
    >>> mends = Mends(labels)
    >>> mends.split(stroke=[(0, 3), (4, 3)]).labels
    (1, 2)
    >>> mends.remove(2).action
    Remove(action='remove', labels=(2,))
    >>> int((mends.labels > 0).sum()), mends.edited
    (8, {1: 'split'})
    >>> _ = mends.undo()
    >>> int((mends.labels > 0).sum())
    12
    """

    def __init__(
        self,
        start: LiveSelection | Candidates | ArrayLike,
        settings: AmgSettings | None = None,
        *,
        limit: int = LIMIT,
    ) -> None:
        if isinstance(start, Candidates):
            start = LiveSelection(start)
        self._start: LiveSelection | FixedLabels
        self._settings: AmgSettings | None = None
        if isinstance(start, LiveSelection):
            self._start, used = start, len(start.candidates)
            self._settings = settings or (
                start.candidates.settings if start.change is None else start.change.settings
            )
            if start.change is None or start.change.settings != self._settings:
                start.update(self._settings)
        else:
            self._start = FixedLabels(start)
            used = self._start.largest
        shape = self._start.labels.shape
        self._state = State((shape[0], shape[1]), used)
        self._scene = Scene(self._start, self._state)
        self._history = History(limit)
        self._start.hold(self._state.hold)

    # -- what there is

    @property
    def labels(self) -> NDArray[np.unsignedinteger[Any]]:
        """The label image, (Y, X) uint16 or uint32; changed in place, or another one after an action."""
        return self._start.labels

    @property
    def settings(self) -> AmgSettings | None:
        """The settings in force; None without candidates."""
        return self._settings

    @property
    def live(self) -> LiveSelection | None:
        """What is selected from; None without candidates."""
        return self._start if isinstance(self._start, LiveSelection) else None

    @property
    def kept(self) -> Mapping[int, Kept]:
        """The locked objects: what was done to each, and what is known of it, by number."""
        return self._state.kept

    @property
    def edited(self) -> dict[int, str]:
        """What was done last to each locked object, by number: "added", "split", ..., or "locked"."""
        return {label: one.edited for label, one in sorted(self._state.kept.items())}

    @property
    def removed(self) -> frozenset[int]:
        """The numbers of objects that were removed and are not there."""
        return frozenset(
            n for n, one in self._state.gone.items() if not one.into and n not in self._state.kept
        )

    @property
    def ground(self) -> NDArray[np.bool_]:
        """Where nothing comes back, (Y, X) bool."""
        return self._state.hold.pixels < 0

    @property
    def next_label(self) -> int:
        """The number of the next new object: above every candidate and every number ever used."""
        return self._state.used + 1

    def label_at(self, point: Point) -> int:
        """Return the object at a point (y, x) in pixels, 0 for none.

        Raises
        ------
        MendError
            If the point lies outside the image.
        """
        return self._scene.label_at(point)

    def placed(self, label: int) -> Placed:
        """Return the pixels of an object that show.

        Raises
        ------
        MendError
            If it is not there.
        """
        return self._scene.placed(label)

    # -- actions

    def add(
        self,
        point: Point | None = None,
        *,
        mask: ArrayLike | Placed | None = None,
        label: int | None = None,
        score: float | None = None,
    ) -> Done:
        """Add an object; it takes only pixels that no object has.

        Parameters
        ----------
        point : (float, float), optional
            y and x in pixels: the best stored candidate there.
        mask : array_like of bool, shape (Y, X), or Placed, optional
            The object itself, in place of a point.
        label : int, optional
            Its number; the next one when left out.
        score : float, optional
            The predicted IoU of a mask that a model gave.

        Raises
        ------
        MendError
            If nothing can be added there; the message says why.
        """
        rle = None if mask is None else self._rle(mask)
        return self.do(made(Add, point=one_point(point), mask=rle, label=label, score=score))

    def reshape(self, label: int, mask: ArrayLike | Placed, *, score: float | None = None) -> Done:
        """Give an object another mask; what it loses stays empty, and other objects keep their pixels.

        Parameters
        ----------
        label : int
            The object.
        mask : array_like of bool, shape (Y, X), or Placed
            What it is to be.
        score : float, optional
            The predicted IoU of a mask that a model gave.
        """
        (own,) = object_numbers([label])
        return self.do(made(Reshape, label=own, mask=self._rle(mask), score=score))

    def remove(self, *labels: int) -> Done:
        """Remove objects: no candidate comes back where they were, whatever the settings."""
        return self.do(made(Remove, labels=object_numbers(labels, 1, "remove")))

    def merge(self, *labels: int, keep: int | None = None) -> Done:
        """Make objects one, with the number `keep`; that of the first when left out."""
        found = object_numbers(labels, 2, "merge")
        (kept,) = found[:1] if keep is None else object_numbers([keep])
        return self.do(made(Merge, labels=found, keep=kept))

    def split(
        self,
        label: int | None = None,
        *,
        stroke: Sequence[Point] = (),
        seeds: Sequence[Point] = (),
    ) -> Done:
        """Divide an object; no pixel is lost, and the largest part keeps the number.

        Parameters
        ----------
        label : int, optional
            The object; the one that most of the stroke, or the first seed, lies on when left out.
        stroke : sequence of (float, float)
            Points y, x of a line across it.
        seeds : sequence of (float, float)
            A point in each part, in place of a stroke.
        """
        points = {"stroke": some_points(stroke), "seeds": some_points(seeds)}
        return self.do(made(Split, label=None if label is None else object_numbers([label])[0], **points))

    def step(self, point: Point, to: str, label: int | None = None) -> Done:
        """Go on to the next larger or smaller stored candidate at a point of an object.

        Parameters
        ----------
        point : (float, float)
            y and x in pixels.
        to : {"whole", "parts"}
            A whole takes in the objects that lie in it; parts divide what the object was.
        label : int, optional
            The object; the one at the point when left out.
        """
        if to not in ("whole", "parts"):
            raise MendError(f"a step goes to the 'whole' or to 'parts', but not to {to!r}")
        own = None if label is None else object_numbers([label])[0]
        return self.do(made(Step, point=one_point(point), to=to, label=own))

    def grow(self, *labels: int, pixels: int = 1) -> Done:
        """Let objects grow onto free ground around them; or shrink, which leaves ground where nothing comes.

        Parameters
        ----------
        *labels : int
            The objects. Where two of them meet, each takes what is nearer to it.
        pixels : int
            How far; below 0 they shrink.

        Raises
        ------
        MendError
            If an object would be gone, or none has free ground around it; nothing has changed.
        """
        return self.do(made(Grow, labels=object_numbers(labels, 1, "grow"), pixels=how_far(pixels)))

    def lock(self, *labels: int) -> Done:
        """Keep objects as they are, whatever the settings."""
        return self.do(made(Lock, labels=object_numbers(labels, 1, "lock")))

    def release(self, *labels: int) -> Done:
        """Give mended or removed objects back to the settings; all of them without numbers.

        With an object go those that it took in, and those that came from the same candidate. An object that
        was neither a candidate nor a label of the start is gone then.
        """
        return self.do(made(Release, labels=object_numbers(labels, 0)))

    def paint(self, labels: ArrayLike) -> Done | None:
        """Take over what a person painted, filled or erased.

        Parameters
        ----------
        labels : array_like of int, shape (Y, X)
            The whole label image as the person left it.

        Returns
        -------
        Done or None
            None if nothing was painted.
        """
        action = painted(self.labels, labels)
        return None if action is None else self.do(action)

    def settle(self, settings: AmgSettings, *, join: bool = False) -> Done:
        """Select by other settings, under what was mended.

        Parameters
        ----------
        settings : AmgSettings
            The settings.
        join : bool
            Make it one step with the last one, if that was settings too: while a slider is drawn.

        Raises
        ------
        CandidatesError
            If the candidates cannot answer for them; nothing has changed.
        """
        last = self._history.next_undo
        action = Settle(settings=settings)
        if join and isinstance(last, Settle):
            boxes = self._put(plan(self._scene, action).change)[1]
            self._history.amend(action)
            return Done(action, (), boxes)
        return self._do(action)

    def do(self, action: Action) -> Done:
        """Do any action.

        Raises
        ------
        MendError
            If it cannot be done; nothing has changed.
        """
        return self._do(action)

    def _do(self, action: Action) -> Done:
        planned = plan(self._scene, action)
        before, boxes = self._put(planned.change)
        self._history.push(planned.action, before)
        return Done(planned.action, planned.labels, boxes)

    def preview(self, action: Action) -> dict[int, Placed]:
        """Return the pixels that objects would have after an action, by number; nothing changes.

        Raises
        ------
        MendError
            If it cannot be done.
        """
        return self._preview(action)

    def _preview(self, action: Action) -> dict[int, Placed]:
        change = plan(self._scene, action).change
        pixels = change.unpacked()
        y0, x0 = change.box[:2]
        return {
            label: Placed.at(y.start + y0, x.start + x0, pixels[y, x] == label)
            for label, (y, x) in places_of(pixels).items()
            if change.kept.get(label) is not None
        }

    # -- history

    @property
    def steps(self) -> tuple[Action, ...]:
        """Every action that counts, the oldest first; see `replay`."""
        return self._history.steps

    @property
    def next_undo(self) -> Action | None:
        """The action that `undo` would take back, None for none."""
        return self._history.next_undo

    @property
    def next_redo(self) -> Action | None:
        """The action that `redo` would do again, None for none."""
        return self._history.next_redo

    @property
    def undone(self) -> tuple[Action, ...]:
        """Every action that was taken back and can be done again, the first to be done again first."""
        return self._history.undone_steps

    @property
    def nbytes(self) -> int:
        """Bytes that the history keeps for undo and redo, about."""
        return self._history.nbytes

    def undo(self) -> Done:
        """Take the last action back.

        Raises
        ------
        MendError
            If there is none.
        """
        if self._history.next_undo is None:
            raise MendError("there is nothing to undo")
        action, change = self._history.undo()
        after, boxes = self._put(change)
        self._history.undone(action, after)
        return Done(action, (), boxes)

    def redo(self) -> Done:
        """Do the action again that was taken back last.

        Raises
        ------
        MendError
            If there is none.
        """
        if self._history.next_redo is None:
            raise MendError("there is nothing to redo")
        action, change = self._history.redo()
        before, boxes = self._put(change)
        self._history.redone(action, before)
        return Done(action, (), boxes)

    def forget_undone(self) -> None:
        """Let what was taken back be done again no more, as something else was done since."""
        self._history.forget_undone()

    def replay(self, steps: Iterable[Action | Mapping[str, Any]], used: int = 0) -> None:
        """Do steps again, such as `steps` of other mends with the same start, or what `to_json` gave.

        Parameters
        ----------
        steps : iterable of Action, or of what `Action.to_json` gave
            The steps.
        used : int
            The largest number that was used, those of steps that were taken back included.

        Raises
        ------
        MendError
            If a step cannot be read or done; those before it are done.
        """
        for number, action in enumerate(actions_from(steps), 1):
            try:
                self._do(action)
            except MendError as error:
                raise MendError(f"step {number} of the mends cannot be done again: {error}") from error
        if used > self._state.used:
            self._state.used = used
            self._start.refresh((0, 0, 0, 0), (), (), used)

    def to_json(self) -> dict[str, Any]:
        """Return ``steps`` and ``used``, ready for JSON; what `replay` takes."""
        return {"steps": [action.to_json() for action in self.steps], "used": self._state.used}

    # -- other runs

    def carried(self) -> Carry:
        """Return the action that takes over all that is locked and removed, into mends with another start."""
        return carried(self._state)

    def _put(self, change: Change) -> tuple[Change, NDArray[np.int64]]:
        """Put a change in; return the one that takes it back, and the boxes painted anew."""
        settings = self._settings
        boxes: list[Any] = []
        if change.settings is not None:
            assert isinstance(self._start, LiveSelection)
            boxes += self._start.update(change.settings).boxes.tolist()
            self._settings = change.settings
        before = self._state.apply(change)
        if change.numbers or change.unpacked().size:
            ends = [*_values(change), *_values(before)]
            numbers = change.numbers | {one.origin for one in ends}
            around = [one.former.extent for one in ends if isinstance(one, Gone) and one.former is not None]
            painted = self._start.refresh(change.box, numbers, around, self._state.used)
            boxes += np.asarray(painted.boxes).tolist()
        if change.settings is not None:
            before = replace(before, settings=settings)
        return before, np.array(boxes, np.int64).reshape(-1, 4)

    def _rle(self, mask: ArrayLike | Placed) -> RleMask:
        if isinstance(mask, Placed):
            return RleMask.of(mask.mask, mask.y0, mask.x0)
        array, shape = np.asarray(mask), self._start.labels.shape
        if array.shape != shape:
            raise MendError(
                f"the mask has the shape {array.shape}, the image {shape}: give one of that shape"
            )
        return RleMask.of(array.astype(bool))


def _values(change: Change) -> list[Kept | Gone]:
    return [one for one in (*change.kept.values(), *change.gone.values()) if one is not None]

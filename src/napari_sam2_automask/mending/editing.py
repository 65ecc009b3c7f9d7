"""What each action changes; nothing is changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.mending.actions import (
    Action,
    Add,
    Carry,
    Grow,
    Lock,
    Merge,
    Paint,
    Release,
    Remove,
    Reshape,
    Settle,
    Split,
    Step,
)
from napari_sam2_automask.mending.carrying import carry
from napari_sam2_automask.mending.draft import Draft, Scene
from napari_sam2_automask.mending.growing import grow
from napari_sam2_automask.mending.painting_by_hand import paint
from napari_sam2_automask.mending.splitting import by_seeds, by_stroke, pixel, pixels_of_stroke
from napari_sam2_automask.mending.state import Change
from napari_sam2_automask.mending.stepping import step
from napari_sam2_automask.mending.stored import best_free, scores_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Plan", "plan"]


class Plan(NamedTuple):
    """A change, the action with all its numbers, and the objects that it leaves, the one meant first."""

    change: Change
    action: Action
    labels: tuple[int, ...]


def plan(scene: Scene, action: Action) -> Plan:
    """Return what an action changes.

    Raises
    ------
    MendError
        If it cannot be done; the message says why and what to do.
    """
    return _PLANS[type(action)](scene, action)


def _add(scene: Scene, action: Add) -> Plan:
    (label,) = scene.fresh([] if action.label is None else [action.label], 1)
    scores, origin = None, 0
    if action.point is not None:
        there = scene.label_at(action.point)
        if there:
            raise MendError(f"object {there} lies there already: click beside it, or split it or step on")
        live = scene.start
        if live.candidates is None:
            raise MendError("there are no stored candidates: give a mask, or ask the model for one")
        found = best_free(live, scene.labels, *pixel(action.point))
        if found is None:
            raise MendError("no stored candidate lies there: ask the model for one, or paint it")
        placed, origin = found.placed, found.row + 1
        if placed.area == live.mask(found.row).area:
            scores = scores_of(live, found.row)
    else:
        assert action.mask is not None
        placed = action.mask.placed(scene.shape)
        scores = None if action.score is None else (action.score, float("nan"))
    draft = Draft(scene, placed.extent)
    free = placed.mask & (draft.labels == 0)
    if not free.any():
        raise MendError("the mask lies on other objects: remove or merge them first")
    draft.keep(label, free, "added", origin=origin, scores=scores)
    return Plan(draft.change(), action.model_copy(update={"label": label}), (label,))


def _reshape(scene: Scene, action: Reshape) -> Plan:
    placed = action.mask.placed(scene.shape)
    draft = Draft(scene, _around(scene.box_of([action.label]), placed))
    own = draft.labels == action.label
    mask = draft.inside(placed) & (own | (draft.labels == 0))
    if not mask.any():
        raise MendError("the mask lies on other objects: remove or merge them first")
    draft.empty(action.label, own & ~mask)
    scores = None if action.score is None else (action.score, float("nan"))
    draft.keep(action.label, mask, "reshaped", scores=scores)
    return Plan(draft.change(), action, (action.label,))


def _remove(scene: Scene, action: Remove) -> Plan:
    draft = Draft(scene, scene.box_of(action.labels))
    draft.hold(draft.of(action.labels), -draft.labels.astype(np.int64))
    for label in sorted(set(action.labels)):
        draft.end(label)
    return Plan(draft.change(), action, ())


def _merge(scene: Scene, action: Merge) -> Plan:
    if action.keep not in action.labels or len(set(action.labels)) < 2:
        raise MendError("merge takes two objects at least, and the number of one of them to keep")
    draft = Draft(scene, scene.box_of(action.labels))
    draft.keep(action.keep, draft.of(action.labels), "merged")
    for label in sorted(set(action.labels) - {action.keep}):
        draft.end(label, into=action.keep)
    return Plan(draft.change(), action, (action.keep,))


def _split(scene: Scene, action: Split) -> Plan:
    label = action.label or _under(scene, action)
    placed = scene.placed(label)
    parts = by_stroke(placed, action.stroke) if action.stroke else by_seeds(placed, action.seeds)
    into = scene.fresh(action.into, len(parts) - 1)
    draft = Draft(scene, placed.extent)
    origin = draft.origin(label)
    for number, part in zip((label, *into), parts, strict=True):
        draft.keep(number, part, "split", origin=origin)
    done = action.model_copy(update={"label": label, "into": tuple(into)})
    return Plan(draft.change(), done, (label, *into))


def _under(scene: Scene, action: Split) -> int:
    """Return the object that most of a stroke, or the first seed, lies on."""
    if action.seeds:
        label = scene.label_at(action.seeds[0])
    else:
        line = pixels_of_stroke(action.stroke)
        line = line[((line >= 0) & (line < scene.shape)).all(1)]
        under = scene.labels[line[:, 0], line[:, 1]]
        labels, counts = np.unique(under[under > 0], return_counts=True)
        label = int(labels[counts.argmax()]) if labels.size else 0
    if not label:
        raise MendError("there is no object to split: draw across one, or click on its parts")
    return label


def _lock(scene: Scene, action: Lock) -> Plan:
    draft = Draft(scene, scene.box_of(action.labels))
    live = scene.start
    free = set(action.labels) - scene.state.kept.keys()
    draft.hold(draft.of(free), draft.labels)
    nothing = Placed.at(*draft.box[:2], np.zeros((0, 0), bool))
    for label in sorted(free):
        scores = None if live.candidates is None else scores_of(live, label - 1)
        draft.keep(label, nothing, "locked", scores=scores)
    return Plan(draft.change(), action, tuple(sorted(set(action.labels))))


def _release(scene: Scene, action: Release) -> Plan:
    state = scene.state
    known = state.kept.keys() | state.gone.keys()
    if lost := set(action.labels) - known:
        raise MendError(
            f"object {min(lost)} is neither locked nor removed: only what was mended can be released"
        )
    family = _family(scene, set(action.labels)) if action.labels else set(known)
    rows, columns = tight(scene.is_held_by(family, state.hold.pixels))
    draft = Draft(scene, (rows.start, columns.start, rows.stop, columns.stop))
    draft.release(family)
    return Plan(draft.change(), action, tuple(sorted(family)))


def _family(scene: Scene, labels: set[int]) -> set[int]:
    """Return objects, all that they took in, and all that came from the same candidates."""
    kept, gone = scene.state.kept, scene.state.gone
    while True:
        origins = {scene.state.origin(label) for label in labels} - {0}
        more = {n for n, one in gone.items() if one.into in labels or one.origin in origins}
        more |= {n for n, one in kept.items() if one.origin in origins}
        if more <= labels:
            return labels
        labels = labels | more


def _around(box: tuple[int, int, int, int], placed: Placed) -> tuple[int, int, int, int]:
    y0, x0, y1, x1 = placed.extent
    return min(y0, box[0]), min(x0, box[1]), max(y1, box[2]), max(x1, box[3])


def _settle(scene: Scene, action: Settle) -> Plan:
    if scene.start.candidates is None:
        raise MendError("there are no stored candidates to select from: run the model first")
    return Plan(Change(settings=action.settings), action, ())


def _step(scene: Scene, action: Step) -> Plan:
    return Plan(*step(scene, action))


def _grow(scene: Scene, action: Grow) -> Plan:
    return Plan(*grow(scene, action))


def _paint(scene: Scene, action: Paint) -> Plan:
    return Plan(*paint(scene, action))


def _carry(scene: Scene, action: Carry) -> Plan:
    return Plan(*carry(scene, action))


_PLANS = cast(
    "dict[type[Action], Callable[[Scene, Action], Plan]]",
    {
        Add: _add, Reshape: _reshape, Remove: _remove, Merge: _merge, Split: _split, Step: _step,
        Grow: _grow, Lock: _lock, Release: _release, Paint: _paint, Settle: _settle, Carry: _carry,
    },
)  # fmt: skip

"""Whole and parts: an object goes on to the next larger or smaller stored candidate of its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.draft import Draft
from napari_sam2_automask.mending.splitting import pixel
from napari_sam2_automask.mending.stored import next_size, parts_in, scores_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.mending.actions import Step
    from napari_sam2_automask.mending.draft import Scene
    from napari_sam2_automask.mending.state import Change
    from napari_sam2_automask.mending.stored import Found
    from napari_sam2_automask.painting.live import LiveSelection

    Planned = tuple[Change, Step, tuple[int, ...]]

__all__ = ["step"]

# An object of which this share lies in the whole is one of its parts, and goes into it.
_PART = 0.8


def step(scene: Scene, action: Step) -> Planned:
    """Return the change, the action with its numbers, and the objects that it leaves.

    Raises
    ------
    MendError
        If there is no object at the point, or no further candidate.
    """
    live = scene.start
    if live.candidates is None:
        raise MendError("there are no stored candidates: split or merge the object instead")
    label = action.label or scene.label_at(action.point)
    if not label:
        raise MendError("no object lies there: click on one, or add one first")
    current = scene.placed(label)
    to_whole = action.to == "whole"
    found = next_size(live, current, *pixel(action.point), larger=to_whole)
    if found is None:
        size = "larger" if to_whole else "smaller"
        raise MendError(f"no {size} stored candidate lies there: {'merge' if to_whole else 'split'} by hand")
    if to_whole:
        return _whole(scene, action, label, current, found, live)
    return _parts(scene, action, label, current, found, live)


def _whole(
    scene: Scene, action: Step, label: int, current: Placed, found: Found, live: LiveSelection
) -> Planned:
    y0, x0, y1, x1 = found.placed.extent
    inside = scene.labels[y0:y1, x0:x1][found.placed.mask]
    near = [n for n in np.unique(inside).tolist() if n not in (0, label)]
    taken = [n for n in near if np.count_nonzero(inside == n) >= _PART * scene.placed(n).area]
    box = scene.box_of([label, *taken])
    draft = Draft(scene, (min(y0, box[0]), min(x0, box[1]), max(y1, box[2]), max(x1, box[3])))
    own = draft.labels == label
    parts = draft.of(taken)
    mask = draft.inside(found.placed) & (own | (draft.labels == 0)) | parts
    draft.empty(label, own & ~mask)
    scores = scores_of(live, found.row) if _is(mask, draft.inside(found.placed)) else None
    draft.keep(label, mask, "stepped", scores=scores)
    for part in taken:
        draft.end(part, into=label)
    return draft.change(), action.model_copy(update={"label": label}), (label,)


def _parts(
    scene: Scene, action: Step, label: int, current: Placed, found: Found, live: LiveSelection
) -> Planned:
    others = parts_in(live, current, found)
    into = scene.fresh(action.into, len(others)) if others or action.into else []
    y0, x0, y1, x1 = found.placed.extent
    box = current.extent
    draft = Draft(scene, (min(y0, box[0]), min(x0, box[1]), max(y1, box[2]), max(x1, box[3])))
    own = draft.labels == label
    left = own.copy()
    origin = draft.origin(label)
    for number, part in zip((label, *into), (found, *others), strict=True):
        full = draft.inside(part.placed)
        mask = full & (left | (draft.labels == 0)) if number == label else full & left
        scores = scores_of(live, part.row) if _is(mask, full) else None
        left &= ~mask
        draft.keep(number, mask, "stepped", origin=origin, scores=scores)
    draft.empty(label, left)
    done = action.model_copy(update={"label": label, "into": tuple(into)})
    return draft.change(), done, (label, *into)


def _is(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    return bool(np.array_equal(one, other))

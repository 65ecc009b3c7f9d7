"""Locked objects, and the ground of removed ones, taken over from one run into another, or from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.mending.actions import Carried, Carry
from napari_sam2_automask.mending.draft import Draft
from napari_sam2_automask.mending.rle_mask import RleMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.mending.draft import Scene
    from napari_sam2_automask.mending.state import Change, State

__all__ = ["GONE", "carried", "carry"]

#: What is said to have been done to an object that went.
GONE = "removed"
_NOTHING = Placed.at(0, 0, np.zeros((0, 0), bool))


def carried(state: State) -> Carry:
    """Return the action that takes over what was decided."""
    pixels = state.hold.pixels
    masks, grounds = _masks(pixels), _masks(-pixels)
    objects = [
        Carried(
            label=label,
            edited=one.edited,
            scores=_json(one.scores),
            mask=masks.get(label),
            ground=grounds.get(label),
        )
        for label, one in sorted(state.kept.items())
    ]
    gone = sorted(state.gone.keys() - state.kept.keys())
    objects += [
        Carried(label=label, edited=GONE, ground=grounds[label]) for label in gone if label in grounds
    ]
    return Carry(objects=tuple(objects))


def carry(scene: Scene, action: Carry) -> tuple[Change, Carry, tuple[int, ...]]:
    """Return the change, the action with its numbers, and the objects taken over.

    A number that a candidate or a mended object of this run has is replaced by the next one.
    """
    draft = Draft(scene, (0, 0, *scene.shape))
    candidates = 0 if scene.start.candidates is None else len(scene.start.candidates)
    largest = max([scene.state.used, *(one.label for one in action.objects)])
    taken = scene.state.kept.keys() | scene.state.gone.keys()
    done = []
    for one in action.objects:
        label = one.label
        if label <= candidates or label in taken:
            largest += 1
            label = largest
        own = label if candidates == 0 and label in scene.start.masks else 0
        if one.ground is not None:
            draft.empty(label, one.ground.placed(scene.shape))
        if one.edited == GONE:
            draft.end(label)
        else:
            mask = _NOTHING if one.mask is None else one.mask.placed(scene.shape)
            draft.keep(label, mask, one.edited, origin=own, scores=_numbers(one.scores))
        done.append(one.model_copy(update={"label": label}))
    return draft.change(), Carry(objects=tuple(done)), tuple(one.label for one in done)


def _masks(image: NDArray[np.int32]) -> dict[int, RleMask]:
    return {
        label: RleMask.of(image[y, x] == label, y.start, x.start)
        for label, (y, x) in places_of(image).items()
    }


def _json(scores: tuple[float, float] | None) -> tuple[float | None, float | None] | None:
    """Return scores as JSON knows them."""
    if scores is None:
        return None
    iou, stability = (None if np.isnan(score) else score for score in scores)
    return iou, stability


def _numbers(scores: tuple[float | None, float | None] | None) -> tuple[float, float] | None:
    if scores is None:
        return None
    iou, stability = (np.nan if score is None else score for score in scores)
    return iou, stability

"""Pixels that were painted, filled or erased, in whatever way: seen by comparing label images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import are_of, numbers_in, places_of, tight
from napari_sam2_automask.mending.actions import MOST, Paint, Patch
from napari_sam2_automask.mending.draft import Draft
from napari_sam2_automask.mending.rle_mask import RleMask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.mending.draft import Scene
    from napari_sam2_automask.mending.state import Change

__all__ = ["paint", "painted"]


def painted(before: NDArray[np.integer[Any]], after: ArrayLike) -> Paint | None:
    """Return what a person painted, None for nothing.

    Parameters
    ----------
    before, after : (Y, X) int arrays
        The label image as it was, and as the person left it.

    Raises
    ------
    MendError
        If `after` is of another shape, or holds what is no number of an object.
    """
    array = np.asarray(after)
    if array.shape != before.shape or array.dtype.kind not in "iub":
        raise MendError(
            f"the labels have the shape {array.shape} and the type {array.dtype}, and were whole numbers of "
            f"the shape {before.shape}: give the labels of the same image"
        )
    changed = array != before
    rows, columns = tight(changed)
    changed, inside = changed[rows, columns], array[rows, columns]
    if not changed.size:
        return None
    if int(inside.min()) < 0 or int(inside.max()) > MOST:
        raise MendError(f"labels are numbers from 0 to {MOST:,}: number the objects anew")
    values = np.where(changed, inside, 0)
    masks = {
        label: RleMask.of(values[y, x] == label, rows.start + y.start, columns.start + x.start)
        for label, (y, x) in places_of(values).items()
    }
    erased = changed & (inside == 0)
    if erased.any():
        masks[0] = RleMask.of(erased, rows.start, columns.start)
    return Paint(patches=tuple(Patch(label=label, mask=mask) for label, mask in sorted(masks.items())))


def paint(scene: Scene, action: Paint) -> tuple[Change, Paint, tuple[int, ...]]:
    """Return the change, the action, and the objects that were painted.

    An object that gained or lost pixels is locked. Where one was erased, nothing comes back.
    """
    placed = [(patch.label, patch.mask.placed(scene.shape)) for patch in action.patches]
    touched = {label for label, _ in placed}
    for _, one in placed:
        touched |= set(np.unique(scene.labels[one.window][one.mask]).tolist())
    touched -= {0}
    boxes = [one.extent for _, one in placed]
    if there := _seen(scene, touched):
        boxes.append(scene.box_of(there))
    y0, x0 = (min(box[k] for box in boxes) for k in (0, 1))
    y1, x1 = (max(box[k] for box in boxes) for k in (2, 3))
    draft = Draft(scene, (y0, x0, y1, x1))
    after = draft.labels.astype(np.int64)
    for label, one in placed:
        after[one.y0 - y0 : one.extent[2] - y0, one.x0 - x0 : one.extent[3] - x0][one.mask] = label
    mine = draft.of(touched)
    draft.hold(mine & (after == 0), -draft.labels.astype(np.int64))
    held = are_of(after, touched)
    draft.hold(held, after)
    left = set(numbers_in(after[held]).tolist())
    nothing = np.zeros(after.shape, bool)
    for label in sorted(touched):
        if label in left:
            draft.keep(label, nothing, "painted")
        elif label in there:
            draft.end(label)
    return draft.change(), action, tuple(sorted(left))


def _seen(scene: Scene, labels: set[int]) -> set[int]:
    """Return those of some objects of which a pixel shows."""
    return {label for label in labels if scene.bounds(label) is not None}

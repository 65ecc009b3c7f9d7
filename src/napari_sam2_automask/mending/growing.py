"""Objects a few pixels wider or narrower than they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.mending.draft import Draft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.mending.actions import Grow
    from napari_sam2_automask.mending.draft import Scene
    from napari_sam2_automask.mending.state import Change

    Window = tuple[slice, slice]
    Planned = tuple[Change, Grow, tuple[int, ...]]

__all__ = ["grow"]


def grow(scene: Scene, action: Grow) -> Planned:
    """Return the change, the action, and the objects that it leaves.

    Objects grow over all free pixels within a distance, the nearer of two first, as `expand_labels` does; a
    pixel that is lost lies within that distance of one outside the object. What lies beyond the edge of the
    image is not outside.

    Raises
    ------
    MendError
        If an object is not there, would be gone, or none has free ground around it.
    """
    labels = sorted(set(action.labels))
    margin = max(action.pixels, 1)
    y0, x0, y1, x1 = scene.box_of(labels)
    rows, columns = scene.shape
    draft = Draft(
        scene, (max(y0 - margin, 0), max(x0 - margin, 0), min(y1 + margin, rows), min(x1 + margin, columns))
    )
    change = _wider if action.pixels > 0 else _narrower
    change(draft, labels, abs(action.pixels))
    return draft.change(), action, tuple(dict.fromkeys(action.labels))


def _wider(draft: Draft, labels: list[int], pixels: int) -> None:
    from skimage.segmentation import expand_labels

    mine = draft.of(labels)
    wider = expand_labels(np.where(mine, draft.labels, 0), pixels)  # type: ignore[no-untyped-call]
    wider[(draft.labels > 0) & ~mine] = 0
    if np.count_nonzero(wider) == np.count_nonzero(mine):
        raise MendError("there is no free ground around it: remove or shrink what lies there first")
    for number, place in places_of(wider).items():
        own = draft.labels[place] == number
        draft.keep(number, _in_box(draft, place, _reached(wider[place] == number, own)), "reshaped")


def _narrower(draft: Draft, labels: list[int], pixels: int) -> None:
    mine = np.where(draft.of(labels), draft.labels, 0)
    found = {number: _core(mine, number, place, pixels) for number, place in places_of(mine).items()}
    if gone := [number for number, (_, kept) in found.items() if not kept.any()]:
        raise MendError(f"nothing of object {gone[0]} would be left: remove it instead")
    for number, (place, kept) in found.items():
        draft.empty(number, _in_box(draft, place, (mine[place] == number) & ~kept))
        draft.keep(number, _in_box(draft, place, kept), "reshaped")


def _reached(mask: NDArray[np.bool_], start: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pieces of a mask that hang together with what was there: none lies behind another object."""
    from scipy.ndimage import label

    pieces, _ = label(mask, np.ones((3, 3), int))
    reached: NDArray[np.bool_] = mask & np.isin(pieces, np.unique(pieces[start & mask]))
    return reached


def _core(
    labels: NDArray[np.integer[Any]], number: int, place: Window, pixels: int
) -> tuple[Window, NDArray[np.bool_]]:
    """Return the pixels of an object that lie farther than a distance from all that are not its own.

    They come in a window that is a pixel wider than the object, but at the edge of the image.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = (
        slice(max(part.start - 1, 0), min(part.stop + 1, n))
        for part, n in zip(place, labels.shape, strict=True)
    )
    mask = labels[rows, columns] == number
    if mask.all():  # it fills the image
        return (rows, columns), mask
    core: NDArray[np.bool_] = distance_transform_edt(mask) > pixels
    return (rows, columns), core


def _in_box(draft: Draft, place: Window, mask: NDArray[np.bool_]) -> Placed:
    return Placed.at(draft.box[0] + place[0].start, draft.box[1] + place[1].start, mask)

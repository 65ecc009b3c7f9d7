"""A change being made: which pixels and numbers an action decides about, before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed, are_of, tight
from napari_sam2_automask.mending.actions import MOST
from napari_sam2_automask.mending.splitting import pixel
from napari_sam2_automask.mending.state import Change, Gone, Kept

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.mending.fixed_labels import FixedLabels
    from napari_sam2_automask.mending.state import State
    from napari_sam2_automask.painting.live import LiveSelection

    Box = tuple[int, int, int, int]

__all__ = ["Draft", "Scene"]

# The whole mask of an object of which less than this share shows is remembered when it goes.
_SHOWS = 0.75


class Scene:
    """The labels as they are, and what was decided about them.

    Parameters
    ----------
    start : LiveSelection or FixedLabels
        What is mended.
    state : State
        What was decided.
    """

    def __init__(self, start: LiveSelection | FixedLabels, state: State) -> None:
        self.start, self.state = start, state

    @property
    def labels(self) -> NDArray[np.unsignedinteger[Any]]:
        """The label image (Y, X)."""
        return self.start.labels

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.labels.shape[0], self.labels.shape[1]

    def label_at(self, point: tuple[float, float]) -> int:
        """Return the object at a point, 0 for none; raise a MendError outside the image."""
        y, x = pixel(point)
        if not (0 <= y < self.shape[0] and 0 <= x < self.shape[1]):
            raise MendError(f"the point {point[0]:g}, {point[1]:g} lies outside the image: choose one in it")
        return int(self.labels[y, x])

    def box_of(self, labels: Iterable[int]) -> Box:
        """Return the smallest box around the pixels of some objects that show.

        Raises
        ------
        MendError
            If one of them is not there.
        """
        wanted = sorted(set(labels))
        boxes = {label: self.bounds(label) for label in wanted}
        lost = [label for label, box in boxes.items() if box is None]
        if lost:
            raise MendError(f"there is no object {', '.join(map(str, lost))}: choose one that shows")
        found = np.array(list(boxes.values()))
        y0, x0 = found[:, :2].min(0).tolist()
        y1, x1 = found[:, 2:].max(0).tolist()
        return y0, x0, y1, x1

    def bounds(self, label: int) -> Box | None:
        """Return the smallest box around the pixels of an object that show, None if none does."""
        whole = self.start.masks.get(label)
        box = self.state.bounds.get(label) if label in self.state.kept else None
        if box is None:
            if whole is None:
                return None
            box = whole.extent
        y0, x0, y1, x1 = box
        rows, columns = tight(self.labels[y0:y1, x0:x1] == label)
        if rows.start == rows.stop:
            return None
        found = y0 + rows.start, x0 + columns.start, y0 + rows.stop, x0 + columns.stop
        if label in self.state.kept:
            self.state.bounds[label] = found
        return found

    def shown(self, label: int) -> int:
        """Return how many pixels of an object show."""
        box = self.bounds(label)
        if box is None:
            return 0
        return int(np.count_nonzero(self.labels[box[0] : box[2], box[1] : box[3]] == label))

    def is_held_by(self, labels: Collection[int], pixels: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell which held pixels, of the image or a part, are those or the ground of some objects."""
        return are_of(np.abs(pixels), labels)

    def placed(self, label: int) -> Placed:
        """Return the pixels of an object that show; raise a MendError if none does."""
        y0, x0, y1, x1 = self.box_of([label])
        return Placed.at(y0, x0, self.labels[y0:y1, x0:x1] == label)

    def fresh(self, given: Sequence[int], count: int) -> list[int]:
        """Return numbers for new objects: those given, else the next ones.

        Raises
        ------
        MendError
            If a given one is taken, or there are too few or too many.
        """
        if self.state.used + count > MOST and not given:
            raise MendError(f"there is no number above {self.state.used:,} left: number the objects anew")
        if not given:
            return list(range(self.state.used + 1, self.state.used + 1 + count))
        if len(given) != count or len(set(given)) != count:
            raise MendError(f"{len(given)} numbers are given for {count} new objects: give as many")
        known = self.state.kept.keys() | self.state.gone.keys()
        candidates = 0 if self.start.candidates is None else len(self.start.candidates)
        for label in given:
            if label <= candidates or label in known or label in self.start.masks:
                raise MendError(f"the number {label} is taken: give one above {self.state.used}")
        return list(given)


class Draft:
    """Values for the pixels of a box, and for objects.

    Parameters
    ----------
    scene : Scene
        The labels as they are.
    box : (int, int, int, int)
        ``y0, x0, y1, x1``, end exclusive; holds all pixels that will change.
    """

    def __init__(self, scene: Scene, box: Box) -> None:
        self._scene, self.box = scene, box
        y0, x0, y1, x1 = box
        self.labels = scene.labels[y0:y1, x0:x1]
        self._pixels = scene.state.hold.pixels[y0:y1, x0:x1].copy()
        self._kept: dict[int, Kept | None] = {}
        self._gone: dict[int, Gone | None] = {}

    def of(self, labels: Collection[int]) -> NDArray[np.bool_]:
        """Return the pixels of some objects that show, in the size of the box."""
        return are_of(self.labels, labels)

    def inside(self, placed: Placed) -> NDArray[np.bool_]:
        """Return what of a mask lies in the box, in its size."""
        full = np.zeros(self.labels.shape, bool)
        y0, x0, y1, x1 = self.box
        top, left = max(placed.y0, y0), max(placed.x0, x0)
        inner = placed.mask[
            max(top - placed.y0, 0) : max(y1 - placed.y0, 0),
            max(left - placed.x0, 0) : max(x1 - placed.x0, 0),
        ]
        full[top - y0 : top - y0 + inner.shape[0], left - x0 : left - x0 + inner.shape[1]] = inner
        return full

    def origin(self, label: int) -> int:
        """Return the number of the candidate that an object came from."""
        return self._scene.state.origin(label, self._scene.start.masks)

    def keep(
        self,
        label: int,
        mask: NDArray[np.bool_] | Placed,
        edited: str,
        *,
        origin: int | None = None,
        scores: tuple[float, float] | None = None,
    ) -> None:
        """Lock an object, with these pixels of the box."""
        self._write(mask, label)
        self._kept[label] = Kept(edited, self.origin(label) if origin is None else origin, scores)

    def hold(self, mask: NDArray[np.bool_], values: NDArray[np.integer[Any]]) -> None:
        """Hold pixels of the box for the objects, or as the ground (below 0), that `values` say."""
        np.copyto(self._pixels, values, where=mask, casting="unsafe")

    def empty(self, label: int, mask: NDArray[np.bool_] | Placed) -> None:
        """Leave pixels of the box that were of an object empty."""
        self._write(mask, -label)

    def end(self, label: int, into: int = 0) -> None:
        """Let an object go, its pixels being dealt with: removed, or taken in by another one."""
        self._kept[label] = None
        whole = self._scene.start.masks.get(label)
        hidden = whole is not None and self._scene.shown(label) < _SHOWS * whole.area
        self._gone[label] = Gone(self.origin(label), into, whole if hidden else None)

    def release(self, labels: Collection[int]) -> None:
        """Forget that objects were locked, or that they went."""
        for label in labels:
            self._kept[label] = self._gone[label] = None
        self._pixels[self._scene.is_held_by(labels, self._pixels)] = 0

    def change(self) -> Change:
        """Return the change."""
        return Change(self.box, self._pixels, self._kept, self._gone)

    def _write(self, mask: NDArray[np.bool_] | Placed, value: int) -> None:
        if not isinstance(mask, Placed):
            self._pixels[mask] = value
            return
        y, x = mask.y0 - self.box[0], mask.x0 - self.box[1]
        self._pixels[y : y + mask.mask.shape[0], x : x + mask.mask.shape[1]][mask.mask] = value

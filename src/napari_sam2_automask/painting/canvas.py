"""A label image that masks come to and go from, repainted only where something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2_automask.painting.labels import label_dtype, painting_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.painting.hold import Hold

    Box = tuple[int, int, int, int]

__all__ = ["Canvas", "Painted"]

# All is painted anew where more than this share of the masks came or went.
_MUCH = 1 / 6


class Painted(NamedTuple):
    """Labels that came and went, and the boxes ``y0, x0, y1, x1``, end exclusive, that were painted anew."""

    added: list[int]
    gone: list[int]
    boxes: list[Box]


class Canvas:
    """Labels of chosen masks, under what a person holds.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    largest : int
        The largest label that masks have.

    Attributes
    ----------
    labels : (Y, X) uint16 or uint32 array
        The label image, changed in place; another array once a larger label needs it.
    shown : dict of int to Placed
        The masks that are painted, by label: those chosen but for what is barred.
    """

    def __init__(self, shape: tuple[int, int], largest: int) -> None:
        self.labels: NDArray[np.unsignedinteger] = np.zeros(shape, label_dtype(largest))
        self.shown: dict[int, Placed] = {}
        self._hold: Hold | None = None
        # Of the masks chosen those that are no matter of what is held, which is not looked at for them again.
        self._far: dict[int, Placed] = {}
        self._chosen: Mapping[int, Placed] = {}
        self._overlap = ""
        # Of the masks shown, by label: boxes and areas.
        self._labels = np.zeros(0, np.int64)
        self._places = np.zeros((0, 5), np.int64)
        # The same masks, the lowest first, and their boxes.
        self._order = np.zeros(0, np.int64)
        self._extents = np.zeros((0, 4), np.int64)

    @property
    def hold(self) -> Hold | None:
        """What a person holds; tell every change of it to `refresh`."""
        return self._hold

    @hold.setter
    def hold(self, hold: Hold | None) -> None:
        self._hold, self._far = hold, {}

    @property
    def barred(self) -> int:
        """How many of the chosen masks are not painted, because of what a person holds."""
        return len(self._chosen) - len(self.shown)

    def widen(self, largest: int) -> None:
        """Make room for labels up to `largest`."""
        if self.labels.dtype.itemsize < np.dtype(label_dtype(largest)).itemsize:
            self.labels = self.labels.astype(label_dtype(largest))

    def choose(self, chosen: Mapping[int, Placed], overlap: str) -> Painted:
        """Paint other masks.

        Parameters
        ----------
        chosen : mapping of int to Placed
            The masks by label.
        overlap : str
            Which lies on top, see `painting_order`.
        """
        self._chosen = chosen
        before, self._far = self._far, {}
        shown = self._allowed(chosen, before)
        gone = _changed(self.shown, shown)
        added = _changed(shown, self.shown)
        boxes = [self.shown[n].extent for n in gone] + [shown[n].extent for n in added]
        everything = overlap != self._overlap or len(boxes) > _MUCH * len(shown)
        if everything and (boxes or overlap != self._overlap):
            boxes = [(0, 0, *self.labels.shape)]
        self._overlap = overlap
        self._put_in_order(shown, added)
        self._repaint(boxes)
        return Painted(added, gone, boxes)

    def refresh(self, box: Box, numbers: Iterable[int] = (), around: Iterable[Box] = ()) -> Painted:
        """Paint a box anew in which what is held has changed, and masks that come or go with that.

        Parameters
        ----------
        box : (int, int, int, int)
            ``y0, x0, y1, x1``, end exclusive.
        numbers : iterable of int
            Labels whose being held may have changed, wherever their masks lie.
        around : iterable of (int, int, int, int)
            Boxes of masks that objects had which went or came back.
        """
        labels = np.fromiter(self._chosen, np.int64, len(self._chosen))
        extents = _extents(self._chosen, labels)
        told = set(numbers) & self._chosen.keys()
        touched = np.isin(labels, list(told))
        for part in (box, *around, *(self._chosen[n].extent for n in told)):
            touched |= _touching(extents, part)
        near = labels[touched].tolist()
        for n in near:
            self._far.pop(n, None)
        allowed = self._allowed({n: self._chosen[n] for n in near}, {})
        added = [n for n in allowed if n not in self.shown]
        gone = [n for n in near if n in self.shown and n not in allowed]
        boxes = [box, *(self._chosen[n].extent for n in (*added, *gone))]
        if added or gone:
            left = set(gone)
            shown = {n: placed for n, placed in self.shown.items() if n not in left}
            self._put_in_order({**shown, **{n: allowed[n] for n in added}}, added)
        self._repaint(boxes)
        return Painted(added, gone, boxes)

    def _allowed(self, masks: Mapping[int, Placed], far: Mapping[int, Placed]) -> dict[int, Placed]:
        """Return those of some masks that are not barred; `far` are known to be no matter of what is held."""
        hold = self.hold
        if hold is None:
            return dict(masks)
        out = hold.numbers()
        ghosts = [self._chosen[n] for n in out if n in self._chosen]
        allowed = {}
        for n, one in masks.items():
            if n in out:
                continue
            if far.get(n) is one or hold.is_far(one):
                self._far[n] = one
            elif hold.bars(one, ghosts):
                continue
            allowed[n] = one
        return allowed

    def _put_in_order(self, shown: dict[int, Placed], added: list[int]) -> None:
        """Put masks in order, of which all but `added` are shown as they are."""
        self.shown = shown
        labels = np.sort(np.fromiter(shown, np.int64, len(shown)))
        places = np.empty((len(labels), 5), np.int64)
        before = np.isin(labels, self._labels)
        places[before] = self._places[np.searchsorted(self._labels, labels[before])]
        if added:
            new = np.array(added, np.int64)
            areas = [shown[n].area for n in added]
            places[np.searchsorted(labels, new)] = np.column_stack([_extents(shown, new), areas])
        self._labels, self._places = labels, places
        order = painting_order(labels, places[:, 4], self._overlap)
        self._order, self._extents = labels[order], places[order, :4]

    def _repaint(self, boxes: Iterable[Box]) -> None:
        for box in boxes:
            y0, x0, y1, x1 = box
            view = self.labels[y0:y1, x0:x1]
            view[...] = 0
            for label in self._order[_touching(self._extents, box)].tolist():
                placed = self.shown[label]
                top, left = max(placed.y0, y0), max(placed.x0, x0)
                inside = placed.mask[top - placed.y0 : y1 - placed.y0, left - placed.x0 : x1 - placed.x0]
                height, width = inside.shape
                view[top - y0 : top - y0 + height, left - x0 : left - x0 + width][inside] = label
            if self.hold is not None:
                held = self.hold.pixels[y0:y1, x0:x1]
                np.copyto(view, np.maximum(held, 0).astype(view.dtype), where=held != 0)


def _extents(masks: Mapping[int, Placed], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([masks[n].extent for n in labels.tolist()], np.int64).reshape(-1, 4)


def _touching(extents: NDArray[np.int64], box: Box) -> NDArray[np.bool_]:
    y0, x0, y1, x1 = box
    touches: NDArray[np.bool_] = (extents[:, 0] < y1) & (extents[:, 2] > y0)
    touches &= (extents[:, 1] < x1) & (extents[:, 3] > x0)
    return touches


def _changed(masks: Mapping[int, Placed], others: Mapping[int, Placed]) -> list[int]:
    """Return the labels of masks that the others lack, or have with other pixels."""
    return [
        n
        for n, placed in masks.items()
        if (other := others.get(n)) is not placed and not _is_same(other, placed)
    ]


def _is_same(other: Placed | None, placed: Placed) -> bool:
    """Tell whether a candidate shows the same pixels before and after."""
    if other is None or other.extent != placed.extent or other.area != placed.area:
        return False
    return other.mask is placed.mask or np.array_equal(other.mask, placed.mask)

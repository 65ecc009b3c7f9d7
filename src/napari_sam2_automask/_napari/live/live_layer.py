"""A Labels layer that follows the settings: what a person mended stays, everything else is repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.live.answer import Answer
from napari_sam2_automask.errors import AutomaskError, MendError
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.mending.mends import Mends
from napari_sam2_automask.mending.state import Kept
from napari_sam2_automask.settings.amg import ALL_LEVELS
from napari_sam2_automask.stack.plane_mends import PlaneMends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.mending.mends import Done
    from napari_sam2_automask.painting.live import Change, LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.stack.joint_steps import Line
    from napari_sam2_automask.stack.numbers import Plane

    Act = Callable[[Mends], Done | None]

__all__ = ["LiveLayer"]


class LiveLayer:
    """Keeps a layer in step with settings and mends; on the main thread but for the work that `ask` returns.

    Parameters
    ----------
    live : LiveSelection
        Prepared, so that updates are quick.
    layer : Labels
        Holds what `settings` select.
    window : callable
        Returns the part of a plane in the layer's axes that the candidates were found in, as a view (Y, X).
    settings : AmgSettings
        The settings of the run.
    mends : Mends, optional
        What was done to its objects already; those of a plane of a stack know the plane.
    cut : tuple of slice and int, optional
        Of a plane of a stack: where it lies in the layer's data.
    line : Line, optional
        The history, where it holds more than what was done to the objects.

    Attributes
    ----------
    features : DataFrame
        The rows of its objects.
    waiting : int
        How many actions are yet to be done.
    mends : Mends
        What is done to the objects; only for the thread that does the work.
    shows : Answer
        What is known of the labels that the layer shows.
    tell : callable or None
        Writes what was done last into the record of the layer.
    noting : callable or None
        Called with `mends`, by the thread that does the work, once the next edit is taken over.
    table : callable or None
        Makes the table of objects of a label image of the layer's shape, in a thread that can wait.
    """

    def __init__(
        self,
        live: LiveSelection,
        layer: Labels,
        window: Callable[[NDArray[Any]], NDArray[Any]],
        settings: AmgSettings,
        *,
        mends: Mends | None = None,
        cut: tuple[slice | int, ...] = (),
        line: Line | None = None,
        ran: bool = True,
    ) -> None:
        self.live, self.layer, self._line, self._ran = live, layer, line, ran
        self._window, self._cut = window, cut
        self.mends = Mends(live, settings) if mends is None else mends
        self.table: Callable[[NDArray[Any]], pd.DataFrame] | None = None
        self.tell: Callable[[], None] | None = None
        self.noting: Callable[[Mends], None] | None = None
        self._rows: pd.DataFrame | None = None
        self.waiting = 0
        self.shows = self._told(None, [])
        # The window of the layer as it was when it was last looked at.
        self._seen: NDArray[Any] = self._numbered(live.labels).copy()
        self._touched: set[int] = set()
        self._behind = False
        self._shape = layer.data.shape
        self._corner, self._turned = _place(window, layer.data[cut].shape)

    @property
    def plane(self) -> Plane | None:
        """Where the plane lies in its stack; None for an image of two axes."""
        return self.mends.plane if isinstance(self.mends, PlaneMends) else None

    @property
    def fits(self) -> bool:
        """Whether the layer has the shape that it was made with; labels of another one cannot be mended."""
        return bool(self.layer.data.shape == self._shape)

    @property
    def is_part(self) -> bool:
        """Whether the candidates were found in a part of the plane: nothing can be painted beside it."""
        return self._window(self.data).size < self.data.size

    @property
    def axes(self) -> tuple[int, int]:
        """The axes of the layer that the plane lies in, in order."""
        if not self._cut:
            return 0, 1
        first, second = (axis for axis, one in enumerate(self._cut) if isinstance(one, slice))
        return first, second

    @property
    def rows_columns(self) -> tuple[int, int]:
        """The axes of the layer that the rows and columns of the plane lie along, as the table has them."""
        first, second = self.axes
        return (second, first) if self._turned else (first, second)

    @property
    def features(self) -> pd.DataFrame:
        """The rows of the objects: the layer's, or of a plane of a stack its own."""
        import pandas as pd

        if not self._cut:
            features: pd.DataFrame = self.layer.features
            return features

        return pd.DataFrame() if self._rows is None else self._rows

    @features.setter
    def features(self, rows: pd.DataFrame) -> None:
        self._rows = rows
        if not self._cut:
            self.layer.features = rows

    @property
    def data(self) -> NDArray[Any]:
        """The data of the layer, of a stack those of the plane, as a view in the layer's axes."""
        data: NDArray[Any] = np.asarray(self.layer.data)[self._cut]
        return data

    def window(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the part of an array of the layer's shape that the candidates were found in, as a view."""
        return self._window(data[self._cut])

    def copied(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return a copy of `data`, and of that the part that the candidates were found in, as a view."""
        data = self.data.copy()
        return data, self._window(data)

    @property
    def candidates(self) -> Candidates:
        """What is selected from."""
        return self.live.candidates

    @property
    def selects(self) -> bool:
        """Whether a run has left anything to select from; there is none where labels of before are mended."""
        return len(self.candidates) > 0 or (self._ran and self.plane is not None)

    @property
    def change(self) -> Change:
        """What was selected last."""
        return self.shows.change

    @property
    def objects(self) -> NDArray[np.int64]:
        """The labels that show, (K,); of all levels those too that others cover."""
        return self.shows.objects

    @property
    def locked(self) -> frozenset[int]:
        """Objects that a person mended or accepted, those of edits that were just made included."""
        return frozenset(self.shows.kept) | self._touched

    @property
    def accepted(self) -> frozenset[int]:
        """Objects that a person called good: locked as they were."""
        return frozenset(n for n, one in self.shows.kept.items() if one.edited == "locked")

    @property
    def rejected(self) -> frozenset[int]:
        """Objects that a person removed."""
        return self.shows.removed

    @property
    def removed(self) -> dict[str, int]:
        """How many candidates each filter removed, and how many others cover wholly."""
        covered = self.shows.covered
        return {**self.change.removed, **({"covered by others": covered} if covered else {})}

    def own(self, objects: Iterable[int]) -> tuple[int, ...]:
        """Return the labels that objects have in the plane, which candidates are counted by."""
        return self.mends.own(objects) if isinstance(self.mends, PlaneMends) else tuple(objects)

    def _numbered(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return labels of the plane as the layer holds them."""
        numbers = self.shows.numbers
        return labels if numbers is None else numbers[labels]

    # -- places

    def whole(self) -> dict[int, Placed]:
        """Return the whole masks of the objects that follow the settings, by label, in the layer's axes."""
        return {label: self.on_layer(placed) for label, placed in self.shows.masks.items()}

    def on_layer(self, placed: Placed) -> Placed:
        """Return a mask of the window in the layer's axes."""
        y0, x0 = self._corner
        one = Placed(placed.x0, placed.y0, placed.mask.T, placed.area) if self._turned else placed
        return Placed(one.y0 + y0, one.x0 + x0, one.mask, one.area)

    def in_window(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return where a point of the layer's data lies in the window, which is what actions count in."""
        y, x = point[0] - self._corner[0], point[1] - self._corner[1]
        return (x, y) if self._turned else (y, x)

    def from_window(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return where a point of the window lies in the layer's data."""
        y, x = (point[1], point[0]) if self._turned else point
        return y + self._corner[0], x + self._corner[1]

    def measured(self, labels: NDArray[Any]) -> pd.DataFrame | None:
        """Return the table of objects of labels of the layer's shape, what was just painted included."""
        if self.table is None or labels.shape != self.layer.data.shape:
            return None
        try:
            return self.table(labels)
        except (AutomaskError, OSError, ValueError):  # the image cannot be read any more
            return None

    def kept_in(self, labels: NDArray[Any]) -> dict[int, Kept]:
        """Return the locked objects of labels of the window, those that were just edited included."""
        changed = labels != self._seen
        touched = np.union1d(labels[changed], self._seen[changed]).tolist() if changed.any() else []
        return {**self.shows.kept, **{n: Kept("painted", n) for n in {*touched, *self._touched} - {0}}}

    def painted(self) -> NDArray[Any]:
        """Return the layer's data as it was last looked at; pixels that differ were edited since."""
        labels: NDArray[Any] = np.asarray(self.layer.data).copy()
        self.window(labels)[...] = self._seen
        return labels

    def _beside(self) -> list[NDArray[Any]]:
        """Return the strips of the plane around the part that was segmented, as views."""
        data, (y0, x0) = self.data, self._corner
        height, width = self._window(data).shape[:: -1 if self._turned else 1]
        y1, x1 = y0 + height, x0 + width
        return [data[:y0], data[y1:], data[y0:y1, :x0], data[y0:y1, x1:]]

    def clear_beside(self) -> None:
        """Take out what was painted beside the part that was segmented: no record could repeat it."""
        if self.fits:
            for strip in self._beside():
                strip[...] = 0
            self.layer.refresh(extent=False)

    # -- work

    def edits(self) -> Act | None:
        """Return the action that takes over what was painted since the last look; None for nothing.

        What cannot be labels is not taken over, and goes from the layer again.
        """
        noting, self.noting = self.noting, None
        if not self.fits:
            return None
        labels = self.window(np.asarray(self.layer.data))
        changed = labels != self._seen
        rows, columns = tight(changed)
        changed = changed[rows, columns]
        if not changed.size:
            return None
        values = labels[rows, columns].copy()
        seen = self._seen[rows, columns]
        self._touched |= set(np.union1d(values[changed], seen[changed]).tolist()) - {0}
        both = np.result_type(values, self._seen)
        if both.itemsize > self._seen.dtype.itemsize:
            self._seen = self._seen.astype(both)
        self._seen[rows, columns] = values

        def act(mends: Mends) -> Done | None:
            after = mends.labels.astype(np.result_type(mends.labels, values))
            after[rows, columns][changed] = values[changed]
            try:
                done = mends.paint(after)
                if done is not None and noting is not None:
                    noting(mends)
                return done
            except AutomaskError as error:
                self._behind = True
                raise MendError(f"{error}. The layer has the labels of before again") from error

        return act

    def undo(self, mends: Mends) -> Done | None:
        """Take the last step back; an action for `ask`."""
        return mends.undo() if self._line is None else self._line.undo(mends)

    def redo(self, mends: Mends) -> Done | None:
        """Do the step again that was taken back last; an action for `ask`."""
        return mends.redo() if self._line is None else self._line.redo(mends)

    def ask(self, *acts: Act | None) -> Callable[[], Answer]:
        """Return the work of doing actions, for the one thread that does it, one at a time."""

        def work() -> Answer:
            boxes, done, wrong = [], None, None
            for act in acts:
                try:
                    done = None if act is None else act(self.mends)
                except AutomaskError as error:
                    done, wrong = None, error
                boxes += [] if done is None else [done.boxes]
            beside = self.is_part and self.fits and any(strip.any() for strip in self._beside())
            return self._told(done, boxes)._replace(error=wrong, beside=beside)

        return work

    @property
    def behind(self) -> bool:
        """Whether the layer does not show all that was done, since a person edited it meanwhile."""
        return self._behind

    def put(self, answer: Answer) -> bool:
        """Show what the work gave; return False, and change no pixel, if a person edited meanwhile."""
        self.shows = answer
        labels = self.live.labels
        if not self.fits:
            return True
        if not np.array_equal(self.window(np.asarray(self.layer.data)), self._seen):
            self._behind = True
            return False
        self._touched.clear()
        boxes = [box for part in answer.boxes for box in part.tolist()]
        if not boxes and not self._behind:
            return True
        dtype = labels.dtype if answer.numbers is None else answer.numbers.dtype
        if self.layer.data.dtype.itemsize < dtype.itemsize:
            wider = np.asarray(self.layer.data).astype(dtype)
            self._seen = self._numbered(labels).copy()
            self.window(wider)[...] = self._seen
            self.layer.data = wider
        else:
            self._write(labels, [[0, 0, *labels.shape]] if self._behind else boxes)
            self.layer.refresh(extent=False)
        self._behind = False
        return True

    def renumber(self, answer: Answer, paint: Callable[[NDArray[Any]], None]) -> None:
        """Take note that objects of the plane have other numbers; `paint` puts these into labels (Y, X)."""
        self.shows = answer
        paint(self._seen)
        paint(self.window(self.layer.data))
        self._touched.clear()

    def _write(self, labels: NDArray[Any], boxes: list[list[int]]) -> None:
        window = self.window(self.layer.data)
        if self._seen.dtype != window.dtype:
            self._seen = self._seen.astype(window.dtype)
        for y0, x0, y1, x1 in boxes:
            values = self._numbered(labels[y0:y1, x0:x1])
            for image in (window, self._seen):
                image[y0:y1, x0:x1] = values

    def _told(self, done: Done | None, boxes: list[NDArray[np.int64]]) -> Answer:
        mends, change = self.mends, self.live.change
        assert change is not None and mends.settings is not None
        objects = self.live.visible()
        if change.settings.overlap == ALL_LEVELS:
            objects = np.union1d(objects, change.rows + 1)
        covered = len(np.setdiff1d(change.rows + 1, objects, assume_unique=True))
        numbers, used = None, mends.next_label - 1
        if isinstance(mends, PlaneMends):
            numbers, used = mends.table, mends.own_used
            objects = np.sort(numbers[objects[objects < len(numbers)]]).astype(np.int64)
            objects = objects[objects > 0]
        return Answer(
            done,
            boxes,
            mends.settings,
            change,
            objects,
            dict(self.live.masks),
            dict(mends.kept),
            mends.removed,
            mends.next_undo if self._line is None else self._line.next_undo(mends),
            mends.next_redo if self._line is None else self._line.next_redo(mends),
            mends.steps,
            used,
            mends.undone,
            mends.next_label,
            covered,
            numbers,
        )


def _place(
    window: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...]
) -> tuple[tuple[int, int], bool]:
    """Return the corner of a window in an array of `shape`, and whether rows are columns there."""
    # A view of a view: arrays of the plane's size are not made.
    places = [window(np.broadcast_to(along, shape)) for along in np.ogrid[: shape[0], : shape[1]]]
    corners = np.stack([place[[0, 0, -1], [0, -1, 0]] for place in places], axis=1)
    (y0, x0), along_row, along_column = corners
    return (int(y0), int(x0)), bool(along_row[0] != y0 or along_column[1] != x0)

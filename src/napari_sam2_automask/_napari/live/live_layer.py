"""A Labels layer that follows the settings: what a person mended stays, everything else is repainted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY, request_key
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.mending.actions import Settle
from napari_sam2_automask.mending.mends import Mends
from napari_sam2_automask.mending.state import Kept
from napari_sam2_automask.record.record import RECORD_VERSION
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Done
    from napari_sam2_automask.painting.live import Change, LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings

    Act = Callable[[Mends], Done | None]

__all__ = ["Answer", "LiveLayer", "retell"]


class Answer(NamedTuple):
    """What an action did, and what is to be known after it; made by the thread that did it.

    Attributes
    ----------
    done : Done or None
        The action; None if nothing was done.
    boxes : list of (M, 4) int arrays
        Where labels may have changed.
    settings : AmgSettings
        Those in force.
    change : Change
        What was selected last.
    objects : (K,) int array
        The labels that show; of all levels those too that others cover.
    masks : dict of int to Placed
        The whole masks of the objects that follow the settings, by label.
    kept : dict of int to Kept
        The locked objects.
    removed : frozenset of int
        Objects that were removed.
    next_undo, next_redo : Action or None
        What undo would take back, and redo do again.
    steps : tuple of Action
        All that counts.
    used : int
        The largest number given out.
    error : AutomaskError or None
        Why the action could not be done.
    """

    done: Done | None
    boxes: list[NDArray[np.int64]]
    settings: AmgSettings
    change: Change
    objects: NDArray[np.int64]
    masks: dict[int, Placed]
    kept: dict[int, Kept]
    removed: frozenset[int]
    next_undo: Action | None
    next_redo: Action | None
    steps: tuple[Action, ...] = ()
    used: int = 0
    error: AutomaskError | None = None

    def mends(self, in_record: Callable[[AmgSettings], AmgSettings]) -> dict[str, Any]:
        """Return what `Mends.to_json` gave then; `in_record` returns settings as a record has them."""
        told = [
            step.model_copy(update={"settings": in_record(step.settings)})
            if isinstance(step, Settle)
            else step
            for step in self.steps
        ]
        return {"steps": [step.to_json() for step in told], "used": self.used}


class LiveLayer:
    """Keeps a layer in step with settings and mends; on the main thread but for the work that `ask` returns.

    Parameters
    ----------
    live : LiveSelection
        Prepared, so that updates are quick.
    layer : Labels
        Two-dimensional; holds what `settings` select.
    window : callable
        Returns the part of an array of the layer's shape that the candidates were found in, as a view (Y, X).
    settings : AmgSettings
        The settings of the run.

    Attributes
    ----------
    mends : Mends
        What is done to the objects; only for the thread that does the work.
    shows : Answer
        What is known of the labels that the layer shows.
    table : callable or None
        Makes the table of objects of a label image of the layer's shape, in a thread that can wait.
    """

    def __init__(
        self,
        live: LiveSelection,
        layer: Labels,
        window: Callable[[NDArray[Any]], NDArray[Any]],
        settings: AmgSettings,
    ) -> None:
        self.live, self.layer, self.window = live, layer, window
        self.mends = Mends(live, settings)
        self.table: Callable[[NDArray[Any]], pd.DataFrame] | None = None
        self.shows = self._told(None, [])
        # The window of the layer as it was when it was last looked at.
        self._seen: NDArray[Any] = live.labels.copy()
        self._touched: set[int] = set()
        self._behind = False
        self._corner, self._turned = _place(window, layer.data.shape)
        whole_masks.remember(layer, self)

    @property
    def candidates(self) -> Candidates:
        """What is selected from."""
        return self.live.candidates

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
        covered = len(np.setdiff1d(self.change.rows + 1, self.objects, assume_unique=True))
        return {**self.change.removed, **({"covered by others": covered} if covered else {})}

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
        labels = np.asarray(self.layer.data).copy()
        self.window(labels)[...] = self._seen
        return labels

    # -- work

    def edits(self) -> Act | None:
        """Return the action that takes over what was painted since the last look; None for nothing."""
        labels = self.window(np.asarray(self.layer.data))
        changed = labels != self._seen
        rows, columns = tight(changed)
        changed = changed[rows, columns]
        if not changed.size:
            return None
        values = labels[rows, columns].copy()
        seen = self._seen[rows, columns]
        self._touched |= set(np.union1d(values[changed], seen[changed]).tolist()) - {0}
        if np.result_type(values, self._seen).itemsize > self._seen.dtype.itemsize:
            self._seen = self._seen.astype(values.dtype)
        self._seen[rows, columns] = values

        def act(mends: Mends) -> Done | None:
            after = mends.labels.astype(np.result_type(mends.labels, values))
            after[rows, columns][changed] = values[changed]
            return mends.paint(after)

        return act

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
            return self._told(done, boxes)._replace(error=wrong)

        return work

    def put(self, answer: Answer) -> bool:
        """Show what the work gave; return False, and change no pixel, if a person edited meanwhile."""
        self.shows = answer
        labels = self.live.labels
        if not np.array_equal(self.window(np.asarray(self.layer.data)), self._seen):
            self._behind = True
            return False
        self._touched.clear()
        boxes = [box for part in answer.boxes for box in part.tolist()]
        if not boxes and not self._behind:
            return True
        if self.layer.data.dtype.itemsize < labels.dtype.itemsize:
            wider = np.asarray(self.layer.data).astype(labels.dtype)
            self.window(wider)[...] = labels
            self.layer.data = wider
            self._seen = labels.copy()
        else:
            self._write(labels, [[0, 0, *labels.shape]] if self._behind else boxes)
            self.layer.refresh(extent=False)
        self._behind = False
        return True

    def _write(self, labels: NDArray[Any], boxes: list[list[int]]) -> None:
        window = self.window(self.layer.data)
        if self._seen.dtype != window.dtype:
            self._seen = self._seen.astype(window.dtype)
        for y0, x0, y1, x1 in boxes:
            for image in (window, self._seen):
                image[y0:y1, x0:x1] = labels[y0:y1, x0:x1]

    def _told(self, done: Done | None, boxes: list[NDArray[np.int64]]) -> Answer:
        mends, change = self.mends, self.live.change
        assert change is not None and mends.settings is not None
        visible = self.live.visible()
        whole = change.settings.overlap == ALL_LEVELS
        return Answer(
            done,
            boxes,
            mends.settings,
            change,
            np.union1d(visible, change.rows + 1) if whole else visible,
            dict(self.live.masks),
            dict(mends.kept),
            mends.removed,
            mends.next_undo,
            mends.next_redo,
            mends.steps,
            mends.next_label - 1,
        )


def _place(
    window: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...]
) -> tuple[tuple[int, int], bool]:
    """Return the corner of a window in an array of `shape`, and whether rows are columns there."""
    marker = np.arange(shape[0] * shape[1]).reshape(shape)
    corners = window(marker)[[0, 0, -1], [0, -1, 0]]
    (y0, x0), along_row, along_column = np.stack(np.unravel_index(corners, shape), axis=1)
    return (int(y0), int(x0)), bool(along_row[0] != y0 or along_column[1] != x0)


def retell(
    follower: LiveLayer, finished: Finished, settings: AmgSettings, mends: dict[str, Any] | None = None
) -> None:
    """Write into the layer's metadata what it shows now: settings, counts, the digest of its pixels.

    Parameters
    ----------
    follower : LiveLayer
        The layer that followed the settings.
    finished : Finished
        The run that it came from.
    settings : AmgSettings
        What it shows.
    mends : dict, optional
        The entry ``mends`` of the record, if there is one.
    """
    layer = follower.layer
    request = replace(finished.request, settings=settings, custom=True)
    info = layer.metadata.get(LAYER_KEY)
    record = layer.metadata.get(RECORD_KEY)
    if isinstance(info, dict):
        info["key"] = request_key(request, finished.image)
        # What a person edited is not ours to replace: its digest no longer fits.
        if not follower.locked and not follower.rejected:
            info["digests"] = {(): digest(np.asarray(layer.data))}
    if isinstance(record, dict):
        removed = {name: int(n) for name, n in follower.removed.items()}
        layer.metadata[RECORD_KEY] = {
            **record,
            "settings": request.asked.to_json(),
            "proposal": finished.request.asked.to_json(),  # the numbers are those of its candidates
            "objects": len(follower.objects),
            "removed": removed,
            **({} if mends is None else {"format_version": RECORD_VERSION, "mends": mends}),
        }
        if mends is None:
            layer.metadata[RECORD_KEY].pop("mends", None)

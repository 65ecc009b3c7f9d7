"""A Labels layer that follows the settings: what a person edited stays, everything else is repainted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY, request_key
from napari_sam2_automask.geometry.placed import Placed
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.painting.live import Change, LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Answer", "LiveLayer", "retell"]


class Answer(NamedTuple):
    """What an update did, and the labels that show after it."""

    change: Change
    objects: NDArray[np.int64]


class LiveLayer:
    """Keeps a layer in step with settings; on the main thread but for the work that `ask` returns.

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
    change : Change
        What the last update did.
    objects : (K,) int array
        The labels that show, locked ones included; of all levels those too that others cover.
    masks : mapping of int to Placed
        The whole masks of the objects chosen, by row.
    """

    def __init__(
        self,
        live: LiveSelection,
        layer: Labels,
        window: Callable[[NDArray[Any]], NDArray[Any]],
        settings: AmgSettings,
    ) -> None:
        self.live, self.layer, self.window = live, layer, window
        change = live.change
        self.change: Change = (
            change if change is not None and change.settings == settings else live.update(settings)
        )
        self.objects = self._objects(self.change)
        self.masks = live.shown
        # The layer as it was when it was last looked at, and as it was painted; what a person edited since
        # the other thread was last told.
        self._seen: NDArray[Any] = live.labels.copy()
        self._last: NDArray[Any] = self._seen
        self._edits: tuple[NDArray[Any], NDArray[np.int64]] | None = None
        self._behind = False
        self._locked: set[int] = set()
        self._accepted: set[int] = set()
        self._rejected: set[int] = set()
        whole_masks.remember(layer, self)

    @property
    def candidates(self) -> Candidates:
        """What is selected from."""
        return self.live.candidates

    @property
    def locked(self) -> frozenset[int]:
        """Labels that a person edited."""
        self._take_edits()
        return frozenset(self._locked)

    def whole(self) -> dict[int, Placed]:
        """Return the whole masks of the objects chosen, by label, in the layer's axes."""
        marker = np.arange(self.layer.data.size).reshape(self.layer.data.shape)
        corners = self.window(marker)[[0, 0, -1], [0, -1, 0]]
        (y0, x0), along_row, along_column = np.stack(np.unravel_index(corners, marker.shape), axis=1)
        turned = along_row[0] != y0 or along_column[1] != x0
        places = {}
        for row, placed in self.masks.items():
            one = Placed(placed.x0, placed.y0, placed.mask.T, placed.area) if turned else placed
            places[row + 1] = Placed(one.y0 + int(y0), one.x0 + int(x0), one.mask, one.area)
        return places

    def painted(self) -> NDArray[Any]:
        """Return the layer's data as it was painted; pixels that differ were edited since."""
        labels = np.asarray(self.layer.data).copy()
        self.window(labels)[...] = self._last
        return labels

    @property
    def accepted(self) -> frozenset[int]:
        """Labels that a person called good; locked too."""
        return frozenset(self._accepted)

    @property
    def rejected(self) -> frozenset[int]:
        """Labels that a person called bad; they do not come back."""
        return frozenset(self._rejected)

    def accept(self, label: int) -> None:
        """Keep an object as it is, whatever the settings."""
        self._take_edits()
        self._accepted.add(label)
        self._lock(self._locked | {label})

    def reject(self, label: int) -> None:
        """Take an object off and keep it away, whatever the settings."""
        self._take_edits()
        self.layer.data_setitem(np.nonzero(np.asarray(self.layer.data) == label), 0)
        self._accepted.discard(label)
        self._rejected.add(label)
        self._lock(self._locked | {label})

    def release(self, labels: Iterable[int]) -> None:
        """Let objects follow the settings again."""
        self._take_edits()
        gone = set(labels)
        self._accepted -= gone
        self._rejected -= gone
        self._lock(self._locked - gone)

    @property
    def removed(self) -> dict[str, int]:
        """How many candidates each filter removed, and how many others cover wholly."""
        covered = len(np.setdiff1d(self.change.rows + 1, self.objects, assume_unique=True))
        return {**self.change.removed, **({"covered by others": covered} if covered else {})}

    def ask(self, settings: AmgSettings) -> Callable[[], Answer]:
        """Return the work of following other settings, for another thread, one at a time.

        It raises a CandidatesError if they need another run; nothing has changed then.
        """
        self._take_edits()
        edits, self._edits = self._edits, None

        def work() -> Answer:
            if edits is not None:
                self.live.lock(*edits)
            change = self.live.update(settings)
            return Answer(change, self._objects(change))

        return work

    def put(self, answer: Answer) -> bool:
        """Show what the work gave; return False, and change nothing, if a person edited meanwhile."""
        self._take_edits()
        if self._edits is not None:
            self._behind = True
            return False
        self.change, self.objects = answer
        self.masks = self.live.shown
        if not len(self.change.boxes) and not self._behind:
            return True
        labels = self.live.labels
        if self.layer.data.dtype.itemsize < labels.dtype.itemsize:
            wider = np.asarray(self.layer.data).astype(labels.dtype)
            self.window(wider)[...] = labels
            self.layer.data = wider
        else:
            self.window(self.layer.data)[...] = labels
            self.layer.refresh()
        self._seen = self._last = labels.copy()
        self._behind = False
        return True

    def _objects(self, change: Change) -> NDArray[np.int64]:
        visible = self.live.visible()
        whole = change.settings.overlap == ALL_LEVELS
        return np.union1d(visible, change.rows + 1) if whole else visible

    def _take_edits(self) -> None:
        """Lock every label that a person gave pixels to or took pixels from, in whatever way."""
        labels = self.window(np.asarray(self.layer.data))
        changed = labels != self._seen
        if changed.any():
            touched = np.union1d(labels[changed], self._seen[changed])
            self._lock(self._locked | (set(touched.tolist()) - {0}))

    def _lock(self, ids: set[int]) -> None:
        """Lock these labels and no others, as they are in the layer now."""
        self._locked = ids
        self._seen = self.window(np.asarray(self.layer.data)).copy()
        locked = np.array(sorted(ids), np.int64)
        self._last = np.where(np.isin(self._seen, locked), self._seen, self._last)
        self._edits = self._seen, locked


def retell(follower: LiveLayer, finished: Finished, settings: AmgSettings) -> None:
    """Write into the layer's metadata what it shows now: settings, counts, the digest of its pixels.

    Parameters
    ----------
    follower : LiveLayer
        The layer that followed the settings.
    finished : Finished
        The run that it came from.
    settings : AmgSettings
        What it shows.
    """
    layer = follower.layer
    request = replace(finished.request, settings=settings, custom=True)
    info = layer.metadata.get(LAYER_KEY)
    record = layer.metadata.get(RECORD_KEY)
    if isinstance(info, dict):
        info["key"] = request_key(request, finished.image)
        # What a person edited is not ours to replace: its digest no longer fits.
        if not follower.locked:
            info["digests"] = {(): digest(np.asarray(layer.data))}
    if isinstance(record, dict):
        removed = {name: int(n) for name, n in follower.removed.items()}
        layer.metadata[RECORD_KEY] = {
            **record,
            "settings": request.asked.to_json(),
            "proposal": finished.request.asked.to_json(),  # the numbers are those of its candidates
            "objects": len(follower.objects),
            "removed": removed,
        }

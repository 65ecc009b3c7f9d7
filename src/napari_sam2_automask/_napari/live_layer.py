"""A Labels layer that follows the settings: what a person edited stays, everything else is repainted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari import whole_masks
from napari_sam2_automask._napari.outcome import digest
from napari_sam2_automask._napari.result import LAYER_KEY, RECORD_KEY, request_key
from napari_sam2_automask.mask_store import Placed
from napari_sam2_automask.settings import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.controller import Finished
    from napari_sam2_automask.candidates import Candidates
    from napari_sam2_automask.live import Change, LiveSelection
    from napari_sam2_automask.settings import AmgSettings

__all__ = ["LiveLayer", "retell"]


class LiveLayer:
    """Keeps a layer in step with settings; on the main thread.

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
        self.objects = self._objects()
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
        for row, placed in self.live.shown.items():
            one = Placed(placed.x0, placed.y0, placed.mask.T, placed.area) if turned else placed
            places[row + 1] = Placed(one.y0 + int(y0), one.x0 + int(x0), one.mask, one.area)
        return places

    def painted(self) -> NDArray[Any]:
        """Return the layer's data as it was painted; pixels that differ were edited since."""
        labels = np.asarray(self.layer.data).copy()
        self.window(labels)[...] = self.live.labels
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

    def show(self, settings: AmgSettings) -> Change:
        """Repaint the layer for other settings.

        Raises
        ------
        CandidatesError
            If they need another run; nothing has changed.
        """
        self._take_edits()
        self.change = self.live.update(settings)
        self.objects = self._objects()
        if len(self.change.boxes):
            labels = self.live.labels
            if self.layer.data.dtype.itemsize < labels.dtype.itemsize:
                wider = np.asarray(self.layer.data).astype(labels.dtype)
                self.window(wider)[...] = labels
                self.layer.data = wider
            else:
                self.window(self.layer.data)[...] = labels
                self.layer.refresh()
        return self.change

    def _objects(self) -> NDArray[np.int64]:
        visible = self.live.visible()
        whole = self.change.settings.overlap == ALL_LEVELS
        return np.union1d(visible, self.change.rows + 1) if whole else visible

    def _take_edits(self) -> None:
        """Lock every label that a person gave pixels to or took pixels from, in whatever way."""
        labels = self.window(np.asarray(self.layer.data))
        changed = labels != self.live.labels
        if changed.any():
            touched = np.union1d(labels[changed], self.live.labels[changed])
            self._lock(self._locked | (set(touched.tolist()) - {0}))

    def _lock(self, ids: set[int]) -> None:
        """Lock these labels and no others, as they are in the layer now."""
        self._locked = ids
        labels = self.window(np.asarray(self.layer.data))
        self.live.lock(labels, np.array(sorted(ids), np.int64))


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
            "settings": settings.to_json(),
            "proposal": finished.request.settings.to_json(),  # the numbers are those of its candidates
            "objects": len(follower.objects),
            "removed": removed,
        }

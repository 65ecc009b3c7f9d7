"""A Labels layer that follows the settings: what a person edited stays, everything else is repainted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari import whole_masks
from napari_sam2_automask._napari.outcome import digest
from napari_sam2_automask._napari.result import LAYER_KEY, RECORD_KEY, request_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.controller import Finished
    from napari_sam2_automask.candidates import Candidates
    from napari_sam2_automask.live import Change, LiveSelection
    from napari_sam2_automask.mask_store import Placed
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
    oriented : callable
        Turns labels (Y, X) into the layer's axes, and back.
    settings : AmgSettings
        The settings of the run.

    Attributes
    ----------
    change : Change
        What the last update did.
    objects : (K,) int array
        The labels that show, locked ones included.
    """

    def __init__(
        self,
        live: LiveSelection,
        layer: Labels,
        oriented: Callable[[NDArray[Any]], NDArray[Any]],
        settings: AmgSettings,
    ) -> None:
        self.live, self.layer, self.oriented = live, layer, oriented
        change = live.change
        self.change: Change = (
            change if change is not None and change.settings == settings else live.update(settings)
        )
        self.objects = live.visible()
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
        """Return the whole masks of the objects chosen, by label: as they are below those on top."""
        return {row + 1: placed for row, placed in self.live.shown.items()}

    def painted(self) -> NDArray[Any]:
        """Return the labels (Y, X) in which pixels that differ were edited since."""
        return self.live.labels

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
        data = np.asarray(self.layer.data)
        self.layer.data_setitem(np.nonzero(data == label), 0)
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
        self.objects = self.live.visible()
        if len(self.change.boxes):
            labels = self.oriented(self.live.labels)
            if self.layer.data.dtype != labels.dtype or self.layer.data.shape != labels.shape:
                self.layer.data = labels.copy()
            else:
                self.layer.data[...] = labels
                self.layer.refresh()
        return self.change

    def _take_edits(self) -> None:
        """Lock every label that a person gave pixels to or took pixels from, in whatever way."""
        labels = self.oriented(np.asarray(self.layer.data))
        changed = labels != self.live.labels
        if changed.any():
            touched = np.union1d(labels[changed], self.live.labels[changed])
            self._lock(self._locked | (set(touched.tolist()) - {0}))

    def _lock(self, ids: set[int]) -> None:
        """Lock these labels and no others, as they are in the layer now."""
        self._locked = ids
        labels = self.oriented(np.asarray(self.layer.data))
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

"""Earlier results of an image hide when a new one covers them, so that one can be seen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.errands import Errands
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import LAYER_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.controller import Finished

__all__ = ["EarlierResults"]


class EarlierResults(QObject):
    """Hides results, each once: who shows one again keeps it.

    Parameters
    ----------
    viewer : Viewer
        Where they are.
    parent : QObject
        What it lives as long as.

    Attributes
    ----------
    hidden : Qt signal
        Emits how many were hidden.
    """

    hidden = Signal(int)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._errands = Errands(self)

    def cover(self, layer: Labels, finished: Finished) -> None:
        """Hide the results that a new one covers and that nobody edited; soon, all are looked at first."""
        request, info = finished.request, layer.metadata[LAYER_KEY]
        region = request.region and request.region.key
        info["covers"] = {
            "image": str(finished.image.unique_id),
            "axes": request.source.other_axes,
            "region": region,
        }
        info["hidden"] = False
        layer.visible = True  # it may have been hidden, and have been replaced now
        earlier = [
            other
            for other in map(unwrapped, self._viewer.layers)
            if other is not layer and other.visible and _is_covered(other.metadata.get(LAYER_KEY), info)
        ]
        written = [
            (np.asarray(other.data), dict(other.metadata[LAYER_KEY]["digests"]), request) for other in earlier
        ]
        if earlier:
            self._errands.send(partial(_edited, written), partial(self._hide, earlier), lambda error: None)

    def close(self) -> None:
        """Hide nothing any more."""
        self._errands.close()

    def _hide(self, earlier: Sequence[Labels], edited: Sequence[bool]) -> None:
        count = 0
        for layer, is_edited in zip(earlier, edited, strict=True):
            if not is_edited and layer in self._viewer.layers:
                layer.visible = False
                layer.metadata[LAYER_KEY]["hidden"] = True
                count += 1
        if count:
            self.hidden.emit(count)


def _is_covered(info: Any, by: Mapping[str, Any]) -> bool:
    """Tell whether a layer is a result that was never hidden, and lies within another."""
    if not isinstance(info, dict) or "covers" not in info or info.get("hidden"):
        return False
    mine, other = info["covers"], by["covers"]
    return (
        (mine["image"], mine["axes"]) == (other["image"], other["axes"])
        and other["region"] in (None, mine["region"])
        and set(info["digests"]) <= set(by["digests"])
    )


def _edited(written: Sequence[tuple[NDArray[Any], Mapping[Any, str], Any]]) -> list[bool]:
    """Tell of which labels a plane differs from what was written; for a thread that can wait."""
    return [
        any(digest(data[request.source.slices(index)]) != before for index, before in digests.items())
        for data, digests, request in written
    ]

"""What layers know about their objects beyond their pixels: whole masks, where others lie on top.

A Labels layer has one object per pixel, COCO has whole masks that overlap. Where a layer's whole masks are
known, they are found through a token in the layer's metadata, which is all that napari hands to a writer.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from napari_sam2_automask._napari.run.place_result import LAYER_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed

__all__ = ["Followed", "WholeMasks", "known", "remember"]

_tokens = count(1)
_known: WeakValueDictionary[int, Followed] = WeakValueDictionary()


class WholeMasks(Protocol):
    """Whole masks of the objects of a layer (Y, X)."""

    def whole(self) -> Mapping[int, Placed]:
        """Return the masks by label."""

    def measured(self, labels: NDArray[Any]) -> pd.DataFrame | None:
        """Return the table of objects of the labels as they are now; None if only the layer has one."""
        ...

    def painted(self) -> NDArray[Any]:
        """Return the labels that they were painted into; where the layer differs, a person edited it."""


class Followed(WholeMasks, Protocol):
    """A layer whose record is told anew now and then."""

    def record(self, known: Any) -> Any:
        """Return a record with what was done last, where it is that of the layer; else as it is."""


def remember(layer: Labels, masks: Followed) -> None:
    """Let `known` find the masks as long as they are there."""
    token = next(_tokens)
    _known[token] = masks
    layer.metadata.setdefault(LAYER_KEY, {})["whole"] = token


def known(metadata: Mapping[str, Any]) -> Followed | None:
    """Return the whole masks of the layer with this metadata, if they are still known."""
    info = metadata.get(LAYER_KEY)
    return _known.get(info.get("whole", 0)) if isinstance(info, dict) else None

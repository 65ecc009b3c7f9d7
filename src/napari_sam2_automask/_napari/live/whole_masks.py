"""What layers know about their objects beyond their pixels: whole masks, where others lie on top.

A Labels layer has one object per pixel, COCO has whole masks that overlap. What follows a layer is found
through a token in the layer's metadata, which is all that napari hands to a writer.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from weakref import WeakValueDictionary

from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed

__all__ = ["Followed", "WholeMasks", "known", "masks_of", "record_of", "remember"]

_tokens = count(1)
_known: WeakValueDictionary[int, Followed] = WeakValueDictionary()


class Followed(Protocol):
    """A layer whose table and record are told anew now and then.

    Attributes
    ----------
    layer : Labels
        The layer.
    tell : callable or None
        Writes into its record at once what was done last.
    """

    layer: Labels
    tell: Callable[[], None] | None

    def measured(self, labels: NDArray[Any]) -> pd.DataFrame | None:
        """Return the table of objects of the labels as they are now; None if only the layer has one."""
        ...


@runtime_checkable
class WholeMasks(Protocol):
    """Whole masks of the objects of a layer (Y, X)."""

    def whole(self) -> Mapping[int, Placed]:
        """Return the masks by label."""

    def painted(self) -> NDArray[Any]:
        """Return the labels that they were painted into; where the layer differs, a person edited it."""


def remember(layer: Labels, followed: Followed) -> None:
    """Let `known` find what follows a layer as long as it is there."""
    token = next(_tokens)
    _known[token] = followed
    layer.metadata.setdefault(LAYER_KEY, {})["whole"] = token


def known(metadata: Mapping[str, Any]) -> Followed | None:
    """Return what follows the layer with this metadata, if it is still there."""
    info = metadata.get(LAYER_KEY)
    return _known.get(info.get("whole", 0)) if isinstance(info, dict) else None


def masks_of(metadata: Mapping[str, Any]) -> WholeMasks | None:
    """Return the whole masks of the layer with this metadata, if they are still known."""
    followed = known(metadata)
    return followed if isinstance(followed, WholeMasks) else None


def record_of(metadata: Mapping[str, Any]) -> Any:
    """Return the record of the layer with this metadata, with what was done a moment ago; None without."""
    record, followed = metadata.get(RECORD_KEY), known(metadata)
    if followed is None or followed.tell is None or record != followed.layer.metadata.get(RECORD_KEY):
        return record
    followed.tell()
    return followed.layer.metadata.get(RECORD_KEY)

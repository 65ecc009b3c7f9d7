"""What a person decided so far, and changes of it that can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.painting.hold import Hold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.settings.amg import AmgSettings

    Box = tuple[int, int, int, int]

__all__ = ["Change", "Gone", "Kept", "State"]

T = TypeVar("T")


class Kept(NamedTuple):
    """A locked object.

    Attributes
    ----------
    edited : str
        What was done last: "added", "reshaped", "merged", "split", "stepped", "painted"; or "locked", if it
        is as the settings chose it.
    origin : int
        The number of the candidate that it came from; 0 for none.
    scores : (float, float) or None
        The predicted IoU and the stability, where a model said them of these pixels; NaN for one not known.
    """

    edited: str
    origin: int
    scores: tuple[float, float] | None = None


class Gone(NamedTuple):
    """An object that went: its candidate, the object that took it in (0 if it was removed), its whole mask.

    The mask is None where most of it showed, so that its ground tells where it lay.
    """

    origin: int
    into: int
    former: Placed | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Values to put in the place of others.

    Attributes
    ----------
    box : (int, int, int, int)
        ``y0, x0, y1, x1``, end exclusive, of the held pixels.
    pixels : (h, w) int32 array, or bytes
        See `Hold.pixels`; bytes are compressed.
    kept, gone : dict
        By number; None takes one off.
    settings : AmgSettings or None
        Other settings.
    """

    box: Box = (0, 0, 0, 0)
    pixels: NDArray[np.int32] | bytes = b""
    kept: dict[int, Kept | None] = field(default_factory=dict)
    gone: dict[int, Gone | None] = field(default_factory=dict)
    settings: AmgSettings | None = None

    @property
    def numbers(self) -> set[int]:
        """The objects that are locked, released or removed by this."""
        return {*self.kept, *self.gone}

    @property
    def nbytes(self) -> int:
        """Memory, about."""
        pixels = self.pixels if isinstance(self.pixels, bytes) else self.pixels.tobytes()
        former = sum(one.former.mask.nbytes for one in self.gone.values() if one and one.former)
        return len(pixels) + former + 200 * (2 + len(self.kept) + len(self.gone))

    def packed(self) -> Change:
        """Return the same, compressed."""
        if isinstance(self.pixels, bytes):
            return self
        from imagecodecs import lz4_encode

        data = np.ascontiguousarray(self.pixels).tobytes()
        return replace(self, pixels=bytes(lz4_encode(data, header=True)) if data else b"")

    def unpacked(self) -> NDArray[np.int32]:
        """Return the held pixels of the box, (h, w) int32."""
        if not isinstance(self.pixels, bytes):
            return self.pixels
        from imagecodecs import lz4_decode

        y0, x0, y1, x1 = self.box
        data = bytes(lz4_decode(self.pixels, header=True)) if self.pixels else b""
        return np.frombuffer(data, np.int32).reshape(y1 - y0, x1 - x0)


class State:
    """All that was decided.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    used : int
        The largest number that is taken: of all candidates, and of all objects.

    Attributes
    ----------
    hold : Hold
        The pixels, as painting reads them.
    kept, gone : dict of int to Kept, Gone
        Objects that are locked, and that went, by number.
    used : int
        The largest number ever given out; never lowered.
    """

    def __init__(self, shape: tuple[int, int], used: int) -> None:
        self.hold = Hold(shape)
        self.kept: dict[int, Kept] = {}
        self.gone: dict[int, Gone] = {}
        self.used = used
        #: For each locked object a box that its pixels lie in.
        self.bounds: dict[int, Box] = {}

    def origin(self, label: int, shown: Any = ()) -> int:
        """Return the candidate that an object came from; its own number if it is `shown` by the settings."""
        known = self.kept.get(label) or self.gone.get(label)
        if known is not None:
            return known.origin
        return label if label in shown else 0

    def apply(self, change: Change) -> Change:
        """Put in other values, and return those that they replace."""
        y0, x0, y1, x1 = change.box
        view = self.hold.pixels[y0:y1, x0:x1]
        before = Change(
            change.box,
            view.copy(),
            {n: self.kept.get(n) for n in change.kept},
            {n: self.gone.get(n) for n in change.gone},
        )
        if view.size:
            view[...] = change.unpacked()
        _put(self.kept, change.kept)
        _put(self.gone, change.gone)
        kept = [n for n, one in change.kept.items() if one is not None]
        # Of many at once the box is that of all, in which to look for each would take much longer.
        places = places_of(view) if len(kept) > 1 else {}
        self.bounds |= {n: _moved(places[n], y0, x0) if n in places else change.box for n in kept}
        self.used = max(self.used, *change.numbers, 0)
        self.hold.origin = {
            **{n: one.origin for n, one in self.gone.items()},
            **{n: one.origin for n, one in self.kept.items()},
        }
        self.hold.former = {n: one.former for n, one in self.gone.items() if one.former is not None}
        return before


def _moved(place: tuple[slice, ...], y0: int, x0: int) -> Box:
    rows, columns = place
    return y0 + rows.start, x0 + columns.start, y0 + rows.stop, x0 + columns.stop


def _put(known: dict[int, T], values: Mapping[int, T | None]) -> None:
    for n, one in values.items():
        if one is None:
            known.pop(n, None)
        else:
            known[n] = one

"""Cut a length into evenly spaced pieces that overlap, each with the part of it where it has the say."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

__all__ = ["ALMOST", "Span", "spans"]

#: Pieces nearly as long as the whole are not worth a second one: from this share on the whole is one piece.
ALMOST = 0.8


class Span(NamedTuple):
    """A piece of a length.

    Attributes
    ----------
    start, end : int
        The pixels of the piece; the end is excluded.
    first, last : float
        The part that is nearer to the middle of this piece than to that of any other. The parts cover the
        length without overlap.
    """

    start: int
    end: int
    first: float
    last: float


def spans(length: int, wanted: float, overlap: float) -> list[Span]:
    """Cover a length with pieces of one size.

    Parameters
    ----------
    length : int
        What is covered, in pixels.
    wanted : float
        Size of a piece at most, in pixels.
    overlap : float
        What neighbours share at least, in pixels; less than `wanted`.

    Returns
    -------
    list of Span
        In ascending order; their starts differ by the same number of pixels, to within one.
    """
    if wanted >= ALMOST * length:
        return [Span(0, length, 0.0, float(length))]
    n = max(2, math.ceil((length - overlap) / (wanted - overlap)))
    size = math.ceil((length + (n - 1) * overlap) / n)
    starts = [round(i * (length - size) / (n - 1)) for i in range(n)]
    cuts = [0.0, *((a + size + b) / 2 for a, b in pairwise(starts)), float(length)]
    return [Span(start, start + size, cuts[i], cuts[i + 1]) for i, start in enumerate(starts)]

"""A scribble on an object as the points that stand for it: arithmetic that loads no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Point = tuple[float, float]

__all__ = ["along"]

# Points that stand for a scribble at most.
_POINTS = 8


def along(stroke: Sequence[Point]) -> list[Point]:
    """Return a few points, evenly spaced along a scribble on an object.

    Parameters
    ----------
    stroke : sequence of (float, float)
        Its points y, x in pixels.
    """
    line = np.asarray(stroke, np.float64).reshape(-1, 2)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    if len(line) == 0 or lengths[-1] < 1:
        return [(float(y), float(x)) for y, x in line[:1]]
    count = int(np.clip(np.ceil(lengths[-1] / 4), 2, _POINTS))
    # Not at the very ends, which are often beside the object.
    at = (np.arange(count) + 0.5) / count * lengths[-1]
    y, x = (np.interp(at, lengths, values) for values in line.T)
    return list(zip(y.tolist(), x.tolist(), strict=True))

"""Objects coloured by a column of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["coloured"]

#: The colour map of values.
COLOURS = "viridis"


def coloured(labels: Sequence[int], values: Sequence[Any]) -> DirectLabelColormap:
    """Return the colours of labels by values, from the least to the greatest; gray where one is not known."""
    numbers = np.array([np.nan if str(told) in ("None", "<NA>") else float(told) for told in values], float)
    known = np.isfinite(numbers)
    low, high = (numbers[known].min(), numbers[known].max()) if known.any() else (0.0, 1.0)
    share = (np.where(known, numbers, low) - low) / (high - low if high > low else 1.0)
    colours = np.asarray(ensure_colormap(COLOURS).map(share))
    colours[~known] = (0.5, 0.5, 0.5, 1.0)
    table: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
    table.update(zip(labels, colours, strict=True))
    return DirectLabelColormap(color_dict=table)

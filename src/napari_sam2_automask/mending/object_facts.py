"""What is known of mended objects beside their pixels: scores where a model said them, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.geometry.placed import are_of
from napari_sam2_automask.painting.table import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.mending.state import Kept

__all__ = ["EDITED", "facts_with", "tell_edits"]

#: The column that says what was done to an object.
EDITED = "edited"


def facts_with(facts: Facts | None, kept: Mapping[int, Kept], labels: NDArray[np.integer[Any]]) -> Facts:
    """Return what is known of candidates and of locked objects.

    Parameters
    ----------
    facts : Facts or None
        Of the candidates; None where there are none.
    kept : mapping of int to Kept
        The locked objects.
    labels : (Y, X) int array
        The label image.

    Returns
    -------
    Facts
        Of a locked object the scores that a model said of its pixels, else NaN, and its pixels as the whole
        mask. A candidate of the same number is left out.
    """
    ids = np.array(sorted(kept), np.int64)
    scores = np.array([kept[n].scores or (np.nan, np.nan) for n in ids.tolist()], np.float64).reshape(-1, 2)
    pixels = np.sort(labels[are_of(labels, ids.tolist())])
    seen = np.searchsorted(pixels, ids, "right") - np.searchsorted(pixels, ids, "left")
    nowhere = np.full((len(ids), 4), np.nan)
    mended = Facts(ids, scores[:, 0], scores[:, 1], seen, nowhere[:, :2], nowhere)
    if facts is None:
        return mended
    others = ~np.isin(facts.ids, ids)
    joined: dict[str, Any] = {
        name: np.concatenate([value[others], getattr(mended, name)])
        for name, value in facts._asdict().items()
        if isinstance(value, np.ndarray)
    }
    return facts._replace(**joined)


def tell_edits(table: pd.DataFrame, kept: Mapping[int, Kept]) -> None:
    """Add the column ``edited`` to a table of objects, in place: what was done to each, empty for nothing.

    It is left out where nothing was done to any.
    """
    if kept:
        done = [kept[n].edited if n in kept else None for n in table["index"].tolist()]
        table.insert(1, EDITED, np.array(done, object))

"""How a measure is spread over the objects of a live selection: what a filter by it has to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.selection.choosing import choose, filter_scores
from napari_sam2_automask.selection.measured import measure_some, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Spread", "spread"]


class Spread(NamedTuple):
    """The values of a measure.

    Attributes
    ----------
    values : (K,) float64 array
        Those of the objects that all other settings choose; empty while masks are left to be measured.
    left, total : int
        How many masks are not measured yet, and of how many.
    """

    values: NDArray[np.float64]
    left: int
    total: int


def spread(live: LiveSelection, name: str, settings: AmgSettings, most: int) -> Spread:
    """Measure some of the masks that a filter would look at, or return the values if that is done.

    Parameters
    ----------
    live : LiveSelection
        The selection.
    name : str
        A measure, see `filterable`.
    settings : AmgSettings
        Those in force; a filter by this measure among them is left out.
    most : int
        How many masks to measure at once, so that whoever waits for the same thread need not wait long.

    Raises
    ------
    CandidatesError
        As for `measured`.
    """
    others = settings.replace(filters=tuple(one for one in settings.filters if one[0] != name))
    candidates, threshold = live.candidates, settings.mask_threshold
    alive = filter_scores(candidates, others, lookups(candidates).measures(others), {})
    left, total = measure_some(candidates, name, threshold, alive, most), int(alive.sum())
    if left:
        return Spread(np.empty(0), left, total)
    rows = choose(candidates, others, table=live.table).rows
    return Spread(measured(candidates, name, threshold, alive)[rows], 0, total)

"""What a selection looks up about candidates, made when it is first needed and kept as long as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_sam2_automask.candidates.overlap_pairs import Pairs, make_pairs
from napari_sam2_automask.candidates.thresholds import Ladder, make_ladder
from napari_sam2_automask.errors import NewRunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Lookups", "Measures", "lookups"]


class Measures(NamedTuple):
    """Area (N,) in pixels, boxes (N, 4) and stability (N,) of all candidates at some settings."""

    area: NDArray[np.int64]
    boxes: NDArray[np.int64]
    stability: NDArray[np.float32]


class Lookups:
    """The ladder and the pairs of some candidates.

    Parameters
    ----------
    candidates : Candidates
        The candidates; not kept alive by this.
    """

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = ref(candidates)
        self._ladder: Ladder | None = None
        self._pairs: Pairs | None = None

    def prepare(self, tick: Callable[[], None] | None = None) -> None:
        """Make ladder and pairs now, for a thread that can wait; `tick` may raise to stop."""
        candidates = self._alive()
        self._ladder = self._ladder or make_ladder(candidates, tick)
        self._pairs = self._pairs or make_pairs(candidates, tick)

    def adopt(self, ladder: Ladder) -> None:
        """Use a ladder that was made elsewhere."""
        self._ladder = ladder

    def adopt_pairs(self, pairs: Pairs) -> None:
        """Use pairs that were made elsewhere, all that will be asked for."""
        self._pairs = pairs

    @property
    def ladder(self) -> Ladder:
        """Areas and boxes at every threshold."""
        if self._ladder is None:
            self._ladder = make_ladder(self._alive())
        return self._ladder

    @property
    def pairs(self) -> Pairs:
        """Overlaps of the masks at the proposal's threshold."""
        if self._pairs is None:
            self._pairs = make_pairs(self._alive())
        return self._pairs

    def measures(self, settings: AmgSettings) -> Measures:
        """Return area, boxes and stability at the settings' mask threshold and stability offset.

        Raises
        ------
        NewRunError
            If they need logits that were not stored.
        """
        candidates = self._alive()
        own = candidates.settings
        threshold, offset = settings.mask_threshold, settings.stability_score_offset
        same_threshold = threshold == own.mask_threshold
        if same_threshold and offset == own.stability_score_offset:
            return Measures(candidates.area, candidates.boxes, candidates.stability_score)
        lowest = candidates.windows.lowest
        if threshold - offset < lowest - 1e-6:
            raise NewRunError(
                f"mask_threshold={threshold:g} with stability_score_offset={offset:g} needs logits down to "
                f"{threshold - offset:g}, but these candidates were kept down to {lowest:g}: "
                "raise the first, lower the second, or propose again",
                "stability_score_offset" if same_threshold else "mask_threshold",
            )
        stability = self.ladder.stability(threshold, offset)
        if same_threshold:
            return Measures(candidates.area, candidates.boxes, stability)
        area = np.rint(self.ladder.area(threshold)).astype(np.int64)
        return Measures(area, self.ladder.box(threshold), stability)

    def _alive(self) -> Candidates:
        candidates = self._candidates()
        assert candidates is not None, "the candidates outlive their look-ups"
        return candidates


_KNOWN: WeakKeyDictionary[Candidates, Lookups] = WeakKeyDictionary()


def lookups(candidates: Candidates) -> Lookups:
    """Return the look-ups of candidates, the same ones every time."""
    found = _KNOWN.get(candidates)
    if found is None:
        found = _KNOWN[candidates] = Lookups(candidates)
    return found

"""The search behind `tune`: which settings fit a few labelled objects best, on one set of candidates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.evaluation.label_image import ranked
from napari_sam2_automask.geometry.placed import tight
from napari_sam2_automask.selection.box_nms import BoxTable
from napari_sam2_automask.selection.choosing import choose
from napari_sam2_automask.selection.likeness import typical_of
from napari_sam2_automask.settings.amg import ALL_LEVELS
from napari_sam2_automask.settings.numbers import COUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Examples", "Search", "Trial"]

# A mask and an object are a pair from this IoU on.
_MATCH = 0.5
# Masks that lie in labelled objects to this share are about those objects.
_ABOUT = 0.5
# How much a better outline counts beside an object found, and masks of other sizes than the objects'.
_OUTLINE, _SIZE = 0.25, 0.15
# The weight of likeness that is tried, and what it is credited with, since what it gains lies in the rest of
# the image: about what it gained on held-out groups of the training data (docs/tuning.md).
_LIKENESS, _CREDIT = 0.25, 0.02
# What touching a parameter costs, in objects, and moving it through its whole range. Whether one of a few
# objects is found says little beside settings that work in general: one more does not pay for a change.
_TOUCH, _MOVE = 1.5, 0.2
# What a bound of size costs: it pays if it takes out masks of other sizes that are three in ten of all, which
# are hardly objects then. Bounds that cost nothing lost objects, and gained none (docs/tuning.md).
_BOUND = 0.3 * _SIZE
# The others may be this many times smaller or larger in area than the smallest and largest of a few.
_SMALLER, _LARGER = 8.0, 20.0
_SEARCHED = ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "duplicate_iou")


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    settings : AmgSettings
        The settings.
    score : float
        What is maximised: `f1` with small terms for outlines, sizes, likeness and the distance from the
        start.
    f1 : float
        F1 at IoU 0.5 in the labelled objects; masks elsewhere do not count.
    found : int
        Labelled objects that a mask matches.
    mean_iou : float
        Mean IoU of the labelled objects with the masks that match them; 0 where none does.
    extra : int
        Masks about labelled objects that match none.
    objects : int
        Masks in the whole image.
    """

    settings: AmgSettings
    score: float
    f1: float
    found: int
    mean_iou: float
    extra: int
    objects: int


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """A few labelled objects, each labelled whole.

    Attributes
    ----------
    numbered : (Y, X) int64 array
        1 to G in the objects, 0 elsewhere.
    area : (G,) int64 array
        Their pixels.
    """

    numbered: NDArray[np.int64]
    area: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.integer], ids: Sequence[int] | None) -> Examples:
        """Take the objects of a label image, or some of them.

        Parameters
        ----------
        labels : (Y, X) int array
            0 is background.
        ids : sequence of int or None
            Which labels; all if None.

        Raises
        ------
        CandidatesError
            If there is no object, or one of `ids` is not there.
        """
        found, places = ranked(labels)
        wanted = found[found > 0]
        if ids is not None:
            wanted = np.unique(np.array([COUNT.check(one, "ids") for one in ids], np.int64))
        there = np.isin(found, wanted) & (found > 0)
        number = np.where(there, np.searchsorted(wanted, found) + 1, 0)
        numbered = number[places]
        area = np.bincount(numbered.ravel(), minlength=len(wanted) + 1)[1:]
        if not area.any():
            raise CandidatesError("no object is labelled: paint or pick a few objects first")
        if not area.all():
            raise CandidatesError(
                f"label {wanted[area == 0][0]} is not in the labels: pick labels that are there"
            )
        return cls(numbered, area)

    @property
    def diameter(self) -> float:
        """Median diameter of discs of the objects' areas, in pixels."""
        return 2 * math.sqrt(float(np.median(self.area)) / math.pi)

    def shared(self, candidates: Candidates) -> NDArray[np.int64]:
        """Return the pixels that each candidate shares with each object, (N, G) int64."""
        counts = np.zeros((len(candidates), len(self.area) + 1), np.int64)
        rows, columns = tight(self.numbered)
        x0, y0, x1, y1 = candidates.boxes.T
        near = (x0 < columns.stop) & (x1 >= columns.start) & (y0 < rows.stop) & (y1 >= rows.start)
        for row in np.flatnonzero(near):
            window = self.numbered[y0[row] : y1[row] + 1, x0[row] : x1[row] + 1]
            if window.any():
                counts[row] = np.bincount(window[candidates.mask(int(row))[2]], minlength=len(self.area) + 1)
        return counts[:, 1:]

    def iou(self, candidates: Candidates, shared: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the IoU of each candidate with each object, (N, G) float64, from what `shared` returned."""
        found: NDArray[np.float64] = shared / (candidates.area[:, None] + self.area - shared)
        return found


class Search:
    """Coordinate ascent from one start, twice through all parameters.

    Parameters
    ----------
    candidates : Candidates
        What is selected from.
    objects : Examples
        What should be found.
    bad : (B,) int array
        Rows of candidates that are wrong.
    start : AmgSettings
        Where to begin.
    progress : callable or None
        Told the number of trials done.
    """

    def __init__(
        self,
        candidates: Candidates,
        objects: Examples,
        bad: NDArray[np.int64],
        start: AmgSettings,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._candidates, self._objects, self._progress = candidates, objects, progress
        shared = objects.shared(candidates)
        self._table = BoxTable(candidates) if len(candidates) <= BoxTable.LARGEST else None
        self._iou = objects.iou(candidates, shared)
        inside = shared.sum(1) / np.maximum(candidates.area, 1)
        self._about = inside >= _ABOUT
        self._about[bad] = True
        self._sizes = objects.area.min() / _SMALLER, objects.area.max() * _LARGER
        self._typical = self._typical_gray(start)
        # In gaps thresholds count less, and the candidates must reach down to that.
        spare_iou, spare_stability = start.gap_leniency, start.gap_leniency / 2
        self._lowest = candidates.floor.pred_iou + spare_iou, candidates.floor.stability + spare_stability
        self._start = start.replace(
            pred_iou_thresh=min(max(start.pred_iou_thresh, self._lowest[0]), 1.0),
            stability_score_thresh=min(max(start.stability_score_thresh, self._lowest[1]), 1.0),
        )
        self._seen: dict[AmgSettings, Trial] = {}
        self.trials: list[Trial] = []

    def run(self, until: float) -> None:
        """Search until nothing gets better, or until a moment of `time.monotonic`.

        Likeness comes last: it acts on the rest of the image, and thresholds that move to make up for what it
        does to a few objects would undo it there.
        """
        best = self._ascend(until)
        if self._typical:
            self._try(best.settings.replace(likeness=_LIKENESS, **self._typical))

    def _ascend(self, until: float) -> Trial:
        best = self._try(self._start)
        for _ in range(2):
            before = best
            for steps in self._moves():
                for settings in (best.settings.replace(**step) for step in steps):
                    if monotonic() > until:
                        return best
                    trial = self._try(settings)
                    if trial.score > best.score:
                        best = trial
            if best is before:
                break
        return best

    def _moves(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the values to try of one parameter, or of two that go together, after another."""
        smallest, largest = self._objects.area.min(), self._objects.area.max()
        yield [{"min_area": int(smallest * f)} for f in (0, 0.5 / _SMALLER, 1 / _SMALLER)]
        yield [{"max_area": int(largest * f)} for f in (0, _LARGER, 2 * _LARGER)]
        if self._start.overlap != ALL_LEVELS:  # which keeps nested objects
            yield [{"nested": "keep"}] + [
                {"nested": "choose", "granularity": g} for g in (0.0, 0.25, 0.5, 0.75, 1.0)
            ]
        yield [{"pred_iou_thresh": v} for v in _between(self._lowest[0], 0.95)]
        yield [{"stability_score_thresh": v} for v in _between(self._lowest[1], 0.98)]
        yield [{"box_nms_thresh": v} for v in (0.3, 0.5, 0.7, 0.9)]
        yield [{"duplicate_iou": v} for v in (1.0, 0.8, 0.65, 0.5)]

    def _typical_gray(self, start: AmgSettings) -> dict[str, int]:
        """Return which gray levels are typical; nothing where the candidates do not know theirs.

        How bright the objects are is told by the masks that overlap them most.
        """
        measured = self._candidates.brightness
        if measured is None:
            return {}
        few = measured[self._iou.argmax(0)[self._iou.any(0)]]
        return typical_of(few, measured[choose(self._candidates, start.replace(gap_leniency=0.0)).rows])

    def _try(self, settings: AmgSettings) -> Trial:
        known = self._seen.get(settings)
        if known is None:
            known = self._seen[settings] = self._score(settings)
            self.trials.append(known)
            if self._progress is not None:
                self._progress(len(self.trials))
        return known

    def _score(self, settings: AmgSettings) -> Trial:
        rows = choose(self._candidates, settings, table=self._table).rows
        iou = self._iou[rows]
        partner = _match(iou)
        found = int((partner >= 0).sum())
        best = (
            np.where(partner >= 0, iou[np.maximum(partner, 0), np.arange(iou.shape[1])], 0.0)
            if len(rows)
            else 0
        )
        mean_iou = float(np.mean(best))
        extra = int(self._about[rows].sum()) - int(self._about[rows[partner[partner >= 0]]].sum())
        f1 = 2 * found / (found + iou.shape[1] + extra)
        area = self._candidates.area[rows]
        odd = float(np.mean((area < self._sizes[0]) | (area > self._sizes[1]))) if len(rows) else 0.0
        score = f1 + _OUTLINE * mean_iou - _SIZE * odd - self._departure(settings)
        score += _CREDIT * (settings.likeness > 0)
        return Trial(settings, score, f1, found, mean_iou, extra, len(rows))

    def _departure(self, settings: AmgSettings) -> float:
        """Return what it costs that settings are not the start; likeness is free."""
        moved: list[float] = [abs(getattr(settings, name) - getattr(self._start, name)) for name in _SEARCHED]
        if (settings.nested, settings.granularity) != (self._start.nested, self._start.granularity):
            moved.append(0.05)
        touch = _TOUCH / len(self._objects.area)
        bounds = sum(
            getattr(settings, name) != getattr(self._start, name) for name in ("min_area", "max_area")
        )
        return float(_BOUND * bounds) + sum(touch + _MOVE * distance for distance in moved if distance)


def _between(low: float, high: float) -> list[float]:
    return sorted({max(round(float(v), 3), low) for v in np.linspace(min(low, high), high, 9)})


def _match(iou: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return for each object the mask that matches it, one to one, the best pairs first; -1 for none."""
    partner = np.full(iou.shape[1], -1, np.int64)
    masks, objects = np.nonzero(iou >= _MATCH)
    taken: set[int] = set()
    for k in np.argsort(-iou[masks, objects], kind="stable"):
        mask, thing = int(masks[k]), int(objects[k])
        if partner[thing] < 0 and mask not in taken:
            partner[thing] = mask
            taken.add(mask)
    return partner

"""Find settings from a few objects: the selection that fits them best, searched on stored candidates.

A few labelled objects say which masks are right where they lie, which are too many there, and how large
objects are; they say nothing about the rest of the image. So the search starts from settings that work in
general, and moves away from them only as far as the objects ask for. Only where they are of another size than
the points and the magnification were fitted to does the model run again, if it may.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask

from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.evaluation.label_image import label_image
from napari_sam2_automask.evaluation.tuning_search import Examples, Search, Trial
from napari_sam2_automask.settings.numbers import SECONDS, Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Trial", "Tuning", "tune"]

# Objects this many times larger or smaller than what the points were fitted to are worth another run.
_OTHER_SIZE = 1.25
# Boxes that overlap this much (IoU) are of the same object.
_SAME_BOX = 0.6


@dataclass(frozen=True, slots=True)
class Tuning:
    """The outcome of a search.

    Attributes
    ----------
    best : Trial
        The winner.
    start : Trial
        The settings that the search began with.
    trials : tuple of Trial
        All that were tried, in this order.
    candidates : Candidates
        What the winner selects from: those given, or those of another run of the model.
    """

    best: Trial
    start: Trial
    trials: tuple[Trial, ...]
    candidates: Candidates

    def table(self) -> list[dict[str, Any]]:
        """Return a dictionary for each trial: its scores and the parameters in which it departs."""
        names = sorted({name for trial in self.trials for name in _differences(self.start, trial)})
        return [
            {
                "score": trial.score,
                "f1": trial.f1,
                "found": trial.found,
                "mean_iou": trial.mean_iou,
                "extra": trial.extra,
                "objects": trial.objects,
                **{name: getattr(trial.settings, name) for name in names},
            }
            for trial in self.trials
        ]


def tune(
    candidates: Candidates,
    labels: NDArray[np.integer],
    *,
    ids: Sequence[int] | None = None,
    bad: Sequence[int] = (),
    start: AmgSettings | None = None,
    again: Callable[[AmgSettings], Candidates] | None = None,
    seconds: float = 8.0,
    progress: Callable[[int], None] | None = None,
) -> Tuning:
    """Search the settings that fit a few labelled objects best.

    Parameters
    ----------
    candidates : Candidates
        What a proposal found in the image; the lower its floor, the more can be tried.
    labels : (Y, X) int array
        The labelled objects, 0 elsewhere. Each should be labelled whole.
    ids : sequence of int, optional
        The labels that count; all when left out.
    bad : sequence of int
        Labels of candidates (row plus one) that are wrong, such as results that a person clicked away.
    start : AmgSettings, optional
        Where to begin; the settings of the proposal when left out.
    again : callable, optional
        Proposes again, for example ``lambda settings: propose(image, settings, model)``. It is called at most
        once, with the size of the labelled objects as `object_diameter`, if the candidates were not fitted to
        that size. Left out, the model does not run.
    seconds : float
        When to stop searching one set of candidates.
    progress : callable, optional
        Told the number of trials done; may raise to stop.

    Returns
    -------
    Tuning
        The winner and all that was tried.

    Raises
    ------
    CandidatesError
        If there are no candidates, no labelled object, or the labels have another shape.
    ImageError
        If the labels are no whole numbers.
    SettingsError
        If a number lies outside of its range.
    """
    if not len(candidates):
        raise CandidatesError("there are no candidates to search: propose again with a lower floor")
    labels = label_image(labels, "what is labelled")
    SECONDS.check(seconds, "seconds")
    row = Bound(int, 1, len(candidates), "")
    bad = [row.check(one, "bad") for one in bad]
    if labels.shape != tuple(candidates.shape):
        raise CandidatesError(
            f"the labels have the shape {labels.shape}, the candidates were found in an image of "
            f"{tuple(candidates.shape)}: label objects of that image"
        )
    examples = Examples.of(labels, ids)
    start = start or candidates.settings
    wrong = np.asarray(bad, np.int64) - 1
    first = Search(candidates, examples, wrong, start, progress)
    first.run(monotonic() + seconds)
    searched = [(first, candidates)]
    size = float(f"{examples.diameter:.2g}")
    if again is not None and _is_other_size(size, candidates):
        other = again(start.replace(object_diameter=size))
        if len(other):
            settings = start.replace(object_diameter=size)
            tell = None if progress is None else partial(_count_on, progress, len(first.trials))
            second = Search(other, examples, _same(candidates, wrong, other), settings, tell)
            second.run(monotonic() + seconds)
            searched.append((second, other))
    trials = [(trial, found) for search, found in searched for trial in search.trials]
    best, its = max(trials, key=lambda pair: pair[0].score)
    return Tuning(best, first.trials[0], tuple(trial for trial, _ in trials), its)


def _count_on(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


def _is_other_size(size: float, candidates: Candidates) -> bool:
    fitted = candidates.object_diameter
    return not fitted or abs(math.log(size / fitted)) > math.log(_OTHER_SIZE)


def _same(candidates: Candidates, rows: NDArray[np.int64], other: Candidates) -> NDArray[np.int64]:
    """Return the rows of another set whose boxes are nearly those of some candidates."""
    if not len(rows):
        return rows
    found = mask.iou(_sized(other.boxes), _sized(candidates.boxes[rows]), [0] * len(rows))
    return np.flatnonzero((found >= _SAME_BOX).any(1))


def _sized(boxes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return boxes as x, y, width and height, as pycocotools wants them."""
    return np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2] + 1]).astype(np.float64)


def _differences(start: Trial, trial: Trial) -> list[str]:
    return [
        info.name
        for info in trial.settings.fields()
        if getattr(trial.settings, info.name) != getattr(start.settings, info.name)
    ]

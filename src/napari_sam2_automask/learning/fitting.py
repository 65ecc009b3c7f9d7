"""The settings of a learned model: balanced fitted on what was held back, coarse and fine around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.evaluation.score import mean_segmentation_accuracy
from napari_sam2_automask.evaluation.tuning import tune
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.pipeline import propose_views
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.learning.lessons import Lesson
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Fitted", "fit_settings", "presets_around"]

_JUDGED = 3
"""At most so many images are segmented to fit settings."""
_FEW = 5
"""With fewer objects held back than this, those learned from have a say, too."""
_LONG = 600.0
"""Seconds that a search may take; it ends long before, and so is the same every time."""
_SHIFTED = ("pred_iou_thresh", "stability_score_thresh")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The settings that fit best, and how well.

    Attributes
    ----------
    settings : AmgSettings
        The model's balanced.
    start, score : float or None
        Mean segmentation accuracy on what was held back, with the settings to begin with and with these; None
        where not all is labelled there.
    """

    settings: AmgSettings
    start: float | None
    score: float | None


def fit_settings(
    model: Model, lessons: Sequence[Lesson], start: AmgSettings, progress: ProgressCallback
) -> Fitted:
    """Segment the images that have a part held back, and search the settings that fit that best.

    Parameters
    ----------
    model : Model
        What segments.
    lessons : sequence of Lesson
        Images and labels.
    start : AmgSettings
        Where to begin; what does not get better stays as it is.
    progress : callable
        As for `segment`; may raise `Cancelled`.
    """
    judged = [lesson for lesson in lessons if lesson.held is not None][:_JUDGED]
    floor = Floor.with_room(start)
    found = [propose_views([lesson.view], start, model, floor=floor, progress=progress) for lesson in judged]
    tried = [start]
    for lesson, candidates in zip(judged, found, strict=True):
        few = len(lesson.held_objects) < _FEW
        ids = range(1, lesson.objects + 1) if few else lesson.held_objects
        try:
            tuned = tune(candidates, lesson.whole.objects, ids=list(ids), start=start, seconds=_LONG)
        except CandidatesError:  # nothing was found at all
            continue
        tried.append(tuned.best.settings)
    complete = [(lesson, one) for lesson, one in zip(judged, found, strict=True) if lesson.is_complete]
    if not complete:
        return Fitted(tried[-1], None, None)
    scores = [
        float(np.mean([_accuracy(lesson, one, settings) for lesson, one in complete])) for settings in tried
    ]
    best = int(np.argmax(scores))  # the start, unless another is better
    return Fitted(tried[best], scores[0], scores[best])


def _accuracy(lesson: Lesson, candidates: Candidates, settings: AmgSettings) -> float:
    """Mean segmentation accuracy in the part that is held back."""
    rows, columns = (np.flatnonzero(lesson.held.any(axis)) for axis in (1, 0))  # type: ignore[union-attr]
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    truth = lesson.whole.objects[place]
    if not len(candidates):
        return 0.0
    return mean_segmentation_accuracy(paint(select(candidates, settings)).labels[place], truth)


def presets_around(balanced: AmgSettings, base: Model) -> Mapping[str, AmgSettings]:
    """Return coarse, balanced and fine: the base's, moved as its balanced had to be.

    Parameters
    ----------
    balanced : AmgSettings
        The fitted one.
    base : Model
        What was learned from.
    """
    before = PRESETS["balanced"].for_model(base)
    same = {
        name: getattr(balanced, name)
        for name in ("min_area", "max_area", "duplicate_iou")
        if getattr(balanced, name) != getattr(before, name)
    }
    out = {"balanced": balanced}
    for name in ("coarse", "fine"):
        own = PRESETS[name].for_model(base)
        moved = {}
        for threshold in _SHIFTED:
            shift = getattr(balanced, threshold) - getattr(before, threshold)
            moved[threshold] = round(min(max(getattr(own, threshold) + shift, 0.0), 1.0), 4)
        out[name] = own.replace(**moved, **same)
    return out

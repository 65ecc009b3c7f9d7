"""How learning goes, in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask._napari.run.progress_words import duration
from napari_sam2_automask.learning.reports import LearningProgress

if TYPE_CHECKING:
    from napari_sam2_automask.learning.own_process import Learned
    from napari_sam2_automask.progress import Progress

__all__ = ["Told", "Words", "learned_words"]

#: Steps after which their pace tells how long the others will take.
FIRST = 3
MEASURES = {"accuracy": "mean segmentation accuracy", "iou": "mean overlap (IoU)"}


class Told(NamedTuple):
    """What shows of a run: a sentence, a word beside the title, and how far it is."""

    text: str
    word: str
    done: int = 0
    total: int = 1


class Words:
    """Follows one run."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] | None = None
        self._last = Told("Starting", "learning")

    def tell(self, progress: Progress | None) -> Told:
        """Return what shows after the last report."""
        if isinstance(progress, LearningProgress):
            self._last = self._counted(progress)
        elif progress is not None and progress.stage not in ("load", "download"):
            if self._begun is None:
                self._last = Told("Looking what the model finds so far", "learning")
            else:
                self._last = self._last._replace(text="Fitting settings to what was learned")
        return self._last

    def _counted(self, progress: LearningProgress) -> Told:
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, progress.done
        at, first = self._begun
        left = ""
        if first + FIRST <= progress.done < progress.total:
            pace = (now - at) / (progress.done - first)
            left = f", {duration(max(1.0, pace * (progress.total - progress.done)))} left"
        text = (
            f"Step {progress.done} of {progress.total}{left}. Overlap on what is held back: "
            f"{progress.before:.2f} before, {progress.best:.2f} at best"
        )
        return Told(text, f"step {progress.done} of {progress.total}", progress.done, progress.total)


def learned_words(learned: Learned) -> str:
    """Return what was learned from what, and whether it helped."""
    objects = f"{learned.objects:,} objects"
    images = "1 image" if learned.images == 1 else f"{learned.images} images"
    gain = "" if learned.after > learned.before else " It finds these no better: more examples help."
    return (
        f"Learned from {objects} in {images} in {learned.steps} steps. On what was held back "
        f"{MEASURES[learned.measure]} {learned.before:.2f} before, {learned.after:.2f} after.{gain}"
    )

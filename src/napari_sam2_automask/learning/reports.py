"""What learning tells on its way; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2_automask.progress import Progress

__all__ = ["LearningProgress"]


@dataclass(frozen=True, slots=True)
class LearningProgress(Progress):
    """A counted state of learning.

    Attributes
    ----------
    before, score, best : float
        Scores on what is held back: of the base, of the last check, and the best. Mean IoU of the objects
        with the mask that the model itself takes for the best at a point inside each.
    """

    before: float = 0.0
    score: float = 0.0
    best: float = 0.0

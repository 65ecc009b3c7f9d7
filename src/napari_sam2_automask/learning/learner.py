"""One course of learning with all that belongs to it: time, settings, and the choice of what is kept."""

from __future__ import annotations

import base64
import io
import math
from copy import deepcopy
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_sam2_automask.learning.decoder_trainer import DecoderTrainer
from napari_sam2_automask.learning.fitting import Fitted, fit_settings, presets_around
from napari_sam2_automask.learning.held_back import HeldBack
from napari_sam2_automask.learning.lessons import hash_of_lessons
from napari_sam2_automask.learning.network.weights import SHARPNESS, in_half, sharpen, stored
from napari_sam2_automask.learning.reports import LearningProgress
from napari_sam2_automask.learning.trainer import Trainer
from napari_sam2_automask.models.catalogue.card import Card
from napari_sam2_automask.models.keeping import learned_model
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam2_automask.learning.course import Plan, Standing
    from napari_sam2_automask.learning.lessons import Lesson
    from napari_sam2_automask.models.networks.model import Model
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Learner"]

_FEWEST = 10
"""Steps that are taken however short the time is."""
_NEARER = 0.6
"""Judged beside the weights learned are weights so far on the way from the base's to them: on images that
were not learned from, these are often better."""
_WORSE_BY = 0.005
"""What the score may lose for weights nearer to the base: they have forgotten less."""
_THUMBNAIL = 96


class Learner:
    """Learns, fits settings, and keeps what is better than the base.

    Parameters
    ----------
    base : Model
        What learning goes on from.
    lessons : list of Lesson
        Images and labels, and what is held back of them.
    seed, plan, minutes, steps, checkpoint, progress
        As for `learn`.
    """

    def __init__(
        self,
        base: Model,
        lessons: list[Lesson],
        seed: int,
        plan: Plan,
        minutes: float,
        steps: int | None,
        checkpoint: Path | None,
        progress: ProgressCallback,
    ) -> None:
        self.base, self.lessons, self.seed = base, lessons, seed
        self.minutes, self.steps, self.checkpoint, self.progress = minutes, steps, checkpoint, progress
        self.learned_from = hash_of_lessons(lessons)
        self.threads = torch.get_num_threads()
        self.trainer = _course(base, lessons, seed, plan)
        wanted = f"{steps} steps" if steps is not None else f"{minutes} minutes"
        self.key = f"{self.learned_from} {base.sha256} {seed} {self.threads} {plan} {wanted}"

    def result(self, name: str, begun: float) -> Model:
        """Learn, fit settings, and choose what is better than the base."""
        start = PRESETS["balanced"].for_model(self.base)
        old = fit_settings(self.base, self.lessons, start, self.progress)
        spent = monotonic() - begun  # as long as each of the two that follow
        stopped = self._train(60 * self.minutes - 3 * spent)
        if stopped is not None and self.trainer.standing.best_step == 0:
            raise stopped
        if stopped is not None:
            return self._at(1.0, name, begun, start)
        if self.trainer.standing.best_step > 0:
            made, new = self._fitted(name, begun, start)
            if old.score is None or new.score is None or new.score >= old.score:
                return self._model(name, self._half(made), begun, Fitted(new.settings, old.start, new.score))
        # Nothing was learned that helps, but settings may.
        kept = self._stored(self.trainer.whole(self.trainer.start))
        return self._model(name, kept, begun, Fitted(old.settings, old.start, old.score))

    def _fitted(self, name: str, begun: float, start: AmgSettings) -> tuple[Model, Fitted]:
        """Fit settings to what was learned and to weights nearer to the base's; those win where as good."""
        made, new = self._at(1.0, name, begun, start), Fitted(start, None, None)
        try:
            new = fit_settings(made, self.lessons, start, self.progress)
            if new.score is None and not self._nearer_answers_as_well():
                return made, new
            nearer = self._at(_NEARER, name, begun, start)
            fitted = fit_settings(nearer, self.lessons, start, self.progress)
            if new.score is None or (fitted.score or 0.0) >= new.score - _WORSE_BY:
                return nearer, fitted
        except Cancelled:
            pass
        return made, new

    def _nearer_answers_as_well(self) -> bool:
        """Tell whether weights nearer to the base's answer prompts as well; if so, keep that score."""
        score, standing = self.trainer.score_at(_NEARER), self.trainer.standing
        if score < standing.best - _WORSE_BY:
            return False
        standing.best = score
        return True

    def _at(self, share: float, name: str, begun: float, start: AmgSettings) -> Model:
        """Return the model whose weights lie so far on the way from the base's to the best."""
        weights = self._stored(self.trainer.result(share))
        return self._model(name, weights, begun, Fitted(start, None, None))

    def _train(self, seconds: float) -> Cancelled | None:
        trainer = self.trainer
        at = self.checkpoint
        if at is not None and load_checkpoint(at, trainer, self.key):
            steps = trainer.standing.steps
        elif self.steps is not None:
            steps = self.steps
        else:
            steps = max(_FEWEST, math.floor(seconds / max(trainer.seconds_per_step(), 1e-3)))
        try:
            trainer.train(
                steps, self._tell, lambda now: None if at is None else save_checkpoint(at, now, self.key)
            )
        except Cancelled as cancelled:
            trainer.judge()  # steps since the last check may be the best
            return cancelled
        return None

    def _tell(self, standing: Standing) -> None:
        before = standing.history[0][1]
        self.progress(
            LearningProgress("learn", standing.step, standing.steps, before, standing.score, standing.best)
        )

    def _stored(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        weights = {name: value.cpu() for name, value in weights.items()}
        try:
            if self.base.family == "bundled":
                return stored(weights, SHARPNESS)
            return in_half(weights)
        except ValueError as error:
            raise LearningError(
                f"the weights learned cannot be stored ({error}): learn with another seed"
            ) from error

    def _half(self, model: Model) -> dict[str, Tensor]:
        return in_half({name: value.cpu() for name, value in model.network.state_dict().items()})

    def _model(self, name: str, weights: dict[str, Tensor], begun: float, fitted: Fitted) -> Model:
        standing = self.trainer.standing
        accuracy = fitted.start is not None and fitted.score is not None
        first = self.lessons[0]
        card = Card(
            name=name,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            base=self.base.name,
            base_sha256=self.base.sha256 or "0" * 64,
            config=self.base.config,
            learned_from=self.learned_from,
            images=len(self.lessons),
            objects=sum(lesson.objects for lesson in self.lessons),
            colours="gray" if first.whole.image.ndim == 2 else "colour",
            seed=self.seed,
            steps=standing.step,
            threads=self.threads,
            minutes=round((monotonic() - begun) / 60, 2),
            measure="accuracy" if accuracy else "iou",
            before=_share(fitted.start if accuracy else standing.history[0][1]),
            after=_share(fitted.score if accuracy else standing.best),
            presets=dict(presets_around(fitted.settings, self.base)),
            weights_sha256="0" * 64,
            thumbnail=_thumbnail(first.view),
        )
        return learned_model(weights, card, self.base.device)


def _course(base: Model, lessons: list[Lesson], seed: int, plan: Plan) -> Trainer | DecoderTrainer:
    """Return what learns from a copy of the base."""
    network = deepcopy(base.network)
    if base.family != "bundled":
        return DecoderTrainer(network, lessons, seed, plan)
    network.load_state_dict(sharpen(base.network.state_dict(), 1 / SHARPNESS))
    images = [lesson.training for lesson in lessons if not _all_held(lesson)]
    return Trainer(network, images, HeldBack(lessons, plan.size), seed, plan)


def _share(value: float | None) -> float:
    return round(float(np.clip(value or 0.0, 0, 1)), 4)


def _all_held(lesson: Lesson) -> bool:
    return lesson.held is not None and bool(lesson.held.all())


def _thumbnail(view: NDArray[np.uint8]) -> str:
    from PIL import Image

    picture = Image.fromarray(view)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    file = io.BytesIO()
    picture.quantize(64).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")

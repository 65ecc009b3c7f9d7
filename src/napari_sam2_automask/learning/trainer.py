"""The steps themselves: a copy of the base learns from windows, is judged now and then, the best is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.learning.network.training_step import (
    losses_of,
    optimisers_of,
    set_rate,
    take_steps,
)
from napari_sam2_automask.learning.network.weights import between
from napari_sam2_automask.learning.remembering import remembered
from napari_sam2_automask.learning.windows.windows import window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.learning.held_back import HeldBack
    from napari_sam2_automask.learning.windows.training_image import TrainingImage

__all__ = ["Plan", "Standing", "Trainer"]

_TRIES = 60
"""Windows tried until one holds an object."""
_PATIENCE = 3
"""Checks without anything better after which learning stops."""
_WORSE_BY = 0.005
"""What the score may lose for weights nearer to the base: they have forgotten less."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much a step does.

    Attributes
    ----------
    size : int
        Side of the windows in pixels of the model's input.
    own, known : int
        Windows of the person's images, and of what the base knows, that prompts are asked in.
    prompts : int
        Points in each; half as many boxes.
    more_own, more_known : int
        Windows from which the trunk alone learns before that, which is quick.
    rate : float
        Highest learning rate; it falls to zero.
    warm_up : int
        Steps until it is reached.
    checks : int
        How often the score on what is held back is taken.
    """

    size: int = 256
    own: int = 2
    known: int = 1
    prompts: int = 8
    more_own: int = 3
    more_known: int = 1
    rate: float = 1e-3
    warm_up: int = 5
    checks: int = 6


@dataclass(slots=True)
class Standing:
    """How far learning has come.

    Attributes
    ----------
    step, steps : int
        Steps done, and all.
    score, best : float
        On what is held back: of the last check, and the best.
    best_step : int
        The step after which that was.
    history : list of (int, float)
        All checks: step and score.
    """

    step: int
    steps: int
    score: float = 0.0
    best: float = 0.0
    best_step: int = 0
    history: list[tuple[int, float]] = field(default_factory=list)


class Trainer:
    """A network on its way, with its optimisers and the best weights so far.

    Parameters
    ----------
    network : SAM2Base
        A copy of the base in the form of the bundled model, as it is trained: not sharpened.
    images : sequence of TrainingImage
        What is learned from.
    held_back : HeldBack
        What it is judged by.
    seed : int
        Of windows, prompts and points.
    plan : Plan
        How much a step does.
    """

    def __init__(
        self,
        network: SAM2Base,
        images: Sequence[TrainingImage],
        held_back: HeldBack,
        seed: int,
        plan: Plan,
    ) -> None:
        network.requires_grad_(True)
        network.to(memory_format=torch.channels_last)
        self.network, self.plan, self._seed, self._held_back = network, plan, seed, held_back
        self._images = [image for image in images if image.objects.any()]
        counts = np.sqrt([max(1, int(image.objects.max())) for image in self._images])
        self._shares = counts / counts.sum()
        self.device = next(network.parameters()).device
        # On a CPU without AMX products in bfloat16 take twice as long as in single precision.
        self._half = self.device.type != "cpu" or torch.cpu._is_amx_tile_supported()
        self.optimisers = optimisers_of(network)
        self.start = self._weights()
        self.best = self.start
        self.standing = Standing(0, 0)

    def seconds_per_step(self) -> float:
        """Time a step without taking it."""
        spent = 0.0
        for _ in range(2):
            begun = monotonic()
            for masks in (False, True):
                self._gradient(0, masks)
            spent = monotonic() - begun
        return spent

    def train(self, steps: int, told: Callable[[Standing], None], save: Callable[[Trainer], None]) -> None:
        """Train to a number of steps from where it stands, or until nothing gets better.

        Parameters
        ----------
        steps : int
            All steps; the learning rate falls to zero over them.
        told : callable
            Told the standing after every step and check; may raise to stop.
        save : callable
            Called after each check, to keep a state that can be gone on with.

        Raises
        ------
        LearningError
            If the weights become infinite before anything was learned.
        """
        standing = self.standing
        standing.steps = steps
        every = max(1, math.ceil(steps / self.plan.checks))
        if not standing.history:
            self._check()
        told(standing)
        while standing.step < steps and not self._stands_still(every):
            self._step(standing.step)
            standing.step += 1
            if standing.step % every == 0 or standing.step == steps:
                if not self._check():
                    break
                save(self)
            told(standing)
        if not math.isfinite(standing.score) and standing.best_step == 0:
            raise LearningError(
                "the weights became infinite, and nothing was learned: look whether labels and images belong "
                "together, or learn with another seed"
            )

    def result(self) -> dict[str, Tensor]:
        """Return the best weights, or weights nearer to the base that are as good."""
        if self.standing.best_step == 0:
            return self.start
        chosen, best = self.best, self.standing.best
        for share in (0.75, 0.5):
            closer = between(self.start, self.best, share)
            self.network.load_state_dict(closer)
            score = self._score()
            if score < best - _WORSE_BY:
                break
            chosen, best = closer, max(best, score)
        return chosen

    def _stands_still(self, every: int) -> bool:
        return self.standing.step - self.standing.best_step >= _PATIENCE * every > 0 and (
            self.standing.step >= self.standing.steps // 2
        )

    def _check(self) -> bool:
        """Take the score; return whether it is a number."""
        score = self._score()
        standing = self.standing
        standing.score = score
        standing.history.append((standing.step, score))
        if len(standing.history) == 1 or score > standing.best:
            standing.best, standing.best_step, self.best = score, standing.step, self._weights()
        return math.isfinite(score)

    def _score(self) -> float:
        self.network.eval()
        return self._held_back.score(self.network)

    def _step(self, step: int) -> None:
        warm = min(1.0, (step + 1) / self.plan.warm_up)
        rate = self.plan.rate * warm * max(0.02, 1 - step / self.standing.steps)
        for masks in (False, True):
            grads = self._gradient(step, masks)
            set_rate(self.optimisers, rate)
            take_steps(self.optimisers, grads, torch.cat([grad.flatten() for grad in grads]))

    def _gradient(self, step: int, masks: bool) -> list[Tensor]:
        """Return the gradient of one batch, in the parameters' own `grad`."""
        batch = self._batch(step, masks)
        for parameter in self.network.parameters():
            parameter.grad = None
        with torch.random.fork_rng(devices=[]):
            # Each step has a seed of its own, so that one that goes on does what it would have done.
            torch.manual_seed(self._seed * 1_000_003 + 2 * step + masks)
            loss, _ = losses_of(self.network, batch, self._half, masks)
            loss.backward()  # type: ignore[no-untyped-call]
        return [p.grad for p in self.network.parameters() if p.grad is not None]

    def _batch(self, step: int, masks: bool) -> dict[str, Tensor]:
        plan = self.plan
        rng = np.random.default_rng((self._seed, step, masks))
        own, known = (plan.own, plan.known) if masks else (plan.more_own, plan.more_known)
        prompts = plan.prompts if masks else 1
        items = []
        for i in range(own + known):
            for _ in range(_TRIES):
                if i < own:
                    image = self._images[rng.choice(len(self._images), p=self._shares)]
                else:
                    image = remembered(int(rng.integers(1 << 20)), 0)
                item = window(image, plan.size, prompts, rng, boxes=max(1, prompts // 2))
                if item is not None:
                    items.append(item)
                    break
        if not items:
            raise LearningError(
                "the labelled objects are too small to learn from: nothing was found in windows of the images"
            )
        arrays: dict[str, Any] = {name: np.stack([item[name] for item in items]) for name in items[0]}
        return {name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()}

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

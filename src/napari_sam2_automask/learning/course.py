"""A course of learning, whatever learns: steps, judged now and then, of which the best are kept."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.learning.network.weights import between

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

__all__ = ["Course", "Plan", "Standing"]

_NOISE = 0.01
"""What the score may lose for weights of a later check: at a lower rate they are better than the few objects
held back can tell. Stopped before the rate had fallen, learning gained half as much or less."""


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
        On what is held back: of the last check, and of the weights that are kept.
    best_step : int
        The step after which these were.
    history : list of (int, float)
        All checks: step and score.
    """

    step: int
    steps: int
    score: float = 0.0
    best: float = 0.0
    best_step: int = 0
    history: list[tuple[int, float]] = field(default_factory=list)


class Course(ABC):
    """A network on its way, with its optimisers and the best weights so far.

    Parameters
    ----------
    network : SAM2Base
        A copy of the base.
    plan : Plan
        How much a step does.

    Attributes
    ----------
    start, best : dict of str to Tensor
        The weights that learn, as they were and the best so far.
    standing : Standing
        How far it has come.
    """

    optimisers: list[torch.optim.Optimizer]

    def __init__(self, network: SAM2Base, plan: Plan) -> None:
        self.network, self.plan = network, plan
        self.device = next(network.parameters()).device
        self.start = self._weights()
        self.best = self.start
        self.standing = Standing(0, 0)

    @abstractmethod
    def seconds_per_step(self) -> float:
        """Time a step without taking it."""

    @abstractmethod
    def _step(self, step: int) -> None:
        """Take a step."""

    @abstractmethod
    def _score(self) -> float:
        """Return how well the network answers on what is held back; NaN if weights are not finite."""

    def train(self, steps: int, told: Callable[[Standing], None], save: Callable[[Course], None]) -> None:
        """Train to a number of steps from where it stands.

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
        while standing.step < steps:
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

    def result(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return all weights of the network: the best, or what lies between the base's and these.

        Parameters
        ----------
        share : float
            How far on the way, 0 to 1.
        """
        return self.whole(self.best if share == 1 else between(self.start, self.best, share))

    def score_at(self, share: float) -> float:
        """Score what `result` returns, on what is held back; what learns is left as it is."""
        now = self._weights()
        self._load(self.best if share == 1 else between(self.start, self.best, share))
        score = self._score()
        self._load(now)
        return score

    def whole(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights of the network, of which these are those that learn."""
        return weights

    def judge(self) -> None:
        """Take the score now, if steps were taken since the last time."""
        history = self.standing.history
        if history and history[-1][0] < self.standing.step:
            self._check()

    def _check(self) -> bool:
        """Score the weights of now, and keep them if they are the best; tell whether that is a number."""
        standing, score = self.standing, self._score()
        before = [score for _, score in standing.history]
        standing.score = score
        standing.history.append((standing.step, score))
        if not before or (score > before[0] and score >= max(before) - _NOISE):
            standing.best, standing.best_step, self.best = score, standing.step, self._weights()
        return math.isfinite(score)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: it warms up, and falls to zero."""
        warm = min(1.0, (step + 1) / self.plan.warm_up)
        return self.plan.rate * warm * max(0.02, 1 - step / self.standing.steps)

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def _load(self, weights: dict[str, Tensor]) -> None:
        self.network.load_state_dict(weights)

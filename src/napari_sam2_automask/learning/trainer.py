"""Learning of the bundled model: all of its weights, from windows of the images and of what it knows."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.learning.course import Course, Plan
from napari_sam2_automask.learning.network.training_step import (
    losses_of,
    optimisers_of,
    set_rate,
    take_steps,
)
from napari_sam2_automask.learning.remembering import remembered
from napari_sam2_automask.learning.windows.windows import window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.learning.held_back import HeldBack
    from napari_sam2_automask.learning.windows.training_image import TrainingImage

__all__ = ["Trainer"]

_TRIES = 60
"""Windows tried until one holds an object."""


class Trainer(Course):
    """The steps themselves.

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
        self._seed, self._held_back = seed, held_back
        self._images = [image for image in images if image.objects.any()]
        counts = np.sqrt([max(1, int(image.objects.max())) for image in self._images])
        self._shares = counts / counts.sum()
        super().__init__(network, plan)
        # On a CPU without AMX products in bfloat16 take twice as long as in single precision.
        self._half = self.device.type != "cpu" or torch.cpu._is_amx_tile_supported()
        self.optimisers = optimisers_of(network)

    def seconds_per_step(self) -> float:
        """Time a step without taking it."""
        spent = 0.0
        for _ in range(2):
            begun = monotonic()
            for masks in (False, True):
                self._gradient(0, masks)
            spent = monotonic() - begun
        return spent

    def _score(self) -> float:
        self.network.eval()
        return self._held_back.score(self.network)

    def _step(self, step: int) -> None:
        for masks in (False, True):
            grads = self._gradient(step, masks)
            set_rate(self.optimisers, self.rate(step))
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

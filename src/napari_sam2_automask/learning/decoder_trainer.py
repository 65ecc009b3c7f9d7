"""Learning of SAM 2 models: their mask decoder alone, on features of the images that are computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam2_automask.engine.encoder.encode import Features, encode
from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.learning.course import Course, Plan
from napari_sam2_automask.learning.network.losses import mask_loss
from napari_sam2_automask.learning.network.prompts import BOX_CORNERS, BOX_WEIGHT
from napari_sam2_automask.learning.network.training_step import set_rate, take_steps
from napari_sam2_automask.learning.places import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.learning.lessons import Lesson

__all__ = ["DecoderTrainer"]

_SLOWER = 0.1
"""Of the rate of the bundled model, whose weights are far fewer."""
_WIDE = 32.0
"""Pixels of the model's input that objects are to be wide at least; a picture is cut into tiles for that."""
_MOST_TILES = 3
"""Along one side."""
_PART = "sam_mask_decoder."


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    """A part of an image with its features, and the labels as the model's input shows them."""

    features: Features
    labels: NDArray[np.int32]
    learned: NDArray[np.int64]
    held: list[int]
    weights: NDArray[np.float64]


class DecoderTrainer(Course):
    """The steps themselves.

    Parameters
    ----------
    network : SAM2Base
        A copy of the base; of its weights those of the mask decoder change.
    lessons : sequence of Lesson
        What is learned from, and what is held back.
    seed : int
        Of prompts and points.
    plan : Plan
        How much a step does.

    Raises
    ------
    LearningError
        If no object is large enough.
    """

    def __init__(self, network: SAM2Base, lessons: Sequence[Lesson], seed: int, plan: Plan) -> None:
        network.requires_grad_(False)
        self._decoder = network.sam_mask_decoder.requires_grad_(True)
        self._seed = seed
        super().__init__(network, plan)
        self._tiles = [tile for lesson in lessons for tile in self._tiles_of(lesson)]
        self._taught = [tile for tile in self._tiles if len(tile.learned)]
        if not self._taught:
            raise LearningError("the labelled objects are too small to learn from: nothing of them is seen")
        self._parameters = list(self._decoder.parameters())
        self.optimisers = [
            torch.optim.AdamW([{"params": self._parameters, "factor": _SLOWER}], weight_decay=0.0)
        ]

    def seconds_per_step(self) -> float:
        """Time a step without taking it."""
        self._gradient(0)
        begun = monotonic()
        self._gradient(0)
        return monotonic() - begun

    def whole(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights of the network, with these in the decoder."""
        every: dict[str, Tensor] = self.network.state_dict()
        return every | {_PART + name: value for name, value in weights.items()}

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._decoder.state_dict().items()}

    def _load(self, weights: dict[str, Tensor]) -> None:
        self._decoder.load_state_dict(weights)

    # -- what is learned from

    @torch.no_grad()
    def _tiles_of(self, lesson: Lesson) -> list[_Tile]:
        """Cut a picture into tiles in which objects are not too small, and run the encoder on each."""
        height, width = lesson.view.shape[:2]
        size = int(self.network.image_size)
        seen = lesson.whole.diameter * size / max(height, width)
        along = min(max(1, math.ceil(_WIDE / max(seen, 1.0))), _MOST_TILES)
        rows, columns = (np.linspace(0, n, along + 1).astype(int) for n in (height, width))
        tiles = []
        for y0, y1 in pairwise(rows):
            for x0, x1 in pairwise(columns):
                labels = lesson.whole.objects[y0:y1, x0:x1]
                if labels.any():
                    features = encode(self.network, lesson.view[y0:y1, x0:x1], lambda: None)
                    tiles.append(_tile(lesson, features, labels, size))
        return tiles

    # -- asking

    def _answer(self, tile: _Tile, points: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (K, 4, h, w) and predicted IoU (K, 4) at prompts of points (K, N, 2)."""
        prompts = self.network.sam_prompt_encoder
        with torch.no_grad():
            sparse, dense = prompts(points=(points, said), boxes=None, masks=None)
            position = prompts.get_dense_pe()
        masks, iou, *_ = self._decoder.predict_masks(
            image_embeddings=tile.features.image_embed,
            image_pe=position,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=True,
            high_res_features=list(tile.features.high_res) or None,
        )
        return masks, iou

    @torch.no_grad()
    def _score(self) -> float:
        """Return the mean IoU of held-back objects with the mask that the model takes for the best."""
        self._decoder.eval()
        found: list[float] = []
        for tile in self._tiles:
            ids, places = inside(tile.labels, set(tile.held))
            if not ids:
                continue
            points = torch.tensor(places, dtype=torch.float32, device=self.device)[:, None]
            said = torch.ones(points.shape[:2], dtype=torch.int, device=self.device)
            logits, quality = self._answer(tile, points, said)
            if not bool(torch.isfinite(logits).all()):
                return math.nan
            best = quality[:, 1:].argmax(1) + 1
            masks = (logits[torch.arange(len(best), device=self.device), best] > 0).cpu().numpy()
            shown = tile.labels[2::4, 2::4]
            for mask, label in zip(masks, ids, strict=True):
                truth = shown == label
                found.append(float((mask & truth).sum() / max(1, (mask | truth).sum())))
        return float(np.mean(found)) if found else 0.0

    # -- steps

    def _step(self, step: int) -> None:
        self._gradient(step)
        grads = [p.grad for p in self._parameters if p.grad is not None]
        set_rate(self.optimisers, self.rate(step))
        take_steps(self.optimisers, grads, torch.cat([grad.flatten() for grad in grads]))

    def _gradient(self, step: int) -> None:
        """Ask points and boxes at objects of one tile; leave the gradient in the parameters' own `grad`."""
        rng = np.random.default_rng((self._seed, step))
        shares = np.sqrt([len(tile.learned) for tile in self._taught])
        tile = self._taught[rng.choice(len(self._taught), p=shares / shares.sum())]
        ids = rng.choice(tile.learned, self.plan.prompts, p=tile.weights)
        points, boxes = (np.stack(both) for both in zip(*(_prompts(tile, n, rng) for n in ids), strict=True))
        for parameter in self._parameters:
            parameter.grad = None
        maps = torch.from_numpy(tile.labels).to(self.device)[None, None].expand(-1, 3, -1, -1)
        names = torch.from_numpy(np.repeat(ids[None, :, None], 3, 2)).int().to(self.device)
        trust = torch.ones(1, device=self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed * 1_000_003 + step)
            total = torch.zeros((), device=self.device)
            for asked, kinds, weight in ((points, (1,), 1.0), (boxes, BOX_CORNERS, BOX_WEIGHT)):
                xy = torch.from_numpy(asked).to(self.device)
                said = torch.tensor(kinds, dtype=torch.int, device=self.device).expand(len(xy), -1)
                total = total + weight * mask_loss(*self._answer(tile, xy, said), maps, names, trust).total
            total.backward()  # type: ignore[no-untyped-call]


def _tile(lesson: Lesson, features: Features, labels: NDArray[np.int32], size: int) -> _Tile:
    rows = ((np.arange(size) + 0.5) * labels.shape[0] / size).astype(int)
    columns = ((np.arange(size) + 0.5) * labels.shape[1] / size).astype(int)
    shown = np.ascontiguousarray(labels[rows][:, columns])
    held = set(lesson.held_objects)
    ids, _ = inside(shown, set(np.unique(shown).tolist()) - held - {0}, most=shown.size)
    counts = np.array([lesson.whole.weights.get(n, 1.0) for n in ids], np.float64)
    learned = np.array(ids, np.int64)[counts > 0]
    counts = counts[counts > 0]
    return _Tile(features, shown, learned, sorted(held), counts / max(counts.sum(), 1e-9))


def _prompts(
    tile: _Tile, label: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a point (1, 2) inside an object, and the corners (2, 2) of its box, x and y."""
    y, x = np.nonzero(tile.labels == label)
    k = int(rng.integers(len(y)))
    point = np.array([[x[k], y[k]]], np.float32)
    box = np.array([[x.min(), y.min()], [x.max() + 1, y.max() + 1]], np.float32)
    return point, box

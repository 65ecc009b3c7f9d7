"""Training windows as an endless stream, for several processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from model_training.records import SHARES
from napari_sam2_automask.learning.windows.windows import window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.learning.windows.training_image import TrainingImage

__all__ = ["Windows"]


class Windows(IterableDataset[dict[str, Tensor]]):
    """Endless batches of windows of the model's input frame.

    A window is a square of `size` pixels somewhere in the 512 x 512 frame; a smaller one costs less and looks
    the same to the network, because its offset is given to the position encoding.

    Parameters
    ----------
    records : sequence of TrainingImage
        Where windows are cut from.
    size, batch, prompts, boxes : int
        Side of the window, windows in a batch, points and boxes asked in each.
    seed : int
        The stream's seed; the worker's number is added to it.
    varied : bool
        Whether contrast, colour, size and noise vary; off where a model only has to learn a few images.
    """

    def __init__(
        self,
        records: Sequence[TrainingImage],
        size: int,
        batch: int,
        prompts: int,
        seed: int,
        varied: bool = True,
        boxes: int = 1,
    ) -> None:
        self.varied = varied
        self.kinds: dict[str, list[TrainingImage]] = {}
        for record in records:
            self.kinds.setdefault(record.kind, []).append(record)
        self.size, self.batch, self.prompts, self.boxes = size, batch, prompts, boxes
        self.seed = seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        torch.set_num_threads(1)
        info = get_worker_info()
        rng = np.random.default_rng((self.seed, info.id if info else 0))
        names = list(self.kinds)
        p = np.array([SHARES[n] for n in names])
        p /= p.sum()
        while True:
            batch: list[dict[str, NDArray[Any]]] = []
            while len(batch) < self.batch:
                pool = self.kinds[names[rng.choice(len(names), p=p)]]
                record = pool[rng.integers(len(pool))]
                item = window(record, self.size, self.prompts, rng, self.varied, self.boxes)
                if item is not None:
                    batch.append(item)
            yield {k: torch.from_numpy(np.stack([b[k] for b in batch])) for k in batch[0]}

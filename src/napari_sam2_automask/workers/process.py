"""What each process that works keeps: one model, loaded once, and its share of the cores."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2_automask.models import Model

__all__ = ["model_of", "use_threads"]


@lru_cache(maxsize=1)
def model_of(source: str, device: str) -> Model:
    """Load a model, once for all tasks of this process.

    Parameters
    ----------
    source, device : str
        As for `load_model`.
    """
    from napari_sam2_automask.models import load_model

    return load_model(source, device=device)


def use_threads(threads: int) -> None:
    """Let torch, and libraries that are loaded later, use so many threads in this process."""
    # For libraries that start their threads later than this.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)

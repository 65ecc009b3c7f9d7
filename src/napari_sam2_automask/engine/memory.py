"""How much memory there is, how much a run needs, and what tells that it ran out."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.errors import MemoryBudgetError

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

__all__ = [
    "available",
    "check_budget",
    "copy_on_cpu",
    "fits_memory",
    "is_cpu",
    "is_out_of_memory",
    "needed",
    "release",
]


def is_cpu(device: torch.device) -> bool:
    """Tell whether a device is the CPU, which there is nothing to fall back from."""
    return device.type == "cpu"


def available(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes, or None where that cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return None


def needed(network: SAM2Base, batch: int) -> int:
    """Return about what a run needs beyond the weights, in bytes, its candidates not counted.

    Parameters
    ----------
    network : SAM2Base
        The network.
    batch : int
        Prompts worked on at a time.
    """
    tokens = int(network.sam_image_embedding_size) ** 2
    width = int(network.hidden_dim)
    # The encoder's widest stage holds a few feature maps of 16 times the tokens; the decoder's tables about
    # 25 times the image embedding; each prompt its mixing weights and three masks. A GPU also works out the
    # next layer's weights for all prompts of a batch at once.
    encoder = 12 * 16 * tokens * width
    tables = 25 * tokens * width
    weights = (3 if is_cpu(network.device) else 6) * 64
    prompts = batch * tokens * (weights + 3 * 16)
    return 4 * (encoder + tables + prompts)


def check_budget(network: SAM2Base, batch: int) -> None:
    """Refuse a run that cannot fit.

    Raises
    ------
    MemoryBudgetError
        If less memory is free than the run needs with this batch; says both.
    """
    free, need = available(network.device), needed(network, batch)
    if free is not None and need > free:
        raise MemoryBudgetError(
            f"the run needs about {need / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free: close other "
            "programs, lower points_per_batch or choose a smaller model"
        )


def fits_memory(network: SAM2Base, batch: int, share: float = 1.0) -> bool:
    """Tell whether a run with this batch fits into the memory that is free, or into a share of it."""
    free = available(network.device)
    return free is None or needed(network, batch) <= share * free


def copy_on_cpu(network: SAM2Base) -> SAM2Base:
    """Return a copy on the CPU, without taking any more of the device's memory."""
    known: dict[int, object] = {}
    for parameter in network.parameters():
        known[id(parameter)] = torch.nn.Parameter(parameter.detach().cpu(), requires_grad=False)
    for buffer in network.buffers():
        known[id(buffer)] = buffer.detach().cpu()
    return deepcopy(network, known)


def release(device: torch.device) -> None:
    """Give up everything that is kept only because it may be of use again."""
    features_cache.clear()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)

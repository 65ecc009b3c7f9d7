"""The two ways between the host and a device.

A GPU works on what it was given while the host goes on. It is waited for here and nowhere else, so that a
test can count how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["take", "to_device", "to_host"]


def to_host(tensor: Tensor) -> NDArray[Any]:
    """Return the values of a tensor, once everything that they depend on is done."""
    values: NDArray[Any] = tensor.cpu().numpy()
    return values


def to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    """Give values to a device, without waiting where it is known to take them at once, as CUDA does."""
    return torch.from_numpy(values).to(device, non_blocking=device.type == "cuda")


def take(tensor: Tensor, places: NDArray[np.int64]) -> Tensor:
    """Return a copy of what lies at some places of a tensor's first axis, without waiting for the device."""
    return tensor.index_select(0, to_device(places, tensor.device))

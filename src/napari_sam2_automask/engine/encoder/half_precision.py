"""The image encoder in half precision on a graphics card, for those who ask for it.

Only the perceptrons of a SAM 2 trunk compute in half precision, which are more than half of its operations
(`benchmarks/speed/half.py`): with all of its layers in half precision the masks of a random "large" model
went down to an IoU of 0.977, with all but the last and those that change the width to 0.988, with perceptrons
alone to 0.992. The decoder stays in single precision too: rounding the factors of its products (TF32) moved
masks to 0.96 in the worst case, and saved no time that could be measured. So does the bundled model, which is
small and whose masks went down to 0.96.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from napari_sam2_automask.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor
    from torch.nn import Module

    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["encode_in_half", "is_half"]


def is_half(settings: AmgSettings, device: torch.device) -> bool:
    """Tell whether a run encodes in half precision; only CUDA does."""
    return settings.half_precision and device.type == "cuda"


def encode_in_half(network: SAM2Base, encode: Callable[[], list[Features]]) -> list[Features]:
    """Run the image encoder in float16, or in single precision where a value is too large for that.

    Parameters
    ----------
    network : SAM2Base
        Whose encoder runs.
    encode : callable
        Runs it on some crops.

    Returns
    -------
    list of Features
        In single precision.
    """
    trunk, device = network.image_encoder.trunk, network.device.type
    perceptrons = [block.mlp for block in getattr(trunk, "blocks", ())]
    try:
        with ExitStack() as stack:
            for perceptron in perceptrons:
                stack.enter_context(_in_half(perceptron, device))
            return encode()
    except ModelError:
        return encode()


@contextmanager
def _in_half(module: Module, device: str) -> Iterator[None]:
    """Let a module compute in float16, and return single precision, while the context lasts."""
    forward = module.forward

    def in_half(x: Tensor) -> Tensor:
        with torch.autocast(device, torch.float16):
            found: Tensor = forward(x)
        return found.float()

    module.forward = in_half
    try:
        yield
    finally:
        del module.forward

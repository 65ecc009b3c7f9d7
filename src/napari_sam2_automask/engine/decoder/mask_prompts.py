"""Mask prompts in low-rank form.

A mask is embedded by convolutions, of which the last one turns a few channels into as many as an image token
has, token by token. What a mask adds to the image tokens is thus a mixture of a few rows that are the same
for all masks, and a constant: the low-rank decoder takes it as it takes what prompt tokens add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import Conv2d, Sequential

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

__all__ = ["MaskPrompts", "fits_masks"]


def fits_masks(network: SAM2Base) -> bool:
    """Tell whether this network embeds masks by a convolution of single tokens in the end."""
    layers = getattr(network.sam_prompt_encoder, "mask_downscaling", None)
    if not isinstance(layers, Sequential) or type(layers[-1]) is not Conv2d:
        return False
    last = layers[-1]
    return last.kernel_size == last.stride == (1, 1) and last.padding == (0, 0) and last.groups == 1


class MaskPrompts:
    """Embeds masks for the low-rank decoder.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode, one that :func:`fits_masks`.

    Attributes
    ----------
    rows : (M, C) Tensor
        What is mixed into the image tokens; M is 16 in SAM 2.
    constant : (1, C, 1, 1) Tensor
        Added to every image token.
    """

    def __init__(self, network: SAM2Base) -> None:
        *before, last = network.sam_prompt_encoder.mask_downscaling
        self._before = before
        self.rows: Tensor = last.weight[:, :, 0, 0].T.contiguous()
        constant = torch.zeros_like(last.weight[:, 0]) if last.bias is None else last.bias
        self.constant: Tensor = constant.reshape(1, -1, 1, 1)

    def weights(self, masks: Tensor) -> Tensor:
        """Return how much of each row masks mix in, (B, M, N) for logits (B, 1, 4 h, 4 w) and N = h w."""
        for layer in self._before:
            masks = layer(masks)
        return masks.flatten(2)

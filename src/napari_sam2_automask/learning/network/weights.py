"""Weights as they are trained and as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["SHARPNESS", "between", "in_half", "sharpen", "stored"]

SHARPNESS = 3.0
"""What the mask logits of shipped weights are multiplied by, beside those that are trained."""


def sharpen(weights: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    """Multiply all mask logits by a factor.

    The masks stay as they are; the stability score, which compares the mask at logits +1 and -1, rises.
    Needed because outlines learned at a quarter of the resolution are softer than their accuracy would allow.
    """
    out = dict(weights)
    for name, value in weights.items():
        if "output_hypernetworks_mlps" in name and ".layers.2." in name:
            out[name] = value * factor
    return out


def between(one: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return weights that lie between two, of which one training went on from the other.

    A training that goes on with other images forgets some of what it knew; between start and end both are
    known, often better than at either end.

    Parameters
    ----------
    one, other : mapping of str to Tensor
        Weights.
    share : float
        0 for `one`, 1 for `other`.
    """
    return {name: torch.lerp(value, other[name], share) for name, value in one.items()}


def in_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in half precision.

    Raises
    ------
    ValueError
        If a weight is not finite in half precision.
    """
    half = {k: v.to(torch.float16).contiguous() for k, v in weights.items()}
    bad = [k for k, v in half.items() if not torch.isfinite(v).all()]
    if bad:
        raise ValueError(f"not finite in half precision: {', '.join(bad)}")
    return half


def stored(weights: Mapping[str, Tensor], factor: float = 1.0) -> dict[str, Tensor]:
    """Return weights in half precision, as they are stored.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State of a network in the form of the bundled one.
    factor : float
        See `sharpen`.

    Raises
    ------
    ValueError
        If a weight is not finite in half precision.
    """
    weights = dict(weights)
    # Mask prompts are not trained: whatever the mask, its path gives the "no mask" embedding.
    none = weights["sam_prompt_encoder.no_mask_embed.weight"]
    weights["sam_prompt_encoder.mask_downscaling.6.bias"] = none[0].clone()
    return in_half(sharpen(weights, factor))

"""One step of training: the losses of a batch, the optimisers, and the step along the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_sam2_automask.learning.network.decode import encode, normalise
from napari_sam2_automask.learning.network.losses import dense_loss
from napari_sam2_automask.learning.network.muon import Muon
from napari_sam2_automask.learning.network.prompts import prompt_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["losses_of", "optimisers_of", "set_rate", "take_steps"]

LONGEST_GRADIENT = 10.0
"""Norm to which a gradient is cut."""
_ANY = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def optimisers_of(model: SAM2Base) -> list[torch.optim.Optimizer]:
    """Return what moves the weights: orthogonalised steps for matrices, Adam for the rest.

    Each group has a ``factor`` on the learning rate.
    """
    params = [p for p in model.parameters() if p.requires_grad]
    trunk = set(model.image_encoder.trunk.parameters())
    embed = {id(p) for n, p in model.named_parameters() if "embed" in n or "token" in n.split(".")[-2:][0]}
    # The head that predicts IoU starts from nothing, unlike the rest; Adam brings it up sooner.
    quality = list(model.sam_mask_decoder.iou_prediction_head.parameters())
    later = {id(p) for p in quality}
    flat = [p for p in params if (p.ndim < 2 or id(p) in embed) and id(p) not in later]
    rest = [p for p in params if p.ndim >= 2 and id(p) not in embed and id(p) not in later]
    return [
        Muon(
            [
                {"params": [p for p in rest if p in trunk], "factor": 1.0},
                {"params": [p for p in rest if p not in trunk], "factor": 0.7, "weight_decay": 0.0},
            ]
        ),
        torch.optim.AdamW(
            [{"params": flat, "factor": 0.7}, {"params": quality, "factor": 1.0}],
            betas=(0.9, 0.98),
            weight_decay=0.0,
        ),
    ]


def losses_of(
    model: SAM2Base, batch: dict[str, Tensor], half: bool, masks: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one batch and what to log.

    Parameters
    ----------
    model : SAM2Base
        In the form of the bundled one.
    batch : dict of Tensor
        Windows on the model's device, see `window`.
    half : bool
        Compute in bfloat16.
    masks : bool
        Ask the prompts, too, not the trunk alone.
    """
    device = batch["image"].device
    # With so few tokens of the prompts the plain attention is quickest on a CPU.
    kernels = [SDPBackend.MATH] if device.type == "cpu" else _ANY
    with torch.autocast(device.type, torch.bfloat16, enabled=half), sdpa_kernel(kernels):
        if masks:
            features = encode(model, batch["image"], batch["origin"])
            total, log = prompt_losses(model, features, batch, half)
            dense_out = model.image_encoder.trunk.dense
        else:
            dense_out = model.image_encoder.trunk.features(normalise(batch["image"]))[3].float()
            total, log = torch.zeros((), device=device), {}
    dense = dense_loss(dense_out, batch["dense"], batch["negatives"])
    log |= {"here": dense.here, "offset": dense.offset, "radius": dense.radius}
    total = total + (0.5 if masks else 1.0) * dense.total
    return total, {name: value.detach() for name, value in log.items()}


def set_rate(optimisers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Set the learning rate, times the factor of each group."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * group["factor"]


def take_steps(optimisers: Sequence[torch.optim.Optimizer], grads: list[Tensor], flat: Tensor) -> None:
    """Cut the gradient to `LONGEST_GRADIENT` and let each optimiser take a step.

    Parameters
    ----------
    optimisers : sequence of Optimizer
        From `optimisers_of`.
    grads : list of Tensor
        The gradients of all parameters, changed in place.
    flat : Tensor, shape (n,)
        The same in a row, or the mean of several processes'.
    """
    norm = flat.norm()
    # Where it is not finite this step only goes on with the momentum; to ask would be to wait for a GPU.
    flat = torch.where(norm.isfinite(), flat * (LONGEST_GRADIENT / (norm + 1e-6)).clamp(max=1.0), 0.0)
    parts = flat.split([g.numel() for g in grads])  # type: ignore[no-untyped-call]
    torch._foreach_copy_(grads, [part.view_as(g) for g, part in zip(grads, parts, strict=True)])
    for optimiser in optimisers:
        optimiser.step()

"""Run the model on training windows: many prompts for each image, window offsets in the position encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_sam2_automask.models.networks.bundled import IMAGE_SIZE, STRIDE

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["encode", "masks_of", "normalise"]

_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


def normalise(image: Tensor) -> Tensor:
    """Images of shape (B, Y, X, 3), uint8, as sam2's transforms would hand them to the network."""
    mean, std = torch.tensor(_MEAN, device=image.device), torch.tensor(_STD, device=image.device)
    return ((image.float() - mean) / std).permute(0, 3, 1, 2)


def encode(model: SAM2Base, image: Tensor, origin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features at strides 4, 8 and 16 as the decoder wants them.

    Parameters
    ----------
    model : SAM2Base
        The network.
    image : Tensor of uint8, shape (B, Y, X, 3)
        Windows.
    origin : Tensor of float32, shape (B, 2)
        Corner (y, x) of each window in the model's frame.
    """
    encoder, decoder = model.image_encoder, model.sam_mask_decoder
    encoder.trunk.origin = (origin[:, 0].view(-1, 1, 1), origin[:, 1].view(-1, 1, 1))
    fine, middle, coarse = encoder.trunk(normalise(image))
    encoder.trunk.origin = (0.0, 0.0)
    convs = encoder.neck.convs
    fine, middle, coarse = convs[2](fine), convs[1](middle), convs[0](coarse)
    return decoder.conv_s0(fine), decoder.conv_s1(middle), coarse + model.no_mem_embed.view(1, -1, 1, 1)


def masks_of(
    model: SAM2Base,
    features: tuple[Tensor, Tensor, Tensor],
    points: Tensor,
    labels: Tensor,
    origin: Tensor,
    half: bool = True,
) -> tuple[Tensor, Tensor]:
    """Four masks (the single one, then the three) for each prompt of one or more points.

    Parameters
    ----------
    model : SAM2Base
        The network.
    features : tuple of Tensor
        From `encode`.
    points : Tensor of float32, shape (B, K, N, 2)
        Pixels (x, y) within the window, N for each of K prompts.
    labels : Tensor of int, shape (B, K, N)
        What each point says, as SAM 2 counts: 0 not this, 1 this, 2 and 3 the corners of a box.
    origin : Tensor of float32, shape (B, 2)
        As in `encode`.
    half : bool
        Compute in bfloat16.

    Returns
    -------
    logits : Tensor, shape (B * K, 4, Y / 4, X / 4)
    iou : Tensor, shape (B * K, 4)
        Predicted IoU, 0 to 1.
    """
    prompts, decoder = model.sam_prompt_encoder, model.sam_mask_decoder
    s0, s1, coarse = features
    b, _c, h, w = coarse.shape
    k = points.shape[1]
    absolute = points + origin[:, None, None, [1, 0]]
    sparse, _ = prompts(points=(absolute.flatten(0, 1), labels.flatten(0, 1)), boxes=None, masks=None)
    tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(b * k, -1, -1)
    tokens = torch.cat([tokens, sparse], 1)

    grid = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"), -1).to(coarse.device)
    grid = (grid + 0.5) * STRIDE + origin[:, None, None, [1, 0]]
    position = prompts.pe_layer._pe_encoding(grid / IMAGE_SIZE).permute(0, 3, 1, 2)
    image = coarse + prompts.no_mask_embed.weight.view(1, -1, 1, 1)
    head = _Head(decoder)
    weights = {n: p.to(torch.bfloat16) for n, p in head.named_parameters() if half}
    kind = torch.bfloat16 if half else torch.float32
    inputs = [t.to(kind) for t in (image, position, tokens, s0, s1)]
    logits, iou = torch.func.functional_call(head, weights, (*inputs, k))
    return logits, iou


class _Head(nn.Module):
    """The part of the decoder that runs once for each prompt, in the precision of its weights."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.transformer: Any
        self.transformer, self.output_upscaling = decoder.transformer, decoder.output_upscaling
        self.mlps, self.quality = decoder.output_hypernetworks_mlps, decoder.iou_prediction_head

    def forward(
        self, image: Tensor, position: Tensor, tokens: Tensor, s0: Tensor, s1: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        b, c, h, w = image.shape
        hidden, src = self.transformer(
            image.repeat_interleave(k, 0), position.repeat_interleave(k, 0), tokens
        )
        iou = self.quality(hidden[:, 0])
        src = src.transpose(1, 2).view(b * k, c, h, w)
        dc1, ln1, act1, dc2, act2 = self.output_upscaling
        up = act1(ln1(dc1(src) + s1.repeat_interleave(k, 0)))
        up = act2(dc2(up) + s0.repeat_interleave(k, 0))
        hyper = torch.stack([mlp(hidden[:, 1 + i]) for i, mlp in enumerate(self.mlps)], 1)
        logits = (hyper @ up.flatten(2)).view(b * k, -1, up.shape[2], up.shape[3])
        return logits, iou

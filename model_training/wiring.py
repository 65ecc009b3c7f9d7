"""A start from which the decoder works before its first step.

From random weights the decoder stays at empty or all-foreground masks for very long. The trunk's features
carry a code of the predicted object centre; so the decoder is wired by hand to do the obvious thing with it,
and training improves on that:

1. self-attention copies the prompt's position into all tokens;
2. token-to-image attention finds the image cell at that position (queries and keys compare position
encodings) and
   brings its centre code;
3. the hypernetworks pass the code on, so that a pixel's logit is the dot product of its centre code with the
   prompted object's, minus a threshold.

The first frequencies of the position encoding are those of the centre code: where the cell tells nothing, the
prompt's own position stands in for the centre, which is nearly right for small objects.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_sam2_automask.models.networks.bundled import IMAGE_SIZE, WIDTH

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["wire"]

HALF = WIDTH // 2
HEADS = 8
PEAK, THRESHOLD = 5.0, 9.0
"""Logit gained by a perfect match of codes, and what is taken off everywhere."""


def _attention_frequencies(seed: int = 3) -> Tensor:
    """Angular frequencies, shape (2, 64), eight for each head, whose cosine sum has one narrow peak."""
    rng = torch.Generator().manual_seed(seed)
    grid = torch.stack(torch.meshgrid(*[torch.arange(-31.0, 32.0) * 16] * 2, indexing="ij")).flatten(1)
    far = grid.norm(dim=0) > 40
    chosen = []
    for _ in range(HEADS):
        best, best_score = torch.zeros(2, 8), 1e9
        for _ in range(150):
            wave = torch.exp(torch.linspace(math.log(44), math.log(600), 8))
            angle = torch.rand(8, generator=rng) * math.pi
            freq = 2 * math.pi / wave * torch.stack([torch.cos(angle), torch.sin(angle)])
            kernel = torch.cos(freq.T @ grid).mean(0)
            score = kernel[far].max().item()
            if score < best_score:
                best, best_score = freq, score
        chosen.append(best)
    return torch.cat(chosen, 1)


def _slots(n: int) -> Tensor:
    """Embedding dimensions of the code: n cosines, n sines, "here", log radius."""
    step = torch.arange(n)
    return torch.cat([HALF + step, step, torch.tensor([n, HALF + n])])


@torch.no_grad()
def wire(model: SAM2Base) -> None:
    """Set the weights of everything behind the trunk to the start described above.

    Parameters
    ----------
    model : SAM2Base
        From `build_bundled`; the trunk is left as it is.
    """
    decoder, prompts = model.sam_mask_decoder, model.sam_prompt_encoder
    trunk: Any = model.image_encoder.trunk
    n = trunk.freq.shape[1]
    slots = _slots(n)
    code = len(slots)

    # Position encoding: the code's frequencies, then the ones attention compares, then a spread of others.
    rest = HALF - n - 64
    rng = torch.Generator().manual_seed(5)
    wave = torch.exp(torch.linspace(math.log(24), math.log(900), rest))
    angle = torch.rand(rest, generator=rng) * math.pi
    others = 2 * math.pi / wave * torch.stack([torch.cos(angle), torch.sin(angle)])
    freq = torch.cat([trunk.freq, _attention_frequencies(), others], 1)
    prompts.pe_layer.positional_encoding_gaussian_matrix.copy_(
        (freq * IMAGE_SIZE / (4 * math.pi)).half().float()
    )
    for embedding in [*prompts.point_embeddings, prompts.not_a_point_embed, prompts.no_mask_embed]:
        embedding.weight.mul_(0.1)
    decoder.iou_token.weight.mul_(0.1)
    decoder.mask_tokens.weight.mul_(0.1)
    # A mask prompt changes nothing: its path ends in the "no mask" embedding.
    prompts.mask_downscaling[6].weight.zero_()
    prompts.mask_downscaling[6].bias.copy_(prompts.no_mask_embed.weight[0])

    # The neck passes the code to fixed places; the other channels start as small mixtures of everything.
    for level, conv in enumerate(m.conv for m in model.image_encoder.neck.convs):
        learned = trunk.channel_list[level] - code - (16 if level == 0 else 0)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
        conv.weight.mul_(0.4)
        conv.bias.zero_()
        conv.weight[slots] = 0
        conv.weight[slots, learned + torch.arange(code)] = 1.0

    for layer in decoder.transformer.layers:
        _look_up(layer.cross_attn_token_to_image, n, slots)
        for name in ("self_attn", "cross_attn_image_to_token"):
            getattr(layer, name).out_proj.weight.mul_(0.1)
            getattr(layer, name).out_proj.bias.zero_()
        layer.mlp.layers[1].weight.mul_(0.1)
        layer.mlp.layers[1].bias.zero_()
    _look_up(decoder.transformer.final_attn_token_to_image, n, slots)
    first = decoder.transformer.layers[0].self_attn
    for proj in (first.v_proj, first.out_proj):
        proj.weight.copy_(torch.eye(WIDTH))
        proj.bias.zero_()
    first.q_proj.weight.mul_(0.3)

    _upscaling(model, n, slots)
    _hypernetworks(decoder, n, slots)


def _look_up(attention: Any, n: int, slots: Tensor) -> None:
    """Compare positions, bring the code (four copies over eight heads)."""
    q, k, v, out = attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj
    for proj in (q, k):
        proj.weight.mul_(0.05)
        proj.bias.zero_()
        for head in range(HEADS):
            step = torch.arange(8)
            source = n + 8 * head + step
            proj.weight[16 * head + step] = 0
            proj.weight[16 * head + 8 + step] = 0
            proj.weight[16 * head + step, source] = 3.0
            proj.weight[16 * head + 8 + step, HALF + source] = 3.0
    code = len(slots)
    v.weight.mul_(0.1)
    v.bias.zero_()
    out.weight.mul_(0.1)
    out.bias.zero_()
    out.weight[slots] = 0
    for copy in range(HALF // code):
        rows = copy * code + torch.arange(code)
        v.weight[rows] = 0
        v.weight[rows, slots] = 1.0
        out.weight[:, rows] = 0
        out.weight[slots, rows] = 3.0 / (HALF // code)


def _upscaling(model: SAM2Base, n: int, slots: Tensor) -> None:
    decoder = model.sam_mask_decoder
    decoder.output_upscaling[3].weight.zero_()
    decoder.output_upscaling[3].bias.zero_()
    fine = decoder.conv_s0
    fine.weight.mul_(0.02)
    fine.weight[: 2 * n + 1, :, 0, 0] = 0
    fine.weight[torch.arange(2 * n + 1), slots[: 2 * n + 1], 0, 0] = 1.0
    fine.bias.fill_(2.0)  # so that the ReLU behind it lets the code through


def _hypernetworks(decoder: Any, n: int, slots: Tensor) -> None:
    """Pass the code through two ReLU layers as pairs (x, -x); undo the offset of 2 that the features have."""
    for mlp in decoder.output_hypernetworks_mlps:
        a, b, c = mlp.layers
        code = 2 * n
        for layer in (a, b, c):
            layer.bias.zero_()
        a.weight.mul_(0.5)
        b.weight.mul_(0.5)
        c.weight.mul_(0.05)
        a.weight[: 2 * code] = 0
        a.weight[torch.arange(code), slots[:code]] = 1.0
        a.weight[code + torch.arange(code), slots[:code]] = -1.0
        b.weight[: 2 * code] = torch.eye(WIDTH)[: 2 * code]
        gain = PEAK / n
        c.weight[:, : 2 * code] = 0
        for sign, start in ((gain, 0), (-gain, code)):
            c.weight[torch.arange(code), start + torch.arange(code)] = sign
        constant = 2.0
        c.weight[code + 1] = -2.0 / constant * c.weight[: code + 1].sum(0)
        c.bias[code + 1] = -THRESHOLD / constant

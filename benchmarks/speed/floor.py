"""How fast a run could be: its operations after all exact savings over the machine's matrix rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base


def matrix_rate(size: int = 1024, repeats: int = 8) -> float:
    """Operations per second of a single-precision matrix product, the best of both of torch's libraries."""
    import torch

    from napari_sam2_automask.engine.tensors.products import product

    a, b, out = (torch.randn(size, size) for _ in range(3))
    best = float("inf")
    with torch.inference_mode():
        for multiply in [torch.mm, product] * repeats:
            start = time.perf_counter()
            multiply(a, b, out=out)
            best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def encoder_operations(network: SAM2Base) -> float:
    """Operations of one pass of the image encoder."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    size = network.image_size
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.forward_image(torch.zeros(1, 3, size, size, device=network.device))
    return float(counter.get_total_flops())


def prompt_operations(network: SAM2Base) -> tuple[float, float]:
    """Operations of one point prompt in low-rank form: up to its predicted IoU, and its upscaling."""
    decoder = network.sam_mask_decoder
    layer = decoder.transformer.layers[0]
    attention = layer.cross_attn_token_to_image
    image = network.sam_image_embedding_size**2
    tokens = 1 + decoder.num_mask_tokens + 2 + int(decoder.pred_obj_scores)
    width, inner, heads = decoder.transformer_dim, attention.internal_dim, attention.num_heads
    rows = heads * tokens
    # Nine products of prompt tokens with what they mix into the image, twelve and a half with shared tables.
    products = 9 * rows * rows + 12.5 * rows * inner / heads
    own = 2 * tokens * (4 * width**2 + 2 * width * layer.mlp.layers[0].out_features + 6 * width * inner)
    upscaling = 2 * rows * width + 4 * (width // 4) * (width // 2) + 16 * (width // 8) * 3
    return 2 * (image * products + own), 2 * image * float(upscaling)

"""The low-rank decoder is the stock decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_kit import blobs, small_network

from napari_sam2_automask.engine.decoder import low_rank
from napari_sam2_automask.engine.decoder.attention_heads import by_head, shared_matmul
from napari_sam2_automask.engine.decoder.low_rank import LowRankDecoder, fits
from napari_sam2_automask.engine.decoder.mask_prompts import MaskPrompts, fits_masks
from napari_sam2_automask.engine.decoder.plain import PlainDecoder
from napari_sam2_automask.engine.encoder.encode import Features, encode

VIEW = blobs((90, 120), scale=0.1)


def _prompts(network, count: int) -> torch.Tensor:
    points = torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(1)) * network.image_size
    return network.sam_prompt_encoder(points=(points, torch.ones(count, 1)), boxes=None, masks=None)[0]


def _masks(network, count: int) -> torch.Tensor:
    """Logits of mask prompts, some of them as large as they get."""
    side = 4 * network.sam_image_embedding_size
    generator = torch.Generator().manual_seed(3)
    return (20 * torch.randn(count, 1, side, side, generator=generator)).clamp_(-32, 32).double()


def _decode(decoder, sparse: torch.Tensor, floor: float = float("-inf"), *masks: torch.Tensor):
    found = list(decoder.decode(sparse, floor, lambda: None, *masks))
    return (
        torch.from_numpy(np.concatenate([d.prompt for d in found])),
        torch.from_numpy(np.concatenate([d.predicted_iou for d in found])),
        torch.cat([d.logits for d in found]),
    )


@pytest.fixture(params=[(512, 4), (13, 1), (13, 3)], ids=str)
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image tokens of a tile and tiles worked on at a time, some so small that there are several."""
    for name, value in zip(("_TILE", "_TILES"), request.param, strict=True):
        monkeypatch.setattr(low_rank, name, value)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"object_scores": False}, {"high_res": False, "image_size": 128}], ids=str
)
@torch.inference_mode()
def test_same_as_stock_in_double_precision(
    options: dict[str, bool], multimask: bool, whole: bool, with_masks: bool
) -> None:
    """In double precision only rounding remains, so that no term can hide below single precision."""
    network = small_network(1, **options).double()
    for parameter in network.parameters():
        parameter.add_(
            0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)).double()
        )
    network.float()
    features = encode(network, VIEW, lambda: None)
    network.double()
    features = Features(features.image_embed.double(), tuple(f.double() for f in features.high_res))
    sparse = _prompts(network.float(), 11).double()
    network.double()
    network.sam_prompt_encoder.float()
    dense_pe = network.sam_prompt_encoder.get_dense_pe().double()
    network.sam_prompt_encoder.double()
    network.sam_prompt_encoder.get_dense_pe = lambda: dense_pe
    masks = [_masks(network, 11)] if with_masks else []
    given = MaskPrompts(network) if with_masks else None
    decoder = LowRankDecoder(network, features, multimask=multimask, whole=whole, masks=given)
    stock = PlainDecoder(network, features, multimask=multimask, chunk=11)
    prompt, iou, logits = _decode(decoder, sparse, float("-inf"), *masks)
    stock_prompt, stock_iou, stock_logits = _decode(stock, sparse, float("-inf"), *masks)
    assert torch.equal(prompt, stock_prompt)
    torch.testing.assert_close(iou.double(), stock_iou.double(), rtol=0, atol=1e-12)
    # PlainDecoder returns single precision.
    torch.testing.assert_close(logits.float(), stock_logits, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("whole", [False, True])
@torch.inference_mode()
def test_floor_of_predicted_iou_only_drops_masks(whole: bool) -> None:
    network = small_network(1)
    features = encode(network, VIEW, lambda: None)
    sparse = _prompts(network, 13)
    decoder = LowRankDecoder(network, features, multimask=True, whole=whole)
    prompt, iou, logits = _decode(decoder, sparse)
    floor = float(iou.median())
    some = _decode(decoder, sparse, floor)
    keep = iou > floor
    assert 0 < int(keep.sum()) < len(keep)
    assert torch.equal(some[0], prompt[keep])
    assert torch.equal(some[1], iou[keep])
    torch.testing.assert_close(some[2], logits[keep], rtol=1e-5, atol=1e-6)
    assert not list(decoder.decode(sparse, 1.0, lambda: None))


@pytest.mark.parametrize("add", [False, True])
def test_products_by_head_by_prompt_and_at_once_are_the_same(add: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(5, 3, 7, 4, generator=generator).transpose(1, 2).contiguous().transpose(1, 2)
    table = torch.randn(3, 4, 11, generator=generator)
    out = torch.randn(5, 3, 7, 11, generator=generator) if add else torch.full((5, 3, 7, 11), torch.nan)
    right = torch.matmul(tokens, table) + (out if add else 0)
    torch.testing.assert_close(by_head(tokens, table, out.clone(), add=add), right)
    torch.testing.assert_close(shared_matmul(tokens, table, out.clone(), add=add), right)
    for own, place, expected in zip(tokens, out.clone(), right, strict=True):
        torch.testing.assert_close(shared_matmul(own, table, place, add=add), expected)


def test_unusual_decoders_are_left_to_the_plain_one() -> None:
    network = small_network(1)
    assert fits(network)
    network.sam_mask_decoder.transformer.layers.append(network.sam_mask_decoder.transformer.layers[1])
    assert not fits(network)


def test_unusual_mask_embeddings_are_left_to_the_plain_one() -> None:
    network = small_network(1)
    assert fits_masks(network)
    network.sam_prompt_encoder.mask_downscaling.append(torch.nn.GELU())
    assert not fits_masks(network)

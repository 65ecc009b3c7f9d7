"""Networks of sam2's classes with random seeded weights, and heads that make them worth comparing.

A random network gives every prompt about the same mask. Its last layers, those of the mask heads and of
predicted IoU, are therefore fitted to an image: masks lie around their prompts, in three sizes, a given share
of the prompts passes predicted IoU, and most masks are stable. Everything before stays random.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from napari_sam2_automask.engine.encoder.encode import encode
from napari_sam2_automask.models import Model, build_official, import_sam2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["as_model", "blobs", "calibrate", "on_device", "random_model", "small_network"]

# Radii of the single mask and of the three, in parts of the image's side.
_RADII = 0.08, 0.05, 0.08, 0.12
# Every so many pixels of the logits are enough to fit to.
_STRIDE = 4


def small_network(
    seed: int = 0, image_size: int = 256, *, object_scores: bool = True, high_res: bool = True
) -> SAM2Base:
    """A SAM2Base of sam2's classes with a small Hiera trunk and random weights."""
    import_sam2()
    from sam2.modeling import sam2_base
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam.transformer import TwoWayTransformer

    # How torch draws from a truncated normal distribution changed between its versions. Its bounds here lie a
    # hundred standard deviations away.
    drawn = patch.object(sam2_base, "trunc_normal_", torch.nn.init.normal_)
    with torch.random.fork_rng(devices=[]), drawn:
        torch.manual_seed(seed)
        trunk = Hiera(
            embed_dim=16, num_heads=1, stages=(1, 1, 2, 1), global_att_blocks=(3,), window_spec=(8, 4, 4, 4)
        )
        position = PositionEmbeddingSine(num_pos_feats=64, normalize=True, scale=None, temperature=10000)
        neck = FpnNeck(
            position, 64, trunk.channel_list, fpn_top_down_levels=[2, 3], fpn_interp_model="nearest"
        )
        network = sam2_base.SAM2Base(
            image_encoder=ImageEncoder(trunk, neck, scalp=1),
            memory_attention=None,
            memory_encoder=None,
            image_size=image_size,
            use_high_res_features_in_sam=high_res,
            directly_add_no_mem_embed=True,
            iou_prediction_use_sigmoid=True,
            multimask_output_in_sam=True,
            pred_obj_scores=object_scores,
            pred_obj_scores_mlp=object_scores,
            sam_mask_decoder_extra_args={"dynamic_multimask_via_stability": True},
        )
        network.sam_mask_decoder.transformer = TwoWayTransformer(
            depth=2, embedding_dim=64, num_heads=4, mlp_dim=128
        )
    return network.requires_grad_(False).eval()


def as_model(network: SAM2Base, name: str = "random") -> Model:
    return Model(name=name, network=network, device=torch.device("cpu"))


def random_model(name: str) -> Model:
    """A model of a shape of SAM 2.1 ("tiny", "base+" ...) or "small-random", with random, seeded weights."""
    return as_model(small_network(0)) if name == "small-random" else build_official(name, seed=0)  # type: ignore[arg-type]


def on_device(model: Model, device: str) -> Model:
    """The same model on another device; the network is moved."""
    model.network.to(device)
    return dataclasses.replace(model, device=torch.device(device))


def blobs(shape: tuple[int, int], seed: int = 0, scale: float = 0.06) -> NDArray[np.uint8]:
    """A smooth random colour image, (Y, X, 3) uint8."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    sigma = scale * min(shape)
    planes = [gaussian_filter(rng.normal(size=shape), sigma, mode="reflect") for _ in range(3)]
    stack = np.stack([(p - p.min()) / max(float(np.ptp(p)), 1e-9) for p in planes], -1)
    return (stack * 255).round().astype(np.uint8)


@torch.inference_mode()
def calibrate(
    network: SAM2Base,
    view: NDArray[np.uint8],
    *,
    points: int = 8,
    iou: float = 0.8,
    share: float = 0.5,
    covered: float = 0.01,
    stability: float = 0.95,
    device: str = "cpu",
) -> None:
    """Fit the last layers to an image and a grid of prompts.

    Parameters
    ----------
    network : SAM2Base
        Changed in place.
    view : (Y, X, 3) uint8 array
        The image.
    points : int
        Points per side.
    iou, share : float
        This share of the prompts is to have a mask above this predicted IoU.
    covered : float
        Share of the image that a typical mask covers.
    stability : float
        Stability that four in five masks reach on this image.
    device : str
        Where to run the network meanwhile; it is on the CPU afterwards.
    """
    _place(network)
    decoder = network.sam_mask_decoder
    answers = _ask(network.to(device), view, points)
    network.cpu()
    shared = answers.pixels.mean(0)
    for layer, hidden, radius in zip(_last_layers(decoder), answers.hidden, _RADII, strict=True):
        weight, bias = _fit(hidden, shared, answers.wanted(radius))
        outputs = hidden @ weight.T + bias
        logits = torch.bmm(outputs[:, None], answers.pixels)[:, 0]
        part = covered * (radius / _RADII[0]) ** 2
        shift, scale = _shift_and_scale(logits, part, stability)
        level = torch.linalg.lstsq(shared.T.double(), torch.ones(shared.shape[1], 1).double()).solution[:, 0]
        layer.weight.copy_(weight * scale)
        layer.bias.copy_((bias - shift * level.float()) * scale)
    _spread_ratings(decoder.iou_prediction_head, answers.ratings, iou, share)


@dataclass(frozen=True, eq=False)
class _Answers:
    """What P prompts gave.

    Attributes
    ----------
    points : (P, 2) Tensor
        The x, y of the prompts in parts of the image.
    hidden : list of (P, C) Tensors
        What the last layer of each mask head reads.
    pixels : (P, c, Q) Tensor
        Some pixels of the upscaled features.
    ratings : (P, 4) Tensor
        Predicted IoU.
    side : int
        Q is side * side.
    """

    points: Tensor
    hidden: list[Tensor]
    pixels: Tensor
    ratings: Tensor
    side: int

    def wanted(self, radius: float) -> Tensor:
        """A bump around each prompt, (P, Q)."""
        along = (torch.arange(self.side) + 0.5) / self.side
        x, y = ((self.points[:, i, None] - along) / radius for i in (0, 1))
        return torch.exp(-0.5 * (x[:, None, :] ** 2 + y[:, :, None] ** 2)).flatten(1)


def _last_layers(decoder: Any) -> list[torch.nn.Linear]:
    return [mlp.layers[-1] for mlp in decoder.output_hypernetworks_mlps]


def _fit(hidden: Tensor, pixels: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Find the layer whose outputs, multiplied with pixels, come close to what is wanted.

    Returns
    -------
    weight, bias : (c, C) and (c,) Tensors
        Of a linear layer.
    """
    mean = hidden.mean(0)
    rows = torch.cat([hidden - mean, torch.full((len(hidden), 1), float((hidden - mean).std()))], 1)
    product = _inverse(rows) @ wanted.double() @ _inverse(pixels.T).T
    weight, constant = product[:-1].T, product[-1] * rows[0, -1].double()
    return weight.float(), (constant - weight @ mean.double()).float()


def _inverse(matrix: Tensor, ridge: float = 1e-1) -> Tensor:
    """Pseudo-inverse that leaves out directions in which there is little, so that rounding stays small."""
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    return v.T @ ((s / (s.square() + (ridge * s[0]) ** 2))[:, None] * u.T)


def _place(network: SAM2Base) -> None:
    """Let features tell places apart, smoothly, which they do not with random weights.

    The trunk's position embedding, zeros before training, becomes slow waves, and the pixels that a
    transposed convolution makes of one cell become alike.
    """
    embedding = getattr(network.image_encoder.trunk, "pos_embed", None)
    if embedding is not None and not embedding.any():
        _, channels, h, w = embedding.shape
        generator = torch.Generator().manual_seed(5)
        waves, phase = torch.rand(channels, 2, generator=generator), torch.rand(channels, generator=generator)
        y, x = torch.meshgrid(torch.linspace(0, 1, h), torch.linspace(0, 1, w), indexing="ij")
        turns = (waves[:, 0, None, None] - 0.5) * y + (waves[:, 1, None, None] - 0.5) * x
        embedding.copy_(6 * torch.cos(2 * torch.pi * (2 * turns + phase[:, None, None])))
    for layer in (0, 3):
        weight = network.sam_mask_decoder.output_upscaling[layer].weight
        weight.copy_(0.9 * weight.mean((2, 3), keepdim=True) + 0.1 * weight)
    # A mask as a prompt changes a little only, so that what it gives is a mask as well.
    prompts = network.sam_prompt_encoder
    prompts.mask_downscaling[6].weight.mul_(0.02)
    prompts.mask_downscaling[6].bias.copy_(prompts.no_mask_embed.weight[0])


def _shift_and_scale(logits: Tensor, covered: float, stability: float) -> tuple[float, float]:
    """Find what to subtract and how to scale so that masks cover and withstand what is asked."""
    shift = torch.stack([_quantile(row, 1 - covered) for row in logits]).median()
    moved = logits - shift
    low, high = 1e-3, 1e6
    for _ in range(50):
        middle = (low * high) ** 0.5
        union = (moved * middle > -1).sum(1)
        scores = ((moved * middle > 1).sum(1) / union.clamp(min=1))[union > 0]
        low, high = (middle, high) if _quantile(scores, 0.2) < stability else (low, middle)
    return float(shift), high


def _quantile(values: Tensor, q: float) -> Tensor:
    return values.kthvalue(max(1, int(q * len(values)))).values


def _spread_ratings(head: Any, ratings: Tensor, iou: float, share: float) -> None:
    """Let a share of the prompts pass, with most of their masks."""
    raw = torch.logit(ratings.double().clamp(1e-6, 1 - 1e-6)).float() if head.sigmoid_output else ratings
    last = head.layers[-1]
    # What the three say together, and a little of what each says alone.
    mixing = torch.eye(raw.shape[1])
    mixing[1:, 1:] = 0.3 * mixing[1:, 1:] + 0.7 / (raw.shape[1] - 1)
    raw = raw @ mixing.T
    spread = 1.5 / raw.std(0).clamp(min=1e-6)
    centre = raw.median(0).values
    best = ((raw - centre) * spread)[:, 1:].amax(1)
    single = ((raw - centre) * spread)[:, 0]
    above = torch.stack([torch.quantile(x, 1 - share) for x in (single, best)])[[0, 1, 1, 1]]
    target = float(np.log(iou / (1 - iou))) if head.sigmoid_output else iou
    last.weight.copy_(mixing @ last.weight * spread[:, None])
    last.bias.copy_((mixing @ last.bias - centre) * spread - above + target)


def _ask(network: SAM2Base, view: NDArray[np.uint8], points: int) -> _Answers:
    """Ask a grid of points."""
    features = encode(network, view, lambda: None)
    decoder = network.sam_mask_decoder
    side = (torch.arange(points) + 0.5) / points
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
    sparse, dense = network.sam_prompt_encoder(
        points=(
            grid[:, None].to(network.device) * network.image_size,
            torch.ones(len(grid), 1, dtype=torch.int, device=network.device),
        ),
        boxes=None,
        masks=None,
    )
    ratings = []
    with _recorded(decoder) as (hidden, pixels):
        for i in range(0, len(sparse), 4):
            _, rating, *_ = decoder.predict_masks(
                image_embeddings=features.image_embed,
                image_pe=network.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse[i : i + 4],
                dense_prompt_embeddings=dense[i : i + 4],
                repeat_image=True,
                high_res_features=list(features.high_res),
            )
            ratings.append(rating.cpu())
    some = torch.cat(pixels)
    return _Answers(
        grid, [torch.cat(parts) for parts in hidden], some.flatten(2), torch.cat(ratings), some.shape[-1]
    )


@contextmanager
def _recorded(decoder: Any) -> Iterator[tuple[list[list[Tensor]], list[Tensor]]]:
    """Collect what the last layers of the mask heads read, and some of the upscaled pixels."""
    last = _last_layers(decoder)
    hidden: list[list[Tensor]] = [[] for _ in last]
    pixels: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _m, given, mine=mine: mine.append(given[0].cpu()))
        for layer, mine in zip(last, hidden, strict=True)
    ]
    half = _STRIDE // 2
    hooks.append(
        decoder.output_upscaling[4].register_forward_hook(
            lambda _m, _i, out: pixels.append(out[:, :, half::_STRIDE, half::_STRIDE].cpu().clone())
        )
    )
    try:
        yield hidden, pixels
    finally:
        for hook in hooks:
            hook.remove()

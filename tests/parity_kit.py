"""Random networks whose masks are worth comparing, and the comparison with Meta's generator."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam2_automask.engine import propose
from napari_sam2_automask.engine.encode import encode
from napari_sam2_automask.models import Model, import_sam2, meta_generator
from napari_sam2_automask.selection import Masks, non_maximum_suppression, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.settings import AmgSettings

TIE = 1e-4


def small_network(
    seed: int = 0, image_size: int = 256, *, object_scores: bool = True, high_res: bool = True
) -> SAM2Base:
    """A SAM2Base of sam2's classes with a small Hiera trunk and random weights."""
    import_sam2()
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam.transformer import TwoWayTransformer
    from sam2.modeling.sam2_base import SAM2Base

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = Hiera(
            embed_dim=16, num_heads=1, stages=(1, 1, 2, 1), global_att_blocks=(3,), window_spec=(8, 4, 4, 4)
        )
        position = PositionEmbeddingSine(num_pos_feats=64, normalize=True, scale=None, temperature=10000)
        neck = FpnNeck(
            position, 64, trunk.channel_list, fpn_top_down_levels=[2, 3], fpn_interp_model="nearest"
        )
        network = SAM2Base(
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


def blobs(shape: tuple[int, int], seed: int = 0, scale: float = 0.06) -> NDArray[np.uint8]:
    """A smooth random colour image, (Y, X, 3) uint8."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    sigma = scale * min(shape)
    planes = [gaussian_filter(rng.normal(size=shape), sigma, mode="reflect") for _ in range(3)]
    stack = np.stack([(p - p.min()) / max(float(np.ptp(p)), 1e-9) for p in planes], -1)
    return (stack * 255).round().astype(np.uint8)


def sample(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The sample of nuclei, mirrored until it fills a shape, (Y, X, 3) uint8."""
    from napari_sam2_automask.image import to_model_view
    from napari_sam2_automask.samples import samples

    view = to_model_view(next(s for s in samples() if "nuclei" in s.name).image())
    missing = [(0, max(0, side - have)) for side, have in zip(shape, view.shape, strict=False)]
    return np.pad(view, [*missing, (0, 0)], mode="symmetric")[: shape[0], : shape[1]].copy()


@torch.inference_mode()
def calibrate(
    network: SAM2Base,
    view: NDArray[np.uint8],
    *,
    points: int = 8,
    iou: float = 0.8,
    share: float = 0.5,
    covered: float = 0.02,
    stability: float = 0.95,
) -> None:
    """Scale the heads so that about `share` of the prompts pass and masks are compact, stable and different.

    Mask logits are linear in the last layer of the mask heads: its bias takes away what all prompts
    have in common and a multiple of the feature sum, which sets the covered share of the image; its scale
    sets the stability. Predicted IoU is spread around its threshold.
    """
    _place(network)
    decoder = network.sam_mask_decoder
    last = [mlp.layers[-1] for mlp in decoder.output_hypernetworks_mlps]
    with _recorded([*last, decoder.output_upscaling[4]]) as (*heads, upscaled):
        rating = _predict(network, view, points)
    # Pixels are many; every fourth tells enough.
    pixels = torch.cat(upscaled).flatten(2)[:, :, ::4]
    some = pixels[:: max(1, len(pixels) // 4)].permute(0, 2, 1).flatten(0, 1).double()
    level = torch.linalg.lstsq(some, torch.ones(len(some), 1, dtype=torch.float64)).solution[:, 0].float()
    for layer, outputs in zip(last, heads, strict=True):
        output = torch.cat(outputs)
        mean = output.mean(0)
        logits = ((output - mean)[:, None] @ pixels)[:, 0]
        shift, scale = _shift_and_scale(logits, covered, stability)
        layer.weight.mul_(scale)
        layer.bias.sub_(mean + shift * level).mul_(scale)
    _spread_ratings(decoder.iou_prediction_head, rating, iou, share)


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


@contextmanager
def _recorded(layers: list[torch.nn.Module]) -> Iterator[list[list[torch.Tensor]]]:
    """Collect what layers return."""
    outputs: list[list[torch.Tensor]] = [[] for _ in layers]
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, mine=mine: mine.append(out))
        for layer, mine in zip(layers, outputs, strict=True)
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _shift_and_scale(logits: torch.Tensor, covered: float, stability: float) -> tuple[float, float]:
    """Find what to subtract and how to scale so that a typical mask covers and withstands what is asked."""
    shift = torch.stack([_quantile(row, 1 - covered) for row in logits]).median()
    moved = logits - shift
    low, high = 1e-3, 1e6
    for _ in range(50):
        middle = (low * high) ** 0.5
        union = (moved * middle > -1).sum(1)
        score = ((moved * middle > 1).sum(1) / union.clamp(min=1))[union > 0].median()
        low, high = (middle, high) if score < stability else (low, middle)
    return float(shift), high


def _quantile(values: torch.Tensor, q: float) -> torch.Tensor:
    return values.kthvalue(max(1, int(q * len(values)))).values


def _spread_ratings(head: Any, rating: torch.Tensor, iou: float, share: float) -> None:
    raw = torch.logit(rating.double().clamp(1e-6, 1 - 1e-6)).float() if head.sigmoid_output else rating
    centre = torch.quantile(raw[:, 1:].amax(1), 1 - share).repeat(raw.shape[1])
    centre[0] = torch.quantile(raw[:, 0], 1 - share)
    spread = 1.5 / raw.std().clamp(min=1e-6)
    target = float(np.log(iou / (1 - iou))) if head.sigmoid_output else iou
    last = head.layers[-1]
    last.weight.mul_(spread)
    last.bias.copy_((last.bias - centre) * spread + target)


def _predict(network: SAM2Base, view: NDArray[np.uint8], points: int) -> torch.Tensor:
    """Ask a grid of points; returns the ratings of all four masks."""
    features = encode(network, view, lambda: None)
    side = (torch.arange(points) + 0.5) / points * network.image_size
    coords = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 1, 2)
    sparse, dense = network.sam_prompt_encoder(
        points=(coords, torch.ones(len(coords), 1, dtype=torch.int)), boxes=None, masks=None
    )
    ratings = [
        network.sam_mask_decoder.predict_masks(
            image_embeddings=features.image_embed,
            image_pe=network.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse[i : i + 4],
            dense_prompt_embeddings=dense[i : i + 4],
            repeat_image=True,
            high_res_features=list(features.high_res),
        )[1]
        for i in range(0, len(sparse), 4)
    ]
    return torch.cat(ratings)


def as_model(network: SAM2Base, name: str = "random") -> Model:
    return Model(name=name, network=network, device=torch.device("cpu"))


def run_meta(model: Model, view: NDArray[np.uint8], settings: AmgSettings) -> list[dict[str, Any]]:
    """Meta's records, in its order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generator = meta_generator(model, settings.replace(output_mode="binary_mask"))
        return generator.generate(view)


def run_ours(model: Model, view: NDArray[np.uint8], settings: AmgSettings) -> Masks:
    return select(propose(view, settings, model), settings)


@dataclass
class Comparison:
    """How far two sets of masks agree.

    Attributes
    ----------
    meta, ours : int
        Masks of each.
    matched : int
        Masks with the same point that agree by IoU >= 0.999.
    worst_iou, worst_score : float
        Over the matched masks: the lowest IoU, the largest difference of either score.
    ties : list of str
        Masks of one side only, each with the threshold that it lies on.
    unexplained : list of str
        The others.
    """

    meta: int
    ours: int
    matched: int = 0
    worst_iou: float = 1.0
    worst_score: float = 0.0
    ties: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.unexplained and self.worst_iou >= 0.999 and self.worst_score <= TIE


def compare(records: list[dict[str, Any]], masks: Masks) -> Comparison:
    """Match Meta's records with our masks by point, scores and pixels."""
    # An empty mask with a stability of 0 / 0 is a record of Meta's where no stability is asked for.
    records = [record for record in records if record["area"] > 0]
    result = Comparison(len(records), len(masks))
    free = set(range(len(masks)))
    for record in records:
        best, best_iou = -1, 0.0
        for k in sorted(free):
            same = np.allclose(masks.points[k], record["point_coords"][0], atol=1e-3)
            if not same or abs(float(masks.predicted_iou[k]) - record["predicted_iou"]) > TIE:
                continue
            iou = _iou(record["segmentation"], masks.full(k))
            if iou > best_iou:
                best, best_iou = k, iou
        if best < 0 or best_iou < 0.9:
            _explain(
                result, "Meta's", record["predicted_iou"], record["stability_score"], _xyxy(record), masks
            )
            continue
        free.discard(best)
        result.matched += 1
        difference = abs(float(masks.stability_score[best]) - record["stability_score"])
        rating = abs(float(masks.predicted_iou[best]) - record["predicted_iou"])
        if best_iou < 0.999 or difference > TIE:
            tied = _tied_pixels(masks, best, record)
            if tied:
                result.ties.append(tied)
                continue
        result.worst_iou = min(result.worst_iou, best_iou)
        result.worst_score = max(result.worst_score, difference, rating)
    for k in sorted(free):
        _explain(
            result,
            "ours",
            float(masks.predicted_iou[k]),
            float(masks.stability_score[k]),
            masks.boxes[k],
            masks,
        )
    return result


def _tied_pixels(masks: Masks, k: int, record: dict[str, Any]) -> str:
    """Show that pixels whose logits lie on a level explain the difference between two small masks."""
    candidates, row = masks.candidates, int(masks.rows[k])
    s, windows = candidates.settings, candidates.windows
    x0, y0, x1, y1 = (int(v) for v in candidates.crop_boxes[candidates.crop_index[row]])
    whole = np.full(windows.grid, -1e4, np.float32)
    oy, ox = windows.origins[row]
    h, w = windows.sizes[row]
    whole[oy : oy + h, ox : ox + w] = windows.window(row)
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(whole)[None, None], (y1 - y0, x1 - x0), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    # What single precision leaves of logits of this size after a few hundred additions.
    rounding = 1e-5 * float(np.abs(windows.window(row)).max())
    high, middle, low = (
        s.mask_threshold + s.stability_score_offset,
        s.mask_threshold,
        s.mask_threshold - s.stability_score_offset,
    )
    score = record["stability_score"]
    least = (pixels > high + rounding).sum() / max((pixels > low - rounding).sum(), 1)
    most = (pixels > high - rounding).sum() / max((pixels > low + rounding).sum(), 1)
    area_ties = int((np.abs(pixels - middle) <= rounding).sum())
    differ = int((record["segmentation"] ^ masks.full(k)).sum())
    if least - TIE <= score <= most + TIE and differ <= area_ties:
        within = f"stability {score:.6f} in [{least:.6f}, {most:.6f}]"
        return f"mask {k} of {record['area']} pixels: {differ} differ, {within}"
    return ""


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def _xyxy(record: dict[str, Any]) -> NDArray[np.float64]:
    x, y, w, h = record["bbox"]
    return np.array([x, y, x + w, y + h])


def _explain(
    result: Comparison, whose: str, rating: float, stability: float, box: NDArray[Any], masks: Masks
) -> None:
    """Say which threshold a mask of one side only lies on."""
    s = masks.settings
    text = (
        f"{whose} mask, predicted IoU {rating:.6f}, stability {stability:.6f}, box {np.asarray(box).tolist()}"
    )
    if abs(rating - s.pred_iou_thresh) <= TIE or abs(stability - s.stability_score_thresh) <= TIE:
        result.ties.append(f"{text}: on a score threshold")
        return
    for thresh in (s.box_nms_thresh, s.crop_nms_thresh):
        if np.any(np.abs(_box_ious(np.asarray(box, float), masks.candidates.boxes) - thresh) <= TIE):
            result.ties.append(f"{text}: on an NMS threshold")
            return
    result.unexplained.append(text)


def _box_ious(box: NDArray[np.float64], boxes: NDArray[np.int64]) -> NDArray[np.float64]:
    wide = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    high = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared = np.clip(wide, 0, None) * np.clip(high, 0, None)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union: NDArray[np.float64] = np.maximum((box[2] - box[0]) * (box[3] - box[1]) + area - shared, 1e-9)
    return shared / union


__all__ = [
    "TIE", "Comparison", "as_model", "blobs", "calibrate", "compare", "non_maximum_suppression", "run_meta",
    "run_ours", "sample", "small_network",
]  # fmt: skip

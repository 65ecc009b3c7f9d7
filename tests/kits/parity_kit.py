"""The comparison of our masks with those of Meta's generator."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import numpy as np
import torch
from random_networks import as_model, blobs, calibrate, small_network

from napari_sam2_automask.engine import propose
from napari_sam2_automask.models import Model, meta_generator
from napari_sam2_automask.selection.selecting import Masks, non_maximum_suppression, select

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

TIE = 1e-4
#: How far apart two masks are rated whose order is left to rounding.
ALIKE = 1e-5

_SINGLE: WeakKeyDictionary[Candidates, Callable[[], Candidates]] = WeakKeyDictionary()
_STOCK: WeakKeyDictionary[Candidates, Callable[[dict[str, Any]], NDArray[np.float32]]] = WeakKeyDictionary()


def sample(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The sample of nuclei, mirrored until it fills a shape, (Y, X, 3) uint8."""
    from napari_sam2_automask.image.view import to_model_view
    from napari_sam2_automask.samples import samples

    view = to_model_view(next(s for s in samples() if "nuclei" in s.name).image())
    missing = [(0, max(0, side - have)) for side, have in zip(shape, view.shape, strict=False)]
    return np.pad(view, [*missing, (0, 0)], mode="symmetric")[: shape[0], : shape[1]].copy()


def run_meta(model: Model, view: NDArray[np.uint8], settings: AmgSettings) -> list[dict[str, Any]]:
    """Meta's records, in its order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generator = meta_generator(model, settings.replace(output_mode="binary_mask"))
        return generator.generate(view)


def run_ours(model: Model, view: NDArray[np.uint8], settings: AmgSettings) -> Masks:
    candidates = propose(view, settings, model)
    _SINGLE[candidates] = cache(partial(in_single_precision, view, settings, model))
    _STOCK[candidates] = partial(stock_logits, view, settings, model)
    return select(candidates, settings)


def in_single_precision(view: NDArray[np.uint8], settings: AmgSettings, model: Model) -> Candidates:
    """The same candidates with the logits that their masks were made of, which are else kept rounded."""

    def as_they_are(windows: Any, *_: Any) -> tuple[list[Any], list[Any]]:
        return list(windows), [np.zeros((0, 2), np.int32) for _ in windows]

    with patch("napari_sam2_automask.engine.collector.halve", as_they_are):
        return propose(view, settings, model)


def stock_logits(
    view: NDArray[np.uint8], settings: AmgSettings, model: Model, record: dict[str, Any]
) -> NDArray[np.float32]:
    """What the stock predictor says of a record's prompt, (K, h, w) low-resolution logits, clipped to 32."""
    predictor = meta_generator(model, settings).predictor
    x, y, width, height = (int(v) for v in record["crop_box"])
    with torch.inference_mode():
        predictor.set_image(view[y : y + height, x : x + width])
        point = torch.tensor(record["point_coords"], dtype=torch.float32, device=predictor.device)
        point = predictor._transforms.transform_coords(
            point - torch.tensor([x, y], device=point.device), normalize=True, orig_hw=(height, width)
        )
        labels = torch.ones((1, 1), dtype=torch.int, device=point.device)
        *_, low = predictor._predict(
            point[None], labels, multimask_output=settings.multimask_output, return_logits=True
        )
        if settings.use_m2m:
            masks, count = low[0][:, None], low.shape[1]
            points, labels = point[None].expand(count, -1, -1), labels.expand(count, -1)
            *_, low = predictor._predict(points, labels, mask_input=masks, multimask_output=False)
            low = low.transpose(0, 1)
    logits: NDArray[np.float32] = low[0].float().cpu().numpy()
    return logits


def rounding_of(candidates: Candidates, row: int) -> float:
    """What single precision leaves of logits of this size after a few hundred additions."""
    return 1e-5 * float(np.abs(candidates.windows.window(row)).max())


def _measured_rounding(masks: Masks, exact: Candidates, row: int, record: dict[str, Any]) -> float:
    """How far the two sides' logits are apart: as `rounding_of`, or up to ten times as much where they are.

    A graphics card adds in an order that depends on the shapes, so that there the same logits of the stock
    model differ from ours, and from its own in another batch, by more.
    """
    least = rounding_of(exact, row)
    if masks.candidates not in _STOCK:
        return least
    window = exact.windows.window(row).clip(-32, 32)
    (oy, ox), (h, w) = exact.windows.origins[row], exact.windows.sizes[row]
    stock = _STOCK[masks.candidates](record)[:, oy : oy + h, ox : ox + w]
    apart = float(np.abs(stock - window).max((1, 2)).min())
    return float(np.clip(2 * apart, least, 10 * least))


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
            tied = _tied_pixels(masks, best, record) or _twin(masks, best, record)
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
    candidates, row = _SINGLE.get(masks.candidates, lambda: masks.candidates)(), int(masks.rows[k])
    assert np.array_equal(candidates.boxes, masks.candidates.boxes)
    s, windows = candidates.settings, candidates.windows
    x0, y0, x1, y1 = (int(v) for v in candidates.crop_boxes[candidates.crop_index[row]])
    whole = np.full(windows.grid, -1e4, np.float32)
    oy, ox = windows.origins[row]
    h, w = windows.sizes[row]
    whole[oy : oy + h, ox : ox + w] = windows.window(row)
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(whole)[None, None], (y1 - y0, x1 - x0), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    rounding = _measured_rounding(masks, candidates, row, record)
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
        within = f"stability {score:.6f} in [{least:.6f}, {most:.6f}] within {rounding:.1e}"
        return f"mask {k} of {record['area']} pixels: {differ} differ, {within}"
    return ""


def _twin(masks: Masks, k: int, record: dict[str, Any]) -> str:
    """Show that another mask of the same point is the record, rated as the one kept in its place is."""
    all_of_them = masks.settings.replace(box_nms_thresh=1.0, crop_nms_thresh=1.0)
    every = select(masks.candidates, all_of_them)
    for j in range(len(every)):
        apart = abs(float(every.predicted_iou[j]) - float(masks.predicted_iou[k]))
        stable = abs(float(every.stability_score[j]) - record["stability_score"]) <= TIE
        same = np.array_equal(every.points[j], masks.points[k])
        if same and stable and apart <= ALIKE and _iou(record["segmentation"], every.full(j)) >= 0.999:
            return f"mask {k} of {record['area']} pixels: of two masks of a point rated {apart:.1e} apart"
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
    "TIE", "Comparison", "as_model", "blobs", "calibrate", "compare", "in_single_precision",
    "non_maximum_suppression", "rounding_of", "run_meta", "run_ours", "sample", "small_network",
]  # fmt: skip

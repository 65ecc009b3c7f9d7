"""The sixteen parameters of Meta's generator, by their own names and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from napari_sam2_automask.settings.fields import PointGrids, check_point_grids, fraction, param

__all__ = ["MetaSettings", "OutputMode"]

OutputMode: TypeAlias = Literal["binary_mask", "uncompressed_rle", "coco_rle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings:
    """The parameters of ``SAM2AutomaticMaskGenerator``; `MetaSettings()` is its signature's defaults."""

    points_per_side: int | None = param(
        32, "Points per side",
        "The model is asked what lies under each point of a grid with this many points on each side. "
        "Denser grids find smaller objects, and hardly change the others; the cost grows with the square.",
        "grid", unit="points", minimum=1, maximum=256, step=1,
    )  # fmt: skip
    points_per_batch: int = param(
        64, "Points per batch",
        "The most points that the model takes at a time. Changes memory and speed, not the result.",
        "grid", unit="points", minimum=1, maximum=4096, step=1,
    )  # fmt: skip
    pred_iou_thresh: float = fraction(
        0.8, "Predicted IoU threshold",
        "Masks that the model itself rates lower than this are dropped. Lower it to keep more masks.",
        "filter",
    )  # fmt: skip
    stability_score_thresh: float = fraction(
        0.95, "Stability threshold",
        "Masks that change by more than this allows when the mask threshold is shifted are dropped. "
        "Lower it where boundaries are soft.",
        "filter",
    )  # fmt: skip
    stability_score_offset: float = param(
        1.0, "Stability offset",
        "How far the mask threshold is shifted up and down to measure stability.",
        "filter", unit="logits", minimum=0.0, maximum=10.0, step=0.1,
    )  # fmt: skip
    mask_threshold: float = param(
        0.0, "Mask threshold",
        "A pixel belongs to a mask where the model's output is above this. Higher values shrink masks.",
        "masks", unit="logits", minimum=-20.0, maximum=20.0, step=0.1,
    )  # fmt: skip
    box_nms_thresh: float = fraction(
        0.7, "Box NMS threshold",
        "Of two masks whose boxes overlap by more than this IoU, only the better is kept "
        "(non-maximum suppression). Lower it when objects are found twice.",
        "filter",
    )  # fmt: skip
    crop_n_layers: int = param(
        0, "Crop layers",
        "The image is segmented again in 4 overlapping crops (1 layer), and 16 smaller ones (2), and so on, "
        "for small objects in large images: finds more of them, hardly changes outlines, and can cut large "
        "objects. n layers cost 1 + 4 + ... + 4^n passes of the encoder.",
        "crops", unit="layers", minimum=0, maximum=4, step=1,
    )  # fmt: skip
    crop_nms_thresh: float = fraction(
        0.7, "Crop NMS threshold",
        "Of two masks from different crops whose boxes overlap by more than this IoU, only the one from "
        "the smaller crop is kept.",
        "crops",
    )  # fmt: skip
    crop_overlap_ratio: float = param(
        512 / 1500, "Crop overlap",
        "How much neighbouring crops overlap in the first crop layer, as a fraction of the image's shorter "
        "side; halved in each further layer.",
        "crops", minimum=0.0, maximum=0.9, step=0.01,
    )  # fmt: skip
    crop_n_points_downscale_factor: int = param(
        1, "Points downscale in crops",
        "In crop layer i the points per side are divided by this to the power of i. With 2, each layer "
        "costs about as many points as the full image.",
        "crops", minimum=1, maximum=16, step=1,
    )  # fmt: skip
    point_grids: PointGrids | None = param(
        None, "Own point grids",
        "Points to ask instead of a regular grid, one list of (x, y) for each crop layer in fractions of the "
        "crop from 0 to 1. Excludes points per side.",
        "grid", checker=check_point_grids,
    )  # fmt: skip
    min_mask_region_area: int = param(
        0, "Smallest region",
        "Holes and islands smaller than this are filled and removed in every mask.",
        "masks", unit="pixels", power=2, minimum=0, maximum=1_000_000, step=1,
    )  # fmt: skip
    output_mode: OutputMode = param(
        "binary_mask", "Record format",
        "How the mask of each record is stored: as an array, as run lengths, or as COCO's compressed string.",
        "output",
    )  # fmt: skip
    use_m2m: bool = param(
        False, "Refine with mask prompts",
        "Each mask is given to the model once more together with its point, which often mends its boundary "
        "(m2m, one step of refinement). With three masks per point, points take about four times as long.",
        "masks",
    )  # fmt: skip
    multimask_output: bool = param(
        True, "Three masks per point",
        "The model answers each point with three masks (whole, part, subpart) instead of one.",
        "masks",
    )  # fmt: skip

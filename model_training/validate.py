"""Thresholds from held-out training images: python -m model_training.validate --data DIR [--weights FILE].

Every image is proposed once without thresholds; then selection, painting and scoring run for a grid of them,
which is cheap. The presets' figures for the bundled model come from here, never from the images that it is
measured on.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from model_training.records import load_records, split
from napari_sam2_automask.candidates.candidates import Candidates, Floor
from napari_sam2_automask.engine import propose
from napari_sam2_automask.evaluation import score
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.models import Model, load_model
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask.learning.windows.training_image import TrainingImage

IOU = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85)
STABILITY = (0.6, 0.7, 0.8, 0.85, 0.9)
NMS = (0.4, 0.5, 0.6, 0.7)


def candidates_of(record: TrainingImage, settings: AmgSettings, model: Model) -> Candidates:
    """All masks of one image that could pass any of the thresholds tried."""
    return propose(to_model_view(record.image), settings, model, floor=Floor(min(IOU), min(STABILITY)))


def f1_at(candidates: Candidates, truth: np.ndarray, settings: AmgSettings) -> float:
    """F1@0.5 after selection and painting."""
    if not len(candidates):
        return 0.0
    return score.f1(paint(select(candidates, settings)).labels, truth)


def main() -> None:
    """Sweep and print the mean F1 of each kind for the best settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", default="bundled", help="file, or the bundled model")
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--crops", type=int, default=0)
    parser.add_argument("--each", type=int, default=6, help="images of each kind")
    parser.add_argument("--sharpen", type=float, nargs="+", default=[1.0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    _, held = split([record for root in args.data for record in load_records(root)])
    kinds: dict[str, list[TrainingImage]] = defaultdict(list)
    for record in held:
        if record.negatives >= 1 and len(kinds[record.kind]) < args.each:
            kinds[record.kind].append(record)
    model = load_model(args.weights, device="cpu")
    base = AmgSettings(
        points_per_side=args.points, crop_n_layers=args.crops, crop_n_points_downscale_factor=2,
        min_mask_region_area=10,
    )  # fmt: skip
    for factor in args.sharpen:
        with torch.no_grad():
            for mlp in model.network.sam_mask_decoder.output_hypernetworks_mlps:
                mlp.layers[2].weight.mul_(factor)
                mlp.layers[2].bias.mul_(factor)
        table: dict[tuple[float, float, float], dict[str, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for kind, records in kinds.items():
            for record in records:
                found = candidates_of(record, base, model)
                for choice in itertools.product(IOU, STABILITY, NMS):
                    names = ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh")
                    settings = base.replace(**dict(zip(names, choice, strict=True)))
                    table[choice][kind].append(f1_at(found, record.levels[0], settings))
                print(f"{factor:g} {kind} {record.name} {len(found)} masks", flush=True)
        ranked = sorted(table, key=lambda c: -np.mean([np.mean(v) for v in table[c].values()]))
        for choice in ranked[:8]:
            cells = {k: round(float(np.mean(v)), 3) for k, v in table[choice].items()}
            print(f"sharpen {factor:g} (cumulative) iou/stability/nms {choice}: {cells}")


if __name__ == "__main__":
    main()

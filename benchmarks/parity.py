"""Compare our masks with Meta's generator over models, settings and image shapes.

Weights are random and seeded, with heads scaled so that about half of the prompts pass predicted IoU. A row
is fine if both sides give the same number of masks, each pair with a mask IoU of at least 0.999 and scores
within 1e-4, or if every difference lies on a threshold.

    python benchmarks/parity.py --models tiny base+ large --points 8 --json parity.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings import AmgSettings


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["small-random"], help="tiny, base+, large, bundled ..."
    )
    parser.add_argument("--points", type=int, default=8, help="points per side")
    parser.add_argument("--shapes", nargs="+", default=["200x260"], help="rows x columns")
    parser.add_argument("--only", nargs="+", help="names of the settings to compare")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--json", help="write the result here")
    arguments = parser.parse_args()
    rows = list(_rows(arguments))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))
    failed = [row for row in rows if not row["equal"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} equal")
    raise SystemExit(1 if failed else 0)


def _rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import torch
    from parity_kit import blobs, compare, run_ours, sample  # type: ignore[import-not-found]

    torch.set_num_threads(arguments.threads)
    for name in arguments.models:
        model = _model(name)
        for shape in arguments.shapes:
            height, width = (int(side) for side in shape.split("x"))
            view = (
                sample((height, width)) if name == "bundled" else blobs((height, width), seed=1, scale=0.15)
            )
            for title, settings in _settings(arguments.points, name).items():
                if arguments.only and title not in arguments.only:
                    continue
                start = time.perf_counter()
                ours = run_ours(model, view, settings)
                middle = time.perf_counter()
                found = compare(_records(model, view, settings, ours), ours)
                passed = 3 * settings.point_prompts - ours.candidates.removed["predicted IoU"]
                row = {
                    "model": name,
                    "shape": shape,
                    "settings": title,
                    "equal": found.equal,
                    "masks_above_predicted_iou": passed,
                    "prompts": settings.point_prompts,
                    "seconds_ours": middle - start,
                    "seconds_meta": time.perf_counter() - middle,
                    **asdict(found),
                }
                print(json.dumps(row), flush=True)
                yield row


def _records(model: Model, view: Any, settings: AmgSettings, ours: Any) -> list[dict[str, Any]]:
    """Return Meta's records; none where its generator dies of having no mask and crops."""
    from parity_kit import run_meta

    try:
        return list(run_meta(model, view, settings))
    except IndexError:
        if settings.crop_n_layers == 0 or len(ours):
            raise
        return []


def _model(name: str) -> Model:
    from parity_kit import as_model, blobs, calibrate, small_network

    from napari_sam2_automask.models import build_official, load_model

    if name == "bundled":
        return load_model("bundled", device="cpu")
    model: Model = as_model(small_network(0)) if name == "small-random" else build_official(name, seed=0)  # type: ignore[arg-type]
    calibrate(model.network, blobs((200, 260), scale=0.15), points=4)
    return model


def _settings(points: int, model: str) -> dict[str, AmgSettings]:
    """Every parameter away from its default, one at a time."""
    import numpy as np

    from napari_sam2_automask.settings import AmgSettings

    # Random networks need lower thresholds to keep a few dozen masks, and so does the bundled model.
    base = AmgSettings(
        points_per_side=points,
        pred_iou_thresh=0.6,
        stability_score_thresh=0.7,
        box_nms_thresh=0.7 if model == "bundled" else 0.85,
        crop_nms_thresh=0.7 if model == "bundled" else 0.85,
    )
    rng = np.random.default_rng(0)
    grids = tuple(tuple((float(x), float(y)) for x, y in rng.random((points**2, 2))) for _ in range(2))
    return {
        "base": base,
        "defaults": AmgSettings(points_per_side=points),
        "points_per_batch": base.replace(points_per_batch=7),
        "pred_iou_thresh": base.replace(pred_iou_thresh=0.75),
        "stability_score_thresh": base.replace(stability_score_thresh=0.9),
        "stability_score_offset": base.replace(stability_score_offset=2.5),
        "mask_threshold": base.replace(mask_threshold=1.5),
        "box_nms_thresh": base.replace(box_nms_thresh=0.4),
        "crop_n_layers=1": base.replace(crop_n_layers=1),
        "crop_n_layers=2": base.replace(crop_n_layers=2, crop_n_points_downscale_factor=2),
        "crop_nms_thresh": base.replace(crop_n_layers=1, crop_nms_thresh=0.3),
        "crop_overlap_ratio": base.replace(crop_n_layers=1, crop_overlap_ratio=0.6),
        "point_grids": base.replace(points_per_side=None, point_grids=grids, crop_n_layers=1),
        "use_m2m": base.replace(use_m2m=True),
        "multimask_output": base.replace(multimask_output=False),
        "all off": base.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0),
    }


if __name__ == "__main__":
    main()

"""Compare our masks with Meta's generator over models, settings and image shapes.

Weights are random and seeded, with heads fitted to each image so that about half of the prompts pass
predicted IoU and masks lie around their prompts, so that many survive (see tests/random_networks.py). A row
is fine if both sides give the same number of masks, each pair with a mask IoU of at least 0.999 and scores
within 1e-4, or if every difference lies on a threshold. The share of prompts with a mask above predicted
IoU, and the masks that survive, are those of Meta's generator.

    python benchmarks/quality/parity.py --models tiny base+ large --shapes 200x260 1024x1024 \
        --json parity.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings

# Points per side that the heads are fitted to; more take longer and change little.
_CALIBRATED = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["small-random"], help="tiny, base+, large, bundled ..."
    )
    parser.add_argument("--points", type=int, default=12, help="points per side")
    parser.add_argument("--shapes", nargs="+", default=["200x260"], help="rows x columns")
    parser.add_argument("--only", nargs="+", help="names of the settings to compare")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, for both sides")
    parser.add_argument("--json", help="write the result here")
    arguments = parser.parse_args()
    rows = []
    for row in _rows(arguments):
        rows.append(row)
        if arguments.json:  # after each row: a full matrix takes hours
            Path(arguments.json).write_text(json.dumps(rows, indent=2))
    failed = [row for row in rows if not row["equal"]]
    print(_table(rows))
    print(f"{len(rows) - len(failed)} of {len(rows)} equal")
    raise SystemExit(1 if failed else 0)


def _rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import torch
    from parity_kit import blobs, compare, run_ours, sample  # type: ignore[import-not-found]

    torch.set_num_threads(arguments.threads)
    # cuDNN rounds the factors of convolutions by itself, on both sides, but not alike for all batch sizes.
    torch.backends.cudnn.allow_tf32 = False
    for name in arguments.models:
        for shape in arguments.shapes:
            size = tuple(int(side) for side in shape.split("x"))
            view = sample(size) if name == "bundled" else blobs(size, seed=1, scale=0.15)
            model = _model(name, view, arguments.points, arguments.device)
            for title, settings in _settings(arguments.points, name).items():
                if arguments.only and title not in arguments.only:
                    continue
                start = time.perf_counter()
                ours = run_ours(model, view, settings)
                middle = time.perf_counter()
                with _Passing(settings.pred_iou_thresh) as passing:
                    records = _records(model, view, settings, ours)
                end = time.perf_counter()
                found = compare(records, ours)
                row = {
                    "model": name,
                    "device": model.description()["device_description"],
                    "shape": shape,
                    "settings": title,
                    "equal": found.equal,
                    "survivors": found.meta,
                    "prompts": passing.prompts,
                    "share_of_prompts_passing": passing.share,
                    "seconds_ours": middle - start,
                    "seconds_meta": end - middle,
                    **asdict(found),
                }
                print(json.dumps(row), flush=True)
                yield row


class _Passing:
    """Counts the point prompts with a mask above predicted IoU, as Meta's generator asks them.

    Parameters
    ----------
    thresh : float
        Predicted IoU to exceed.
    """

    def __init__(self, thresh: float) -> None:
        self._thresh = thresh
        self.prompts = self.passed = 0

    @property
    def share(self) -> float:
        """Share of the prompts."""
        return self.passed / max(self.prompts, 1)

    def __enter__(self) -> _Passing:
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        original = SAM2ImagePredictor._predict

        def counted(predictor: Any, *args: Any, **kwargs: Any) -> Any:
            masks, ratings, low = original(predictor, *args, **kwargs)
            if kwargs.get("mask_input") is None:  # not a refinement
                self.prompts += len(ratings)
                self.passed += int((ratings > self._thresh).any(1).sum())
            return masks, ratings, low

        self._patch = patch.object(SAM2ImagePredictor, "_predict", counted)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


def _table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""
    titles = "model", "image", "settings", "prompts", "passing", "survivors", "equal", "ties", "worst score"
    lines = [titles, ["---"] * len(titles)]
    for row in rows:
        passing, equal = f"{row['share_of_prompts_passing']:.0%}", "yes" if row["equal"] else "NO"
        facts = [
            row["prompts"],
            passing,
            row["survivors"],
            equal,
            len(row["ties"]),
            f"{row['worst_score']:.0e}",
        ]
        lines.append([row["model"], row["shape"], row["settings"], *(str(fact) for fact in facts)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _records(model: Model, view: Any, settings: AmgSettings, ours: Any) -> list[dict[str, Any]]:
    """Return Meta's records; none where its generator dies of having no mask and crops."""
    from parity_kit import run_meta

    try:
        return list(run_meta(model, view, settings))
    except IndexError:
        if settings.crop_n_layers == 0 or len(ours):
            raise
        return []


def _model(name: str, view: NDArray[np.uint8], points: int, device: str) -> Model:
    from random_networks import calibrate, on_device, random_model  # type: ignore[import-not-found]

    from napari_sam2_automask.models import load_model

    if name == "bundled":
        return load_model("bundled", device=device)
    model: Model = random_model(name)
    calibrate(model.network, view, points=min(points, _CALIBRATED), device=device)
    return on_device(model, device)


def _settings(points: int, model: str) -> dict[str, AmgSettings]:
    """Every parameter away from its default, one at a time."""
    import numpy as np

    from napari_sam2_automask.settings.amg import AmgSettings

    base = AmgSettings(points_per_side=points)
    if model == "bundled":  # which finds few objects at the defaults
        base = base.replace(pred_iou_thresh=0.6, stability_score_thresh=0.7)
    if model == "small-random":  # whose masks are large and alike
        base = base.replace(box_nms_thresh=0.85, crop_nms_thresh=0.85)
    rng = np.random.default_rng(0)
    grids = tuple(tuple((float(x), float(y)) for x, y in rng.random((points**2, 2))) for _ in range(2))
    return {
        "base": base,
        "points_per_batch": base.replace(points_per_batch=7),
        "pred_iou_thresh": base.replace(pred_iou_thresh=0.7),
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

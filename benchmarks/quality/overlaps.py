"""One object, one label? Objects without a label or with two, and F1, where masks are merged or chosen.

Reads candidates that were saved with ``save_candidates`` (NAME.npz) and ground truth from an annotated folder
(NAME.lab.png), so that no model runs.

    python benchmarks/quality/overlaps.py CANDIDATES DATA
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.candidates.file import load_candidates
from napari_sam2_automask.evaluation.score import double_masks, match, unlabelled
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates

CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "duplicates 0.95": {"duplicate_iou": 0.95},
    "duplicates 0.8": {"duplicate_iou": 0.8},
    "duplicates 0.6": {"duplicate_iou": 0.6},
    **{f"granularity {g:g}": {"nested": "choose", "granularity": g} for g in (0.0, 0.25, 0.5, 0.75, 1.0)},
    "duplicates 0.6, granularity 0.5": {"duplicate_iou": 0.6, "nested": "choose", "granularity": 0.5},
    "duplicates 0.6, granularity 0.75": {"duplicate_iou": 0.6, "nested": "choose", "granularity": 0.75},
}


def main() -> None:
    """Print a row for each change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("candidates", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", default="balanced", choices=list(PRESETS))
    parser.add_argument("--family", default="bundled")
    options = parser.parse_args()
    base = PRESETS[options.preset].for_model(options.family)
    images = []
    for path in sorted(options.candidates.glob("*.npz")):
        truth = options.data / f"{path.stem}.lab.png"
        if truth.exists():
            images.append((load_candidates(path), np.asarray(Image.open(truth))))
    print(f"{len(images)} images, {sum(len(np.unique(t)) - 1 for _, t in images)} objects, {options.preset}")
    print(f"{'':36}{'no label':>9}{'two':>6}{'F1@0.5':>8}{'masks':>8}")
    for name, change in CHANGES.items():
        totals = [_score(candidates, truth, base.replace(**change)) for candidates, truth in images]
        missed, double, f1, masks = np.array(totals).T
        print(
            f"{name:36}{int(missed.sum()):9}{int(double.sum()):6}{f1.mean():8.3f}{int(masks.sum()):8}",
            flush=True,
        )


def _score(
    candidates: Candidates, truth: NDArray[Any], settings: AmgSettings
) -> tuple[float, float, float, float]:
    own = candidates.settings
    # Grid and crops are the proposal's.
    settings = own.replace(
        **{
            name: getattr(settings, name)
            for name in (
                "pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "crop_nms_thresh",
                "min_mask_region_area", "overlap", "duplicate_iou", "nested", "granularity",
            )
        }
    )  # fmt: skip
    labels = paint(select(candidates, settings)).labels
    return (
        unlabelled(labels, truth),
        double_masks(labels, truth),
        match(labels, truth).f1,
        len(np.unique(labels)) - 1,
    )


if __name__ == "__main__":
    main()

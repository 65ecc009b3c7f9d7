"""Does tuning on five objects help with the others? F1 on the rest against the best fixed settings.

Reads candidates that were saved with ``save_candidates`` (NAME.npz) and ground truth from an annotated folder
(NAME.lab.png), so that no model runs. Of each image with at least 15 objects, five are drawn and given to
`tune`; what is found is scored on the others, masks that lie in the five left out. The fixed settings are the
best of a grid over all these images: better than anyone could choose beforehand.

    python benchmarks/tuning.py CANDIDATES DATA --draws 10
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.candidates_file import load_candidates
from napari_sam2_automask.score import f1
from napari_sam2_automask.tuning import tune

if TYPE_CHECKING:
    from napari_sam2_automask.candidates import Candidates

GIVEN, LEAST = 5, 15


def fixed_grid(own: AmgSettings) -> list[AmgSettings]:
    """Return the fixed settings that are compared."""
    grid = itertools.product((0.4, 0.5, 0.6, 0.7), (0.6, 0.8, 0.9), (0.5, 0.7), ("keep", "choose"))
    return [
        own.replace(
            pred_iou_thresh=iou, stability_score_thresh=stability, box_nms_thresh=nms, nested=nested,
            granularity=0.75,
        )
        for iou, stability, nms, nested in grid
    ]  # fmt: skip


def score_on_the_rest(
    candidates: Candidates, settings: AmgSettings, truth: np.ndarray, given: np.ndarray
) -> float:
    """F1 without the objects given and the masks that lie in them."""
    labels = paint(select(candidates, settings)).labels.astype(np.int64)
    few = np.isin(truth, given)
    inside = np.bincount(labels[few], minlength=int(labels.max()) + 1)
    mostly = inside > 0.5 * np.bincount(labels.ravel(), minlength=len(inside))
    mostly[0] = False
    labels[mostly[labels]] = 0
    return f1(labels, np.where(few, 0, truth))


def main() -> None:
    """Print each image and the mean gain with its 95 % interval over images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("candidates", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    images = {}
    for path in sorted(options.candidates.glob("*.npz")):
        truth = np.asarray(Image.open(options.data / f"{path.stem}.lab.png"))
        if len(np.unique(truth)) - 1 >= LEAST:
            images[path.stem] = load_candidates(path), truth
    none = np.zeros(0, int)
    grids = {name: fixed_grid(candidates.settings) for name, (candidates, _) in images.items()}
    table = np.array(
        [[score_on_the_rest(*pair[:1], s, pair[1], none) for s in grids[n]] for n, pair in images.items()]
    )
    best = int(table.mean(0).argmax())
    shown = next(iter(grids.values()))[best]
    print(
        f"best fixed: pred_iou_thresh={shown.pred_iou_thresh}, stability_score_thresh="
        f"{shown.stability_score_thresh}, box_nms_thresh={shown.box_nms_thresh}, nested={shown.nested}; "
        f"mean F1 {table[:, best].mean():.3f}"
    )
    gains = []
    for name, (candidates, truth) in images.items():
        rng = np.random.default_rng(0)
        mine, spans, own = [], [], grids[name][best]
        for _ in range(options.draws):
            given = rng.choice(np.unique(truth)[1:], GIVEN, replace=False)
            begun = time.thread_time()
            tuned = tune(candidates, np.where(np.isin(truth, given), truth, 0), start=own, seconds=120)
            spans.append(time.thread_time() - begun)
            before = score_on_the_rest(candidates, own, truth, given)
            mine.append(score_on_the_rest(candidates, tuned.best.settings, truth, given) - before)
        gains.append(np.mean(mine))
        print(
            f"{name:24} {len(candidates):5} candidates, gain {np.mean(mine):+.3f} "
            f"({min(mine):+.3f} to {max(mine):+.3f}), {len(tuned.trials)} trials in {np.mean(spans):.1f} s",
            flush=True,
        )
    means = np.random.default_rng(0).choice(gains, (10_000, len(gains))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    print(
        f"mean gain {np.mean(gains):+.3f}, 95 % interval {low:+.3f} to {high:+.3f} over {len(gains)} images"
    )


if __name__ == "__main__":
    main()

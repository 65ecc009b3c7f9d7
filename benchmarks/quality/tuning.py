"""Does tuning on five objects help with the others? F1 on the rest against the best fixed settings.

    python benchmarks/quality/tuning.py --data DIR [--draws 10] [--stored-only] [--fixed NAME]

Of each completely annotated image with at least 15 objects (see folder.py), five are drawn and given to
`tune`; what is found is scored on the others; masks that lie in the five are left out. The fixed settings are
those that are best over all these images, of the presets and of a grid around the balanced one: better than
anyone could choose beforehand. With `--stored-only` the model does not run again for the size of the five.
With `--fixed` a preset is compared with, and the search for a better one, most of the time, is left out.

Also printed is how much could be gained at most: by the best of the fixed settings for each image, and by
the best fixed ones if it were known of every candidate whether it matches an object.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import read_folder
from napari_sam2_automask import load_model, paint, select
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.candidates.pooling import take
from napari_sam2_automask.evaluation.score import f1
from napari_sam2_automask.evaluation.tuning import tune
from napari_sam2_automask.evaluation.tuning_search import Examples
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.proposal.passes import propose_view
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.settings.amg import AmgSettings

GIVEN, LEAST = 5, 15
FLOOR = Floor(0.3, 0.5)


def fixed_grid(own: AmgSettings) -> list[AmgSettings]:
    """Return the settings around a preset that are compared."""
    grid = itertools.product((0.5, 0.6, 0.7), (0.8, 0.9, 0.94), (0.3, 0.5, 0.7), ("keep", "choose"))
    return [
        own.replace(pred_iou_thresh=iou, stability_score_thresh=stability, box_nms_thresh=nms, nested=nested)
        for iou, stability, nms, nested in grid
    ]


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


def without_wrong(candidates: Candidates, truth: np.ndarray) -> Candidates:
    """Leave out the candidates that match no object."""
    objects = Examples.of(truth, None)
    iou = objects.iou(candidates, objects.shared(candidates))
    return take(candidates, np.flatnonzero(iou.max(1) >= 0.5))


def main() -> None:
    """Print each image and the mean gain with its 95 % interval over images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--every", type=int, default=1, help="take every Nth image")
    parser.add_argument("--stored-only", action="store_true")
    parser.add_argument("--fixed", choices=list(PRESETS), help="compare with this preset")
    options = parser.parse_args()
    model = load_model(options.model)
    names = [options.fixed] if options.fixed else list(PRESETS)
    presets = [PRESETS[name].for_model(model.family) for name in names]
    balanced = PRESETS[options.fixed or "balanced"].for_model(model.family)
    fixed = [] if options.fixed else fixed_grid(balanced)
    none = np.zeros(0, int)
    images, rows = {}, []
    complete = [item for item in read_folder(options.data) if item.complete]
    for item in complete[:: options.every]:
        if len(np.unique(item.truth)) - 1 < LEAST:
            continue
        view = to_model_view(item.image)
        candidates = propose_view(view, balanced, model, floor=FLOOR)
        if not len(candidates):
            continue
        scores = []
        for s in presets:
            found = candidates if s == balanced else propose_view(view, s, model)
            scores.append(f1(paint(select(found, s)).labels, item.truth))
        rows.append(scores + [score_on_the_rest(candidates, s, item.truth, none) for s in fixed])
        images[item.name] = view, candidates, item.truth
        print(f"{item.name} proposed", file=sys.stderr, flush=True)
    means = np.array(rows).mean(0)
    for name, mean in zip(names, means, strict=False):
        print(f"preset {name}: mean F1 {mean:.3f}")
    best = int(means.argmax())
    own = (presets + fixed)[best]
    print(
        f"best fixed: {[*names, *(['a variant of balanced'] * len(fixed))][best]}, pred_iou_thresh="
        f"{own.pred_iou_thresh}, stability_score_thresh={own.stability_score_thresh}, box_nms_thresh="
        f"{own.box_nms_thresh}, nested={own.nested}; mean F1 {means[best]:.3f}"
    )
    print(f"best fixed settings of each image, if they were known: mean F1 {np.max(rows, 1).mean():.3f}")
    gains, ceilings = [], []
    for name, (view, candidates, truth) in images.items():
        if own not in fixed and own != balanced:
            candidates = propose_view(view, own, model, floor=FLOOR)
        known = without_wrong(candidates, truth)
        ceilings.append([score_on_the_rest(c, own, truth, none) for c in (candidates, known)])
        again = cache(lambda s, view=view: propose_view(view, s, model, floor=FLOOR))
        rng = np.random.default_rng(0)
        mine, spans, sizes = [], [], set()
        for _ in range(options.draws):
            given = rng.choice(np.unique(truth)[1:], GIVEN, replace=False)
            few = np.where(np.isin(truth, given), truth, 0)
            begun = time.thread_time()
            more = None if options.stored_only else again
            tuned = tune(candidates, few, start=own, again=more, seconds=120)
            spans.append(time.thread_time() - begun)
            before = score_on_the_rest(candidates, own, truth, given)
            after = score_on_the_rest(tuned.candidates, tuned.best.settings, truth, given)
            mine.append(after - before)
            sizes.add(tuned.best.settings.object_diameter)
        gains.append(np.mean(mine))
        print(
            f"{name:28} {len(candidates):5} candidates, gain {np.mean(mine):+.3f} ({min(mine):+.3f} to "
            f"{max(mine):+.3f}), fitted to {candidates.object_diameter:.0f}, then {sorted(sizes)}, "
            f"{len(tuned.trials)} trials in {np.mean(spans):.1f} s",
            flush=True,
        )
    before, after = np.mean(ceilings, 0)
    print(f"if all wrong candidates were known: mean F1 {after:.3f}, not {before:.3f}")
    draws = np.random.default_rng(0).choice(gains, (10_000, len(gains))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    print(
        f"mean gain {np.mean(gains):+.3f}, 95 % interval {low:+.3f} to {high:+.3f} over {len(gains)} images"
    )


if __name__ == "__main__":
    main()

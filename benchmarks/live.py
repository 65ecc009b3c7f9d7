"""How fast labels follow a slider: time from new settings to repainted labels, slider by slider.

Candidates are made of smooth blobs, without a model: an ordinary set of each size, and a crowded one whose
boxes add up to 40 times the image with 20 masks over all of it. Wall time is what a person feels; the
thread's own time is what it would be on an idle machine.

    python benchmarks/live.py --ticks 100
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from candidate_factory import Blob, make_candidates

from napari_sam2_automask.live import LiveSelection
from napari_sam2_automask.settings import AmgSettings

BASE = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
START = BASE.replace(pred_iou_thresh=0.7, stability_score_thresh=0.7)
SLIDERS = {
    "pred_iou_thresh": lambda u: {"pred_iou_thresh": 0.5 + 0.5 * u},
    "stability_score_thresh": lambda u: {"stability_score_thresh": 0.3 + 0.7 * u},
    "stability_score_offset": lambda u: {"stability_score_offset": round(2 * u, 1)},
    "box_nms_thresh": lambda u: {"box_nms_thresh": u},
    "min_area": lambda u: {"min_area": int(10 ** (4 * u))},
    "max_area": lambda u: {"max_area": int(10 ** (2 + 4 * u))},
    "edge_objects": lambda u: {"edge_objects": u > 0.5},
    "duplicate_iou": lambda u: {"duplicate_iou": 0.4 + 0.6 * u},
    "granularity": lambda u: {"nested": "choose", "granularity": u},
    "overlap": lambda u: {"overlap": ("small_on_top", "large_on_top", "best_score")[int(u * 2.99)]},
    "mask_threshold": lambda u: {"mask_threshold": round(1 + 4 * u, 1)},
    "min_mask_region_area": lambda u: {"min_mask_region_area": int(1 + 300 * u)},
}


def ordinary(side: int, count: int, seed: int = 0) -> list[Blob]:
    """Objects with second looks and parts, as a grid of points finds them."""
    rng = np.random.default_rng(seed)
    blobs: list[Blob] = []
    while len(blobs) < count:
        ry, rx = side * np.exp(rng.uniform(np.log(0.008), np.log(0.06), 2))
        y, x = rng.uniform(0, side, 2)
        for scale in (1.0, rng.uniform(0.95, 1.05), rng.uniform(0.3, 0.7)):
            shift = (1 - scale) * rx / 2
            blobs.append(Blob(y, x + shift, ry * scale, rx * scale, rng.uniform(0.5, 1), rng.uniform(4, 40)))
    return blobs[:count]


def crowded(side: int, count: int, seed: int = 0) -> list[Blob]:
    """Boxes that add up to 40 times the image, 20 masks that fill it."""
    rng = np.random.default_rng(seed)
    frames = [
        Blob(side / 2, side / 2, side * rng.uniform(0.7, 0.9), side * rng.uniform(0.7, 0.9), u, 20)
        for u in rng.uniform(0.5, 1, 20)
    ]
    rest = count - 20
    radius = side * np.sqrt(20 / rest) / 2
    blobs = []
    for _ in range(rest):
        ry, rx = radius * np.exp(rng.normal(0, 0.3, 2))
        y, x = rng.uniform(0.9 * radius, side - 0.9 * radius, 2)
        blobs.append(Blob(y, x, ry, rx, rng.uniform(0.5, 1), rng.uniform(4, 40)))
    return frames + blobs


def measure(name: str, blobs: list[Blob], side: int, ticks: int) -> None:
    """Print the time of preparing and of 100 ticks of each slider."""
    candidates = make_candidates((side, side), blobs, grid=256, settings=BASE, noise=0.5, lowest=-2.0)
    x0, y0, x1, y1 = candidates.boxes.T
    boxes = float(((x1 - x0 + 1) * (y1 - y0 + 1)).sum()) / side**2
    live = LiveSelection(candidates)
    start, own = time.perf_counter(), time.thread_time()
    live.prepare()
    wall, own = time.perf_counter() - start, time.thread_time() - own
    print(f"\n{name}: {len(candidates)} candidates, {side} x {side}, boxes {boxes:.1f} x the image")
    print(f"prepared in {wall:.1f} s ({own:.1f} s of its own)")
    print(f"{'slider':26}{'objects':>12}{'median':>9}{'95 %':>9}{'95 % own':>10}{'worst own':>11}   ms")
    rng = np.random.default_rng(1)
    for slider, change in SLIDERS.items():
        live.update(START)
        spans, owns, shown = [], [], []
        # A slider moves in steps with some jumps in between.
        place = 0.5
        for _ in range(ticks):
            jump = rng.random() < 0.1
            place = rng.uniform() if jump else float(np.clip(place + rng.normal(0, 0.03), 0, 1))
            settings = START.replace(**change(place))
            start, begun = time.perf_counter(), time.thread_time()
            done = live.update(settings)
            spans.append(1e3 * (time.perf_counter() - start))
            owns.append(1e3 * (time.thread_time() - begun))
            shown.append(len(done.rows))
        print(
            f"{slider:26}{f'{min(shown)}-{max(shown)}':>12}{np.median(spans):9.1f}"
            f"{np.quantile(spans, 0.95):9.1f}{np.quantile(owns, 0.95):10.1f}{max(owns):11.1f}",
            flush=True,
        )


def main() -> None:
    """Measure all sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for name, make, side, count in (
        ("ordinary", ordinary, 1024, 1000),
        ("crowded", crowded, 1024, 1000),
        ("ordinary", ordinary, 2048, 3000),
        ("crowded", crowded, 2048, 3000),
    ):
        if options.only in f"{name}-{side}":
            measure(name, make(side, count), side, options.ticks)


if __name__ == "__main__":
    main()

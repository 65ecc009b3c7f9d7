"""How fast labels follow a slider: time from new settings to repainted labels, slider by slider.

Candidates come from the bundled model on the three sample images, mirrored to the size wanted, and are made
of smooth blobs without a model: a crowded set whose boxes add up to 40 times the image with 20 masks over all
of it. With `--viewer` the time runs until the layer of a napari window has been drawn again (on a machine
without a display: under xvfb-run), and the thread's own time is the longest that the window's thread was busy
in one go; without, that of the whole update. Wall time is what a person feels; the own time is what it would
be on an idle machine.

    python benchmarks/viewer/live.py --ticks 100 [--viewer] [--only WORDS] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

from candidate_factory import Blob, make_candidates

from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.candidates.pooling import take
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.samples import Sample, samples
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.painting.live import Change

BASE = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
START = BASE.replace(pred_iou_thresh=0.7, stability_score_thresh=0.7)
TYPICAL = {
    "likeness": 0.25, "typical_smallest": 100, "typical_largest": 5000, "typical_darkest": 60,
    "typical_brightest": 200,
}  # fmt: skip
SLIDERS = {
    "pred_iou_thresh": lambda u: {"pred_iou_thresh": 0.5 + 0.5 * u},
    "stability_score_thresh": lambda u: {"stability_score_thresh": 0.3 + 0.7 * u},
    "stability_score_offset": lambda u: {"stability_score_offset": round(2 * u, 1)},
    "box_nms_thresh": lambda u: {"box_nms_thresh": u},
    "min_area": lambda u: {"min_area": int(10 ** (4 * u))},
    "max_area": lambda u: {"max_area": int(10 ** (2 + 4 * u))},
    "edge_objects": lambda u: {"edge_objects": u > 0.5},
    "likeness": lambda u: {**TYPICAL, "likeness": 0.5 * u},
    "typical_largest": lambda u: {**TYPICAL, "typical_largest": int(10 ** (2 + 4 * u))},
    "typical_darkest": lambda u: {**TYPICAL, "typical_darkest": int(200 * u)},
    "duplicate_iou": lambda u: {"duplicate_iou": 0.4 + 0.6 * u},
    "granularity": lambda u: {"nested": "choose", "granularity": u},
    "overlap": lambda u: {"overlap": ("small_on_top", "large_on_top", "best_score")[int(u * 2.99)]},
    "mask_threshold": lambda u: {"mask_threshold": round(1 + 4 * u, 1)},
    "min_mask_region_area": lambda u: {"min_mask_region_area": int(1 + 300 * u)},
}


def real(sample: Sample, side: int, count: int) -> Candidates:
    """Return the best candidates of a sample, mirrored to a square."""
    from napari_sam2_automask import load_model
    from napari_sam2_automask.proposal.passes import propose_view

    image = sample.image()
    rows, columns = (int(np.ceil(side / n)) for n in image.shape[:2])
    strip = np.concatenate([image[:, :: (-1) ** k] for k in range(columns)], 1)
    square = np.concatenate([strip[:: (-1) ** k] for k in range(rows)], 0)[:side, :side]
    wide = BASE.replace(stability_score_offset=2.0)
    # Magnified as the objects need it, with points enough for so many candidates.
    settings = wide.replace(fit_objects=True, points_per_diameter=4)
    view = to_model_view(np.ascontiguousarray(square))
    found = propose_view(view, settings, load_model("bundled"), floor=Floor(0.5, 0.3))
    kept = take(found, np.arange(min(count, len(found))))
    return replace(kept, settings=wide)


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


def alone(live: LiveSelection) -> Callable[[AmgSettings], tuple[Change, float]]:
    """Return what updates labels, and the seconds of its own that this takes the thread."""

    def show(settings: AmgSettings) -> tuple[Change, float]:
        begun = time.thread_time()
        change = live.update(settings)
        return change, time.thread_time() - begun

    return show


def in_viewer(live: LiveSelection) -> Callable[[AmgSettings], tuple[Change, float]]:
    """Return what shows settings in a layer of a window as the widget does, and waits until it is drawn."""
    import napari
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.live.live_work import LiveWork

    viewer = napari.Viewer()
    live.update(START)
    layer = viewer.add_labels(live.labels.copy())
    follower = LiveLayer(live, layer, lambda data: data, START)
    canvas = viewer.window._qt_viewer.canvas.native
    work = LiveWork()
    work.begin(follower)
    shown: list[AmgSettings] = []
    work.shown.connect(shown.append)

    def show(settings: AmgSettings) -> tuple[Change, float]:
        shown.clear()
        longest = 0.0

        def timed(step: Callable[[], object]) -> None:
            nonlocal longest
            begun = time.thread_time()
            step()
            longest = max(longest, time.thread_time() - begun)

        timed(lambda: work.follow(settings))
        while not shown:
            timed(lambda: QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents))
        timed(lambda: (canvas.repaint(), QApplication.processEvents()))
        return follower.change, longest

    show(START)
    return show


def measure(name: str, candidates: Candidates, ticks: int, viewer: bool) -> dict[str, Any]:
    """Print and return the time of preparing and of the ticks of each slider."""
    height, width = candidates.shape
    x0, y0, x1, y1 = candidates.boxes.T
    boxes = float(((x1 - x0 + 1) * (y1 - y0 + 1)).sum()) / (height * width)
    live = LiveSelection(candidates)
    start, own = time.perf_counter(), time.thread_time()
    live.prepare()
    wall, own = time.perf_counter() - start, time.thread_time() - own
    print(f"\n{name}: {len(candidates)} candidates, {height} x {width}, boxes {boxes:.1f} x the image")
    print(f"prepared in {wall:.1f} s ({own:.1f} s of its own)")
    print(f"{'slider':26}{'objects':>12}{'median':>9}{'95 %':>9}{'95 % own':>10}{'worst own':>11}   ms")
    show = in_viewer(live) if viewer else alone(live)
    rng = np.random.default_rng(1)
    rows = {}
    for slider, change in SLIDERS.items():
        show(START)
        spans, owns, shown = [], [], []
        # A slider moves in steps with some jumps in between.
        place = 0.5
        for _ in range(ticks):
            jump = rng.random() < 0.1
            place = rng.uniform() if jump else float(np.clip(place + rng.normal(0, 0.03), 0, 1))
            settings = START.replace(**change(place))
            start = time.perf_counter()
            done, own = show(settings)
            spans.append(1e3 * (time.perf_counter() - start))
            owns.append(1e3 * own)
            shown.append(len(done.rows))
        rows[slider] = {
            "median": float(np.median(spans)),
            "p95": float(np.quantile(spans, 0.95)),
            "p95_own": float(np.quantile(owns, 0.95)),
            "worst_own": max(owns),
        }
        print(
            f"{slider:26}{f'{min(shown)}-{max(shown)}':>12}"
            + "".join(f"{v:{w}.1f}" for v, w in zip(rows[slider].values(), (9, 9, 10, 11), strict=True)),
            flush=True,
        )
    return {"candidates": len(candidates), "boxes": boxes, "prepared": wall, "sliders": rows}


def main() -> None:
    """Measure all sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--only", default="", help="sets whose name holds this")
    parser.add_argument("--viewer", action="store_true", help="until a napari window has drawn the layer")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    document = {}
    for side, count in ((1024, 1000), (2048, 3000)):
        for sample in (*samples(), None):
            full = f"{sample.name if sample else 'crowded'}-{side}"
            if options.only not in full:
                continue
            if sample is None:
                found = make_candidates(
                    (side, side), crowded(side, count), grid=256, settings=BASE, noise=0.5, lowest=-2.0
                )
            else:
                found = real(sample, side, count)
            document[full] = measure(full, found, options.ticks, options.viewer)
            if options.viewer:
                import napari

                napari.Viewer.close_all()
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

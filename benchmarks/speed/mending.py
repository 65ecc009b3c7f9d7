"""How long an action takes from a click to labels, from stored candidates.

    python benchmarks/speed/mending.py [--size 2048] [--objects 1000] [--clicks 200]

Ellipses stand for objects, with a second look at every second one and two parts in every third, so that
there are about two candidates for each; no model is needed. Half of the objects are chosen by the settings,
the others are what a person adds. Every kind of action is done many times at random places, with an undo
after every fifth; the table gives the median, the 95th and the 100th percentile in milliseconds, and the
memory of the history.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "kits"))
from candidate_factory import Blob, make_candidates

from napari_sam2_automask import AmgSettings, Mends
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.painting.live import LiveSelection

SETTINGS = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.0, box_nms_thresh=0.7)
#: The settings in force: half of the objects are rated below.
CHOSEN = SETTINGS.replace(pred_iou_thresh=0.75, duplicate_iou=0.8, nested="choose", granularity=0.3)


def blobs(size, objects, seed=0):
    """Return ellipses on a jittered grid."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(objects)))
    pitch = size / side
    found = []
    for k in range(objects):
        y, x = (k // side + 0.5) * pitch, (k % side + 0.5) * pitch
        ry, rx = rng.uniform(0.28, 0.46, 2) * pitch
        iou = rng.uniform(0.5, 1)
        found.append(Blob(y, x, ry, rx, iou, 20))
        if k % 2:
            found.append(Blob(y + 1, x, ry * 1.05, rx, iou - 0.02, 20))
        if k % 3 == 0:
            found += [Blob(y, x + sign * rx / 2, ry * 0.7, rx * 0.45, iou - 0.05, 20) for sign in (-1, 1)]
    return found


def actions(mends, rng, points):
    """Return what can be done, by name."""
    point = tuple(points[rng.integers(len(points))].tolist())
    label = mends.label_at(point)
    near = mends.label_at((point[0], min(point[1] + 60, mends.labels.shape[1] - 1)))
    painted = mends.labels.copy()
    y, x = (int(v) for v in point)
    painted[y - 10 : y + 10, x - 10 : x + 10] = mends.next_label
    return {
        "preview, add": lambda: mends.add(point),
        "remove": lambda: mends.remove(label),
        "merge": lambda: mends.merge(label, near),
        "split by a stroke": lambda: mends.split(stroke=[(y - 60, x), (y + 60, x)]),
        "split by seeds": lambda: mends.split(seeds=[(y, x - 5), (y, x + 5)]),
        "to parts": lambda: mends.step(point, "parts"),
        "to the whole": lambda: mends.step(point, "whole"),
        "lock": lambda: mends.lock(label),
        "paint": lambda: mends.paint(painted),
        "settle": lambda: mends.settle(CHOSEN.replace(pred_iou_thresh=rng.uniform(0.7, 0.8))),
    }


def main():
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--clicks", type=int, default=60, help="times that each action is done")
    args = parser.parse_args()
    shape = (args.size, args.size)
    found = blobs(args.size, args.objects)
    candidates = make_candidates(shape, found, grid=512, settings=SETTINGS)
    live = LiveSelection(candidates)
    live.prepare()
    mends = Mends(live, CHOSEN)
    shown = len(np.unique(mends.labels)) - 1
    print(f"{args.size} x {args.size}, {len(candidates):,} candidates, {shown:,} objects")
    rng = np.random.default_rng(1)
    points = np.array([(blob.y, blob.x) for blob in found])
    times: dict[str, list[float]] = {}
    for name in actions(mends, rng, points):
        tries = 0
        while len(times.setdefault(name, [])) < args.clicks and tries < 20 * args.clicks:
            tries += 1
            act = actions(mends, rng, points)[name]
            start = time.perf_counter()
            try:
                act()
            except MendError:
                continue
            times[name].append(time.perf_counter() - start)
            if len(times[name]) % 5 == 0:
                start = time.perf_counter()
                mends.undo()
                times.setdefault("undo", []).append(time.perf_counter() - start)
    print(f"{'':20}{'median':>8}{'p95':>8}{'max':>8}  ms")
    for name, taken in [*times.items(), ("all", [t for every in times.values() for t in every])]:
        row = np.percentile(np.array(taken) * 1000, [50, 95, 100])
        print(f"{name:20}" + "".join(f"{value:8.1f}" for value in row))
    print(f"history: {len(mends.steps)} steps, {mends.nbytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

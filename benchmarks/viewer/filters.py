"""How fast labels follow a line that is dragged in the histogram of a measure, on 3,000 objects.

Objects are ellipses of many sizes and shapes in a grid, made without a model. Measured is the time from the
move of the line to the drawn layer (median, p95, worst), the time that all threads together worked on that
(work, which neighbours on a machine lengthen less), and the longest that the window's thread was busy in one
go (its own time, which is what it would be on an idle machine): at a move (own), while all masks are measured
(busy), and when the line rests and table, plots and record follow (rest). What napari by itself needs is told
last: to refresh and draw a Labels layer of the same pixels, and to take the features; and how long Python
held all threads to look for garbage among all objects there are (full collections, which come once in some
hundred moves, in whatever thread). Needs a display: without one, under xvfb-run.

    python benchmarks/viewer/filters.py --ticks 60 [--objects 3000] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

import napari
from candidate_factory import Blob, make_candidates
from napari_kit import LOW, dock
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.selection.measured import know_picture

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 2048


class Field:
    """Finds the same ellipses in every image."""

    def __init__(self, objects: int) -> None:
        rng = np.random.default_rng(0)
        across = int(np.ceil(np.sqrt(objects)))
        step = SIDE / across
        places = [(step * (k // across + 0.5), step * (k % across + 0.5)) for k in range(objects)]
        blobs = [
            Blob(
                y, x, step * rng.uniform(0.15, 0.45), step * rng.uniform(0.15, 0.45), rng.uniform(0.9, 1), 20
            )
            for y, x in places
        ]
        self.candidates = make_candidates((SIDE, SIDE), blobs, grid=256, settings=LOW, noise=0.2)

    def __call__(self, plane: Any, request: Any, progress: Any) -> PlaneResult:
        """Return what a run would."""
        know_picture(self.candidates, LoadedImage(plane, False))
        live = LiveSelection(self.candidates)
        live.prepare()
        live.update(request.settings)
        done = paint(select(self.candidates, request.settings), image=plane)
        record = {"settings": request.settings.to_json(), "model": {"name": "none"}}
        return PlaneResult(done.labels, done.table, record, {}, True, "cpu", live)


class Collections:
    """How long full collections of garbage took, in milliseconds of the thread that was at work."""

    def __init__(self) -> None:
        self.spans: list[float] = []
        self._begun = 0.0
        gc.callbacks.append(self)

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """Take note of a collection that begins or ends."""
        if phase == "start":
            self._begun = time.thread_time()
        elif info["generation"] == 2:
            self.spans.append(1e3 * (time.thread_time() - self._begun))


def wait(ready: Callable[[], bool]) -> float:
    """Let the window work until something is so; return the longest that its thread was busy, in seconds."""
    longest, end = 0.0, time.monotonic() + 300
    while not ready():
        begun = time.thread_time()
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents)
        longest = max(longest, time.thread_time() - begun)
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.001)
    return longest


def drag(widget: Any, canvas: Any, name: str, ticks: int) -> dict[str, float]:
    """Measure all objects by a measure, then drag the lower line; return milliseconds."""
    panel = widget.result.plots.filter
    panel.choice.setCurrentIndex(panel.choice.findData(name))
    panel.histogram.counts = []
    begun = time.perf_counter()
    panel.choice.activated.emit(panel.choice.currentIndex())
    busy = wait(lambda: bool(panel.histogram.counts))
    found = {"measured": time.perf_counter() - begun, "busy": 1e3 * busy}
    low, high = panel.histogram.edges
    spans, owns, works, rng = [], [], [], np.random.default_rng(1)
    place = 0.3
    for _ in range(ticks):
        jump = rng.random() < 0.1
        place = rng.uniform(0.05, 0.95) if jump else float(np.clip(place + rng.normal(0, 0.03), 0.05, 0.95))
        begun, own, work = time.perf_counter(), time.thread_time(), time.process_time()
        panel.histogram.move_line(0, low + place * (high - low))
        own = time.thread_time() - own
        own = max(own, wait(lambda: widget.live.shown == widget.live.asked))
        step = time.thread_time()
        canvas.repaint()
        QApplication.processEvents()
        owns.append(1e3 * max(own, time.thread_time() - step))
        spans.append(1e3 * (time.perf_counter() - begun))
        works.append(1e3 * (time.process_time() - work))
    rests: list[object] = []
    widget.result.following.told.connect(lambda: rests.append(None))
    rest = wait(lambda: bool(rests))
    panel.histogram.move_line(0, low)
    wait(lambda: len(rests) > 1)
    return found | {
        "median": float(np.median(spans)), "p95": float(np.quantile(spans, 0.95)), "worst": max(spans),
        "work": float(np.median(works)), "p95_own": float(np.quantile(owns, 0.95)),
        "worst_own": max(owns), "rest": 1e3 * rest,
    }  # fmt: skip


def alone(viewer: Any, canvas: Any, result: Any, times: int) -> dict[str, float]:
    """Return milliseconds of the window's thread that napari needs for a layer like the result, medians."""
    result.visible = False
    layer = viewer.add_labels(np.array(result.data), name="alone")
    canvas.repaint()
    QApplication.processEvents()

    def refresh() -> None:
        layer.refresh(extent=False)
        canvas.repaint()
        QApplication.processEvents()

    def take_features() -> None:
        layer.features = result.features

    found = {}
    for name, act in (("refresh", refresh), ("features", take_features)):
        spans = []
        for _ in range(times):
            begun = time.thread_time()
            act()
            spans.append(1e3 * (time.thread_time() - begun))
        found[name] = float(np.median(spans))
    return found


def main() -> None:
    """Drag the line of a few measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--objects", type=int, default=3000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    viewer = napari.Viewer()
    viewer.add_image(np.random.default_rng(0).random((SIDE, SIDE), np.float32), name="field")
    widget = dock(viewer, Field(options.objects))
    widget.form.show(LOW)
    widget.run_panel.button.click()
    wait(lambda: widget.live.live_layer is not None)
    widget.result.measures.expand(animate=False)
    wait(lambda: widget.result.plots.filter.choice.count() > 0)
    canvas = viewer.window._qt_viewer.canvas.native
    print(f"{len(widget.live.live_layer.objects):,} objects, {SIDE} x {SIDE}; milliseconds, measured in s")
    names = ("measured", "busy", "median", "p95", "worst", "work", "p95_own", "worst_own", "rest")
    print(f"{'measure':18}" + "".join(f"{name:>10}" for name in names))
    document: dict[str, Any] = {}
    collections = Collections()
    for name in ("circularity", "solidity", "feret_diameter_max", "intensity_mean"):
        document[name] = drag(widget, canvas, name, options.ticks)
        print(f"{name:18}" + "".join(f"{document[name][one]:10.1f}" for one in names), flush=True)
    document["full collections"] = list(collections.spans)
    document["alone"] = alone(viewer, canvas, widget.live.live_layer.layer, options.ticks)
    told = ", ".join(f"{name} {value:.1f} ms" for name, value in document["alone"].items())
    print(f"napari by itself: {told}")
    spans = document["full collections"]
    print(f"full collections of garbage: {len(spans)}, the longest {max(spans, default=0):.0f} ms")
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    viewer.close()


if __name__ == "__main__":
    main()

"""How responsive the viewer stays during a run: a 10 ms heartbeat on the main thread, with the real widget.

    xvfb-run -a python benchmarks/heartbeat.py --preset fine --side 1024

Prints the share of late beats and the longest, while idle and during the run, from the press of Run until the
labels are drawn; then how long a cancel takes in the middle of a run.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication
from skimage.transform import resize

from napari_sam2_automask._napari.segmenter import EngineSegmenter
from napari_sam2_automask._napari.store import Store
from napari_sam2_automask._napari.widget import AutomaskWidget
from napari_sam2_automask.models import Model
from napari_sam2_automask.samples import samples

BEAT = 10


class Heartbeat:
    """Records the time between beats of a timer on the main thread, in milliseconds."""

    def __init__(self) -> None:
        self.gaps: list[tuple[float, str]] = []
        self.phase = "idle"
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append((1000 * (now - self._last), self.phase))
        self._last = now

    def report(self, phase: str) -> None:
        """Print what the beats of a phase were like."""
        gaps = np.array([gap for gap, its in self.gaps if its == phase])
        if len(gaps):
            late = " ".join(f"{gap:.0f}" for gap in np.sort(gaps)[::-1][:6])
            print(
                f"{phase:>22}: {len(gaps):5d} beats, 99 % under {np.percentile(gaps, 99):5.1f} ms, "
                f"{100 * (gaps < 50).mean():6.2f} % under 50 ms, longest {late} ms"
            )


def untrained() -> Any:
    """Return a segmenter with the bundled model's network and random weights: the same load, no sense."""
    import torch

    from napari_sam2_automask.models.bundled import build_bundled

    torch.manual_seed(0)
    segmenter = EngineSegmenter()
    network = build_bundled().eval()
    segmenter._model = Model("bundled", network, torch.device("cpu"), "bundled", None, "bundled")
    segmenter._key = ("bundled", "cpu")
    return segmenter


def spin(application: QApplication, seconds: float) -> None:
    """Let the viewer live for a while."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        application.processEvents()
        time.sleep(0.001)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--untrained", action="store_true", help="random weights")
    parser.add_argument("--threshold", type=float, default=0.5, help="of both scores, for random weights")
    options = parser.parse_args()
    viewer = napari.Viewer()
    image = samples()[0].image()
    image = image if image.ndim == 2 else image[..., :3].mean(-1)
    viewer.add_image((255 * resize(image, (options.side, options.side))).astype(np.uint16), name="image")
    widget = AutomaskWidget(viewer, segmenter=untrained() if options.untrained else None, store=Store())
    viewer.window.add_dock_widget(widget, name="SAM 2 AutoMask")
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    widget.models.choose(options.model, "cpu")
    widget.presets.choose(options.preset)
    widget._load_preset()
    if options.untrained:
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            widget.form.widgets[name].value = options.threshold
    spin(application, 1)
    beat = Heartbeat()
    spin(application, 2)
    for phase in ("first run", "second run"):
        beat.phase = phase
        started = time.perf_counter()
        widget.run()
        while widget.running:
            spin(application, 0.01)
        print(f"{phase}: {time.perf_counter() - started:.2f} s, {widget.run_panel.status.text()}")
        beat.phase = phase + ", after"
        spin(application, 1)
    waits = []
    for fraction in (0.1, 0.3, 0.6):
        widget.run()
        wanted = fraction * widget.form.settings.point_prompts
        while widget.running and (
            widget.run_panel.bar.value() < wanted or widget.run_panel.bar.maximum() == 1
        ):
            spin(application, 0.005)
        started = time.perf_counter()
        widget.cancel()
        while widget.running:
            spin(application, 0.005)
        waits.append(time.perf_counter() - started)
    for phase in dict.fromkeys(phase for _, phase in beat.gaps):
        beat.report(phase)
    print("cancel, from the press to the layer:", ", ".join(f"{wait:.2f} s" for wait in waits))
    viewer.close()


if __name__ == "__main__":
    main()

"""How responsive the viewer stays during a run: a 10 ms heartbeat on the main thread, with the real widget.

    xvfb-run -a python benchmarks/viewer/heartbeat.py --preset fine --side 1024 --repeat 3

Prints the share of late beats and the longest, while idle and during the run, from the press of Run until the
result is in the viewer; how long napari by itself takes for a Labels layer in the same viewer; how long a
cancel takes in the middle of a run; and how long a process lives on whose window is closed in the middle of a
run. Every repetition is a process of its own, because the first run of a process loads PyTorch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication
from skimage.transform import resize

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
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

    from napari_sam2_automask.models.networks.bundled import build_bundled

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


def open_viewer(options: argparse.Namespace) -> tuple[QApplication, napari.Viewer, AutomaskWidget]:
    """Return a viewer with an image and the widget, which has been idle for a second."""
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
    return application, viewer, widget


def measure(options: argparse.Namespace) -> None:
    """Measure in this process and print."""
    application, viewer, widget = open_viewer(options)
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
    labels = viewer.layers[-1].data.copy()
    for _ in range(3):
        beat.phase = "napari's add_labels"
        viewer.add_labels(labels)
        spin(application, 0.2)
        beat.phase = "idle"
        spin(application, 0.2)
    waits = []
    beat.phase = "cancelled runs"
    for fraction in (0.1, 0.3, 0.6):
        widget.run()
        wait_for(application, widget, fraction)
        started = time.perf_counter()
        widget.cancel()
        while widget.running:
            spin(application, 0.005)
        waits.append(time.perf_counter() - started)
        spin(application, 0.3)
    for phase in dict.fromkeys(phase for _, phase in beat.gaps):
        beat.report(phase)
    print("cancel, from the press to the layer:", ", ".join(f"{wait:.2f} s" for wait in waits))
    viewer.close()


def wait_for(application: QApplication, widget: AutomaskWidget, fraction: float) -> None:
    """Wait until a run has done a share of its points."""
    wanted = fraction * widget.form.settings.point_prompts
    bar = widget.run_panel.bar
    while widget.running and (bar.value() < wanted or bar.maximum() == 1):
        spin(application, 0.005)


def close_in_the_middle(options: argparse.Namespace) -> None:
    """Start a run, close the window in its middle, and say when."""
    application, viewer, widget = open_viewer(options)
    widget.run()
    wait_for(application, widget, 0.3)

    def close() -> None:
        assert widget.running, "the run was over before the window could be closed: take a finer preset"
        print(f"closing {time.time()}", flush=True)
        viewer.close()

    QTimer.singleShot(0, close)
    napari.run()


def time_to_close(arguments: list[str]) -> float:
    """Return how long a process lived on after its window was closed in the middle of a run, in seconds."""
    command = [sys.executable, __file__, "--part", "close", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise SystemExit(f"the process whose window was closed failed:\n{done.stderr}")
    return time.time() - float(done.stdout.split("closing ")[1].split()[0])


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
    parser.add_argument("--repeat", type=int, default=1, help="processes to measure")
    parser.add_argument("--part", choices=("all", "runs", "close"), default="all", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "runs":
        measure(options)
    elif options.part == "close":
        close_in_the_middle(options)
    else:
        arguments = [word for word in sys.argv[1:] if not word.startswith("--repeat")]
        if "--repeat" in sys.argv:
            arguments.remove(str(options.repeat))
        for _ in range(options.repeat):
            subprocess.run([sys.executable, __file__, "--part", "runs", *arguments], check=True)
            print(
                f"closed in the middle of a run, the process ended after {time_to_close(arguments):.2f} s\n"
            )


if __name__ == "__main__":
    main()

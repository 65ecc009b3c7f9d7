"""How free the viewer stays while a model learns: a heartbeat, and how soon the model answers a click.

    xvfb-run -a python benchmarks/viewer/learning_meanwhile.py --minutes 2 --questions 60

Runs the widget on a sample, asks the model for objects at points, as *Ask* of Mend does, first with nothing
else to do and then while *Learn from these* fits a model to the sample in its own process. Prints the longest
beats of a 10 ms timer on the main thread, and the seconds from a click to the answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.viewer.heartbeat import Heartbeat, spin
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.widget import AutomaskWidget
from napari_sam2_automask.samples import samples

LONGEST = 600.0


def asked(application: QApplication, widget: AutomaskWidget, questions: int, pause: float) -> list[float]:
    """Ask for objects at random points, one after the other; return how long each answer took."""
    follower = widget.live.live_layer
    assert follower is not None
    asking = widget.mend.canvas.asking
    height, width = follower.live.labels.shape
    rng = np.random.default_rng(0)
    waits = []
    for _ in range(questions):
        asking.stop()
        begun = time.perf_counter()
        asking.point(follower, [(float(rng.uniform(0, height)), float(rng.uniform(0, width)))])
        while asking.busy:
            application.processEvents()
            time.sleep(0.001)
        waits.append(time.perf_counter() - begun)
        spin(application, pause)
    asking.stop()
    return waits


def told(what: str, waits: list[float]) -> None:
    """Print how long answers took."""
    seconds = np.array(waits)
    print(
        f"{what:>22}: {len(seconds)} answers, median {np.median(seconds):.3f} s, 95 % under "
        f"{np.percentile(seconds, 95):.3f} s, longest {seconds.max():.3f} s"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", default="fluorescence_nuclei", choices=[one.name for one in samples()])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between questions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SAM2_AUTOMASK_HOME"] = folder
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Measure in this process and print."""
    viewer = napari.Viewer()
    viewer.open_sample("napari-sam2-automask", options.sample)
    widget = AutomaskWidget(viewer, store=Store())
    viewer.window.add_dock_widget(widget, name="SAM 2 AutoMask")
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    widget.run()
    while widget.running:
        spin(application, 0.05)
    widget.learn.expand(animate=False)
    panel = widget.learn.panel
    panel.minutes.setValue(options.minutes)
    asked(application, widget, 3, 0.1)  # the first one encodes the image
    beat = Heartbeat()
    waits = asked(application, widget, options.questions // 3, options.pause)
    beat.report("idle")
    told("idle", waits)
    beat.phase = "learning begins"
    panel.button.click()
    end = time.perf_counter() + LONGEST
    while "step" not in widget.learn.text() and panel._run is not None and time.perf_counter() < end:
        spin(application, 0.05)
    beat.phase = "while it learns"
    waits = asked(application, widget, options.questions, options.pause)
    print(f"{'':>22}  {panel.message.text()}")
    beat.phase = "until its end"
    while panel._run is not None and time.perf_counter() < end:
        spin(application, 0.05)
    beat.phase = "after"
    spin(application, 1.0)
    told("while it learns", waits)
    for phase in ("learning begins", "while it learns", "until its end", "after"):
        beat.report(phase)
    print(f"{'':>22}  {panel.message.text()}")
    viewer.close()


if __name__ == "__main__":
    main()

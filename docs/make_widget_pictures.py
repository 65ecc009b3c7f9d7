"""Take widget_first.png, widget.png and widget_mend.png: the window at first, after a run, and mending.

    python docs/make_widget_pictures.py [--sample NAME] [--size WIDTHxHEIGHT] [--out FOLDER]

Needs a display; without one: `xvfb-run -a -s "-screen 0 1600x1000x24"`. What earlier sessions remembered
is left out, so that the pictures are those of a first start. The time in the status is that of this machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_sam2_automask._napari import AutomaskWidget
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask.samples import samples

#: Width of the dock in pixels, the longest wait for a run in seconds, and the pause for drawing.
WIDTH, LONGEST, PAUSE = 300, 600.0, 0.5


def main() -> None:
    """Read the arguments and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", default="fluorescence_nuclei", choices=[one.name for one in samples()])
    parser.add_argument("--size", default="1366x768", help="of the window, in pixels")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    asked = parser.parse_args()
    width, height = (int(n) for n in asked.size.split("x"))
    viewer = napari.Viewer()
    viewer.window.resize(width, height)
    layers = viewer.open_sample("napari-sam2-automask", asked.sample)
    viewer.layers.remove(layers[1])  # the ground truth
    widget = AutomaskWidget(viewer, store=Store())
    dock = viewer.window.add_dock_widget(widget, name="SAM 2 AutoMask")
    window = dock.window()
    window.resizeDocks([dock], [WIDTH], Qt.Orientation.Horizontal)
    draw()
    viewer.reset_view()
    shoot(viewer, asked.out / "widget_first.png")
    widget.run()
    end = time.monotonic() + LONGEST
    while widget.running and time.monotonic() < end:
        draw(0.05)
    if widget.live.isHidden():
        raise SystemExit(f"no result: {widget.run_panel.status.text()}")
    draw(2.0)
    shoot(viewer, asked.out / "widget.png")
    mend(widget)
    shoot(viewer, asked.out / "widget_mend.png")
    viewer.close()


def mend(widget: AutomaskWidget) -> None:
    """Lock, remove and split some objects, and unfold the table."""
    result = widget.result
    largest = np.bincount(result.live.live_layer.layer.data.ravel())[1:].argsort()[::-1][:8] + 1
    first, second, third, fourth = (int(n) for n in largest[::2])
    acts = (
        lambda mends: mends.lock(first, second),
        lambda mends: mends.remove(third),
        lambda mends: mends.split(fourth, stroke=across(mends.labels == fourth)),
    )
    result.mend.take("split")
    for act in acts:
        result.live.mend(act)
        draw(1.0)
    result.objects.expand(animate=False)
    draw(1.5)
    widget._scroll.ensureWidgetVisible(result.objects)
    draw(1.0)


def across(mask: np.ndarray) -> list[tuple[float, float]]:
    """Return a stroke from side to side through the middle of an object."""
    y, x = np.nonzero(mask)
    return [(float(y.mean()), float(x.min()) - 3), (float(y.mean()), float(x.max()) + 3)]


def draw(seconds: float = PAUSE) -> None:
    """Let the window draw itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def shoot(viewer: napari.Viewer, path: Path) -> None:
    """Take a picture of the whole window."""
    draw()
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(path)


if __name__ == "__main__":
    main()

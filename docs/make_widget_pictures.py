"""Take the pictures of the window: at first, running, after a run, with a line dragged, and mending.

    python docs/make_widget_pictures.py [--sample NAME] [--size WIDTHxHEIGHT] [--out FOLDER]

Needs a display; without one: `xvfb-run -a -s "-screen 0 1600x1000x24"`. What earlier runs remembered
is left out, so that the pictures are those of a first start. The time in the status is that of this machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from picture_facts import IMAGES, made
from qtpy.QtCore import QPoint
from staged_window import drag, draw, opened, wait_for_result

from napari_sam2_automask.samples import samples

if TYPE_CHECKING:
    import napari

    from napari_sam2_automask._napari import AutomaskWidget


def main() -> None:
    """Read the arguments and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", default="fluorescence_nuclei", choices=[one.name for one in samples()])
    parser.add_argument("--size", default="1366x768", help="of the window, in pixels")
    parser.add_argument("--out", type=Path, default=IMAGES)
    asked = parser.parse_args()
    width, height = (int(n) for n in asked.size.split("x"))
    viewer, widget = opened(asked.sample, (width, height))
    shoot(viewer, asked.out / "widget_first.png")
    widget.run()
    while widget.running and widget.run_panel.bar.value() * 3 < widget.run_panel.bar.maximum():
        draw(0.05)
    shoot(viewer, asked.out / "widget_running.png")
    wait_for_result(widget)
    shoot(viewer, asked.out / "widget.png")
    drag_a_line(widget)
    shoot(viewer, asked.out / "widget_dragged.png")
    widget.live.undo_last()
    draw(1.0)
    mend(widget)
    shoot(viewer, asked.out / "widget_mend.png")
    viewer.close()


def drag_a_line(widget: AutomaskWidget) -> None:
    """Drag the line under *Sure* to the right, so that only the surest objects stay."""
    sure = widget.live.sliders.sure
    y = sure.height() // 2
    drag(sure, [QPoint(x, y) for x in range(sure.width() // 3, sure.width() * 3 // 4, 6)])
    draw(1.5)


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


def shoot(viewer: napari.Viewer, path: Path) -> None:
    """Take a picture of the whole window."""
    draw()
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    made(path)
    print(path)


if __name__ == "__main__":
    main()

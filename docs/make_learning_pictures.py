"""Take widget_learn.png and learning.jpg: learning in the window, and what it did to another image.

    python docs/make_learning_pictures.py --learn A.img.png [B.img.png ...] --look C.img.png
        [--minutes N | --model FILE]

The ground truth of an image lies beside it, as A.lab.png, all of its objects labelled. Needs a display;
without one: `xvfb-run -a -s "-screen 0 1600x1000x24"`. The model is made in a folder that goes at the end,
and its figures are printed; with `--model` one is compared that was learned before, and learning is stopped
once its picture is taken. Colours of learning.jpg as in make_comparison.py.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from make_comparison import LINE, MARGIN, PANEL, panel
from make_widget_pictures import shoot
from picture_facts import IMAGES, made
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import Qt
from staged_window import WIDTH, draw

from napari_sam2_automask import load_model, segment
from napari_sam2_automask._napari import AutomaskWidget
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask.evaluation.comparison import EXTRA, MISSED
from napari_sam2_automask.evaluation.score import f1, mean_segmentation_accuracy
from napari_sam2_automask.image.view import to_model_view

#: The part of the steps after which the picture is taken, and the longest wait in seconds.
SHARE, LONGEST = 0.4, 3600.0


def main() -> None:
    """Read the arguments and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learn", type=Path, nargs="+", required=True)
    parser.add_argument("--look", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--name", default="my worms")
    parser.add_argument("--model", type=Path, help="learned before")
    parser.add_argument("--out", type=Path, default=IMAGES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SAM2_AUTOMASK_HOME"] = folder
        learned(asked)
        compared(asked.look, str(asked.model or asked.name), asked.out / "learning.jpg")


def learned(asked: argparse.Namespace) -> None:
    """Learn in the window, and take its picture in the middle."""
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    at = 0
    for path in asked.learn:
        image, truth = read(path)
        place = {"translate": (0, at)}
        viewer.add_image(image, name=path.name.split(".")[0], **place)
        viewer.add_labels(truth, name=f"{path.name.split('.')[0]} labels", opacity=0.5, **place)
        at += image.shape[1] + 12
    widget = AutomaskWidget(viewer, store=Store())
    dock = viewer.window.add_dock_widget(widget, name="SAM 2 AutoMask")
    dock.window().resizeDocks([dock], [WIDTH], Qt.Orientation.Horizontal)
    widget.learn.expand(animate=False)
    learn = widget.learn.panel
    for row in learn.rows:
        row.complete.setCurrentIndex(0)
        row.complete.activated.emit(0)
    learn.minutes.setValue(asked.minutes)
    learn.name.clear()
    learn.name.insert(asked.name)
    draw()
    viewer.reset_view()
    learn.button.click()
    end, taken = time.monotonic() + LONGEST, False
    while learn.button.text() != "Learn" and time.monotonic() < end:
        draw(0.2)
        if not taken and learn.bar.maximum() > 1 and learn.bar.value() >= SHARE * learn.bar.maximum():
            widget._scroll.ensureWidgetVisible(learn.button)
            shoot(viewer, asked.out / "widget_learn.png")
            taken = True
            if asked.model is not None:
                learn.button.click()
    print(learn.message.text())
    viewer.close()


def compared(path: Path, name: str, out: Path) -> None:
    """Draw an image, its ground truth, and the labels of both models."""
    image, truth = read(path)
    view = to_model_view(image)
    empty = np.zeros_like(truth)
    panels = [panel(view, empty, empty, MISSED)]
    words = ["not learned from"]
    results = {title: segment(image, "balanced", load_model(model)).labels.astype(np.int32)
               for title, model in (("bundled", "bundled"), ("learned", name))}  # fmt: skip
    panels.append(panel(view, truth, results["learned"], MISSED))
    words.append(f"ground truth: {len(np.unique(truth)) - 1} objects")
    for title, labels in results.items():
        panels.append(panel(view, labels, truth, EXTRA))
        words.append(f"{title}: {len(np.unique(labels)) - 1}, F1 {f1(labels, truth):.2f}")
        print(f"{title}: mean segmentation accuracy {mean_segmentation_accuracy(labels, truth):.3f}")
    page = Image.new(
        "RGB", (len(panels) * (PANEL + MARGIN) + MARGIN, panels[0].shape[0] + LINE + 2 * MARGIN), "white"
    )
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for k, (picture, text) in enumerate(zip(panels, words, strict=True)):
        x = MARGIN + k * (PANEL + MARGIN)
        pen.text((x, MARGIN), text, fill="black", font=font)
        page.paste(Image.fromarray(picture), (x, MARGIN + LINE))
    page.save(out, quality=80)
    made(out)
    print(out)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and the labels beside it."""
    labels = path.with_name(path.name.split(".")[0] + ".lab.png")
    return np.asarray(Image.open(path)), np.asarray(Image.open(labels)).astype(np.int32)


if __name__ == "__main__":
    main()

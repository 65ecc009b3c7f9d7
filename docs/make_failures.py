"""Draw docs/images/failures.jpg: where the bundled model fails, close up.

    python docs/make_failures.py [--model NAME|FILE] [--preset NAME] [--out FILE]

For each kind of failure the windows of the images in tests/data that hold most of it, with the image, the
ground truth and the result side by side; no window is chosen by hand. Colours as in make_comparison.py: blue
where an object and a label match, yellow for objects missed, orange for labels that match none.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from make_comparison import DATA, LINE, MARGIN, PANEL, ROOT, panel
from picture_facts import made
from PIL import Image, ImageDraw, ImageFont
from skimage.measure import regionprops

from napari_sam2_automask import load_model, segment
from napari_sam2_automask.evaluation.comparison import EXTRA, MISSED
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Side of a window in diameters of the image's objects, and windows drawn for each kind of failure.
WINDOW = 5.0
EACH = 2
KINDS = (
    "One label for several objects",
    "One object, several labels",
    "Small objects missed",
    "Labels where nothing was annotated",
)


def failures(labels: NDArray[np.int32], truth: NDArray[np.int32]) -> dict[str, list[tuple[float, float]]]:
    """Return the centres (y, x) of the failures of each kind."""
    shared = np.zeros((labels.max() + 1, truth.max() + 1), np.int64)
    np.add.at(shared, (labels, truth), 1)
    of_label, of_object = shared.sum(1), shared.sum(0)
    inside = shared / np.maximum(of_object, 1)  # share of the object that the label has
    mostly = shared / np.maximum(of_label, 1)[:, None]  # share of the label that lies in the object
    typical = np.median(of_object[1:][of_object[1:] > 0])
    objects = {r.label: r.centroid for r in regionprops(truth)}
    found = {r.label: r.centroid for r in regionprops(labels)}
    return {
        KINDS[0]: [found[k] for k in found if (inside[k, 1:] > 0.5).sum() >= 2],
        KINDS[1]: [objects[k] for k in objects if ((mostly[1:, k] > 0.5) & (inside[1:, k] > 0.1)).sum() >= 2],
        KINDS[2]: [
            objects[k] for k in objects if of_object[k] < typical / 2 and inside[1:, k].max(initial=0) < 0.2
        ],
        KINDS[3]: [found[k] for k in found if mostly[k, 0] > 0.9],
    }


def worst_window(
    places: list[tuple[float, float]], side: int, shape: tuple[int, ...]
) -> tuple[int, int, int]:
    """Return how many places the best window around one of them holds, and its corner."""
    best = (0, 0, 0)
    for y, x in places:
        top = int(np.clip(y - side / 2, 0, max(0, shape[0] - side)))
        left = int(np.clip(x - side / 2, 0, max(0, shape[1] - side)))
        held = sum(top <= v < top + side and left <= u < left + side for v, u in places)
        best = max(best, (held, top, left))
    return best


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--preset", default="balanced", choices=list(PRESETS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "failures.jpg")
    args = parser.parse_args()
    model = load_model(args.model)
    windows: dict[str, list[tuple[int, str, list[np.ndarray]]]] = {kind: [] for kind in KINDS}
    with (DATA / "index.csv").open(encoding="utf-8", newline="") as handle:
        entries = [r for r in csv.DictReader(handle) if r["gt_type"] == "instances"]
    for entry in entries:
        image = np.asarray(Image.open(DATA / entry["file"]))
        truth = np.asarray(Image.open(DATA / entry["label"])).astype(np.int32)
        view = to_model_view(image)
        labels = segment(image, PRESETS[args.preset], model).labels.astype(np.int32)
        areas = np.bincount(truth.ravel())[1:]
        side = int(min(max(WINDOW * 2 * np.sqrt(np.median(areas[areas > 0]) / np.pi), 80), *truth.shape))
        for kind, places in failures(labels, truth).items():
            held, top, left = worst_window(places, side, truth.shape)
            if not held:
                continue
            here = np.s_[top : top + side, left : left + side]
            empty = np.zeros((side, side), np.int32)
            panels = [
                panel(view[here], empty, empty, MISSED),
                panel(view[here], truth[here], labels[here], MISSED),
                panel(view[here], labels[here], truth[here], EXTRA),
            ]
            windows[kind].append((held, entry["modality"].split(" (")[0], panels))
    rows = [(kind, sorted(found, key=lambda w: -w[0])[:EACH]) for kind, found in windows.items() if found]
    width = EACH * 3 * (PANEL + MARGIN) + MARGIN
    page = Image.new("RGB", (width, len(rows) * (PANEL + LINE + MARGIN) + MARGIN), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, (kind, found) in enumerate(rows):
        y = MARGIN + number * (PANEL + LINE + MARGIN)
        for place, (_, modality, panels) in enumerate(found):
            for k, picture in enumerate(panels):
                x = MARGIN + (3 * place + k) * (PANEL + MARGIN)
                page.paste(Image.fromarray(picture), (x, y + LINE))
            words = f"{kind}: {modality} | ground truth | {PRESETS[args.preset].title}"
            draw.text((MARGIN + 3 * place * (PANEL + MARGIN), y), words, fill="black", font=font)
    page.save(args.out, quality=72)
    made(args.out)


if __name__ == "__main__":
    main()

"""Draw docs/images/comparison.jpg: images | ground truth | SAM 2 defaults | balanced | fine.

    python docs/make_comparison.py [--model NAME|FILE] [--out FILE] [--names NAME ...]

Outlines: blue where an object of the ground truth and a label match (IoU of at least 0.5), yellow for objects
missed, orange for labels that match none. The images lie in tests/data and were never trained on. With
`--model sam2.1-large`, or any other whose weights are on this disk, the same figure is made for that model.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from picture_facts import made
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries
from skimage.transform import resize

from napari_sam2_automask import load_model, segment
from napari_sam2_automask.evaluation.comparison import EXTRA, MATCHED, MISSED
from napari_sam2_automask.evaluation.score import f1, iou_matrix
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.settings.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
#: Six kinds of images and of trouble.
NAMES = (
    "S_dsb_a02ec007ae", "S_dsb_f26f4c2c70", "S_dsb_94519eb45c", "S_dsb_420f43d21d", "S_usi_31",
    "S_fac_IMG_0758",
)  # fmt: skip
COLUMNS = ("sam2-defaults", "balanced", "fine")
PANEL = 300
MARGIN = 6
LINE = 20


def panel(view: np.ndarray, labels: np.ndarray, other: np.ndarray, miss: tuple[int, int, int]) -> np.ndarray:
    """Draw the outlines of labels, coloured by whether the other image has the same objects."""
    good = iou_matrix(labels, other) >= 0.5
    matched = np.unique(labels[labels > 0])[good.any(1)] if good.size else []
    scale = PANEL / max(view.shape[:2])
    shape = [round(n * scale) for n in view.shape[:2]]
    out = resize(view, shape, anti_aliasing=scale < 1, preserve_range=True).astype(np.uint8)
    small = resize(labels, shape, order=0, preserve_range=True, anti_aliasing=False).astype(labels.dtype)
    edge = find_boundaries(small, mode="inner")
    out[edge] = miss
    out[edge & np.isin(small, matched)] = MATCHED
    return out


def row(name: str, model: object) -> tuple[list[np.ndarray], list[str]]:
    """Return the panels of one image and the words above them."""
    with (DATA / "index.csv").open(encoding="utf-8", newline="") as handle:
        entry = next(r for r in csv.DictReader(handle) if r["file"].startswith(name))
    image = np.asarray(Image.open(DATA / entry["file"]))
    truth = np.asarray(Image.open(DATA / entry["label"])).astype(np.int32)
    view = to_model_view(image)
    empty = np.zeros_like(truth)
    panels = [panel(view, empty, empty, MISSED)]
    words = [entry["modality"].split(" (")[0]]
    results = [segment(image, PRESETS[preset], model).labels.astype(np.int32) for preset in COLUMNS]
    panels.append(panel(view, truth, results[1], MISSED))
    words.append(f"ground truth: {len(np.unique(truth)) - 1} objects")
    for preset, labels in zip(COLUMNS, results, strict=True):
        panels.append(panel(view, labels, truth, EXTRA))
        score = f", F1 {f1(labels, truth):.2f}" if entry["gt_type"] == "instances" else ""
        words.append(f"{PRESETS[preset].title}: {len(np.unique(labels)) - 1}{score}")
    return panels, words


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "comparison.jpg")
    parser.add_argument("--names", nargs="+", default=NAMES)
    args = parser.parse_args()
    model = load_model(args.model)
    rows = [row(name, model) for name in args.names]
    heights = [LINE + panels[0].shape[0] + MARGIN for panels, _ in rows]
    width = len(rows[0][0]) * (PANEL + MARGIN) + MARGIN
    page = Image.new("RGB", (width, sum(heights) + MARGIN), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    y = MARGIN
    for (panels, words), height in zip(rows, heights, strict=True):
        for k, (picture, text) in enumerate(zip(panels, words, strict=True)):
            x = MARGIN + k * (PANEL + MARGIN)
            draw.text((x, y), text, fill="black", font=font)
            page.paste(Image.fromarray(picture), (x, y + LINE))
        y += height
    page.save(args.out, quality=68)
    made(args.out)


if __name__ == "__main__":
    main()

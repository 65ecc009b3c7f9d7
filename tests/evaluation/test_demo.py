"""The demo and its sample images."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from napari_sam2_automask.evaluation.comparison import (
    EXTRA,
    MATCHED,
    MISSED,
    compare_with_truth,
    draw_outlines,
)
from napari_sam2_automask.evaluation.demo import DEMO_PRESETS
from napari_sam2_automask.samples import samples

SHAPE = (60, 80)
RED = (255, 0, 0)


def test_the_samples_are_three_kinds_of_real_images_with_ground_truth_and_attribution():
    found = samples()
    assert len({sample.modality for sample in found}) >= 3
    total = 0
    for sample in found:
        image, truth = sample.image(), sample.truth()
        assert image.dtype == np.uint8 and truth.dtype == np.uint16
        assert image.shape[:2] == truth.shape
        assert len(np.unique(truth)) > 20
        assert sample.licence in ("CC0-1.0", "MIT", "CC-BY-4.0") and sample.source and sample.attribution
        total += sum(path.stat().st_size for path in sample.path.parent.glob(f"{sample.name}*"))
        text = (sample.path.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
        assert f"`{sample.name}*.png`" in text
    assert total < 2_000_000


def square(y0, x0, y1, x1, value=1, labels=None):
    labels = np.zeros(SHAPE, int) if labels is None else labels
    labels[y0:y1, x0:x1] = value
    return labels


def test_outlines_lie_inside_their_objects_and_nowhere_else():
    view = np.full((*SHAPE, 3), 100, np.uint8)
    labels = square(10, 20, 30, 50, 7)
    drawn = draw_outlines(view, labels, {7: RED})
    factor = drawn.shape[0] // SHAPE[0]
    assert drawn.shape == (SHAPE[0] * factor, SHAPE[1] * factor, 3)
    assert drawn.shape[1] >= 900
    inside = labels.repeat(factor, 0).repeat(factor, 1) > 0
    red = (drawn == RED).all(-1)
    assert red.any() and not red[~inside].any()
    assert (drawn[~inside] == 100).all()
    ys, xs = np.nonzero(red)
    assert (ys.min(), ys.max() + 1) == (10 * factor, 30 * factor)
    assert (xs.min(), xs.max() + 1) == (20 * factor, 50 * factor)
    assert not red[20 * factor, 35 * factor]


def test_touching_objects_are_told_apart():
    labels = square(10, 40, 30, 60, 2, square(10, 20, 30, 40, 1))
    drawn = draw_outlines(np.zeros((*SHAPE, 3), np.uint8), labels, {1: RED, 2: (0, 255, 0)})
    factor = drawn.shape[0] // SHAPE[0]
    row = drawn[20 * factor]
    assert tuple(row[40 * factor - 1]) == RED
    assert tuple(row[40 * factor]) == (0, 255, 0)


def colours_in(page):
    pixels = np.asarray(page)
    left, right = np.split(pixels[80:], [pixels.shape[1] // 2], axis=1)  # below the legend
    return [{c for c in (MATCHED, MISSED, EXTRA) if (half == c).all(-1).any()} for half in (left, right)]


@pytest.mark.parametrize(
    ("labels", "truth", "left", "right"),
    [
        (square(10, 20, 30, 50), square(11, 20, 30, 50), {MATCHED}, {MATCHED}),
        (square(40, 60, 50, 70), square(10, 20, 30, 50), {MISSED}, {EXTRA}),
        (np.zeros(SHAPE, int), square(10, 20, 30, 50), {MISSED}, set()),
        (square(10, 20, 30, 50), np.zeros(SHAPE, int), set(), {EXTRA}),
        (np.zeros(SHAPE, int), np.zeros(SHAPE, int), set(), set()),
    ],
    ids=["found", "missed and extra", "nothing found", "nothing there", "neither"],
)
def test_colours_say_what_was_found(labels, truth, left, right):
    page = compare_with_truth(np.zeros((*SHAPE, 3), np.uint8), labels, truth, "title")
    assert colours_in(page) == [left, right]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "napari_sam2_automask.cli", "demo", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_the_demo_prints_a_row_for_every_image_and_preset(demo):
    rows = [line for line in demo[1].splitlines() if any(f" {name} " in line for name in DEMO_PRESETS)]
    assert len(rows) == len(samples()) * len(DEMO_PRESETS)
    for word in ("image", "preset", "objects", "F1@0.5", "seconds"):
        assert word in demo[1]


@pytest.mark.parametrize("preset", DEMO_PRESETS)
@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_the_demo_writes_everything(demo, sample, preset):
    stem = demo[0] / f"{sample.name}_{preset}"
    labels = tifffile.imread(f"{stem}.labels.tif")
    table = pd.read_csv(f"{stem}.table.csv")
    record = json.loads((demo[0] / f"{stem.name}.record.json").read_text())
    coco = json.loads((demo[0] / f"{stem.name}.coco.json").read_text())
    assert labels.shape == sample.truth().shape
    assert record["preset"] == preset and record["model"]["name"] == "bundled"
    assert record["objects"] == len(table) == len(np.unique(labels[labels > 0])) > 0
    assert len(coco["annotations"]) >= len(table)
    with Image.open(f"{stem}.outlines.png") as picture:
        assert picture.size[0] > 2 * 900

"""The widget with the real engine: an untrained network on a small image, everything else as it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from napari.layers import Labels
from napari_kit import dock, finish, rows, run

from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.models import Model
from napari_sam2_automask.models.networks.bundled import build_bundled
from napari_sam2_automask.settings.amg import AmgSettings

IMAGE = np.random.default_rng(0).integers(0, 4000, (48, 64)).astype(np.uint16)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Model("bundled", build_bundled().eval(), torch.device("cpu"), "bundled", None, "bundled")


@pytest.fixture
def segmenter(model, monkeypatch):
    """Return the real segmenter, with a model that needs no file."""
    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: model)
    return EngineSegmenter()


def open_on(viewer, segmenter, **settings):
    widget = dock(viewer, segmenter)
    everything = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "points_per_side": 3}
    widget.form.show(AmgSettings(**{**everything, **settings}))
    widget.presets.choose("coarse", custom=True)
    return widget


def test_the_whole_way(make_napari_viewer_proxy, qtbot, segmenter):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE, name="noise", scale=(0.5, 0.25), units=("um", "um"))
    widget = open_on(viewer, segmenter, overlap="best_score")
    widget.run_panel.button.click()
    finish(qtbot, widget, timeout=120_000)
    labels = viewer.layers[-1]
    assert isinstance(labels.__wrapped__, Labels), widget.run_panel.status.text()
    ids = set(np.unique(labels.data)) - {0}
    assert ids
    assert ids == set(rows(labels)["index"])
    features = {
        "predicted_iou",
        "stability_score",
        "area",
        "area_um2",
        "bbox_y0",
        "point_x",
        "crop_x0",
        "mean_intensity",
    }
    assert features <= set(rows(labels).columns)
    record = labels.metadata[RECORD_KEY]
    assert AmgSettings.from_json(record["settings"]) == widget.form.settings
    assert record["preset"] == "custom (from coarse)"
    assert record["model"]["name"] == "bundled"
    assert record["device"] == "cpu"
    assert record["image"] == {
        "name": "noise",
        "sha256": image_hash(IMAGE),
        "shape": [48, 64],
        "dtype": "uint16",
    }
    assert {"torch", "sam2", "numpy"} <= set(record["packages"])
    assert "time" in record
    # What it took is known now.
    assert "guess" not in widget.presets.cost.text()


def test_a_cancel_in_the_middle_keeps_what_was_found(make_napari_viewer_proxy, qtbot, segmenter):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE, name="noise")
    widget = open_on(viewer, segmenter, points_per_side=64, box_nms_thresh=0.2)
    widget.run_panel.button.click()
    qtbot.waitUntil(lambda: "points" in widget.run_panel.status.text(), timeout=120_000)
    widget.cancel()
    finish(qtbot, widget)
    assert "Cancelled" in widget.run_panel.status.text()
    if len(viewer.layers) > 1:
        assert viewer.layers[-1].name.endswith("(partial)")
        assert viewer.layers[-1].metadata[RECORD_KEY]["viewer"]["complete"] is False


def test_thresholds_that_nothing_passes_are_named(make_napari_viewer_proxy, qtbot, segmenter):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE, name="noise")
    widget = open_on(viewer, segmenter, pred_iou_thresh=1.0)
    run(qtbot, widget)
    assert "predicted IoU 27" in widget.run_panel.status.text()


@pytest.mark.parametrize("kind", ["constant", "nan", "one pixel", "inf"])
def test_hopeless_images_get_an_answer(make_napari_viewer_proxy, qtbot, segmenter, kind):
    images = {
        "constant": np.full((30, 40), 7, np.int16),
        "nan": np.full((30, 40), np.nan, np.float32),
        "one pixel": np.ones((1, 1), np.uint8),
        "inf": np.full((30, 40), np.inf),
    }
    viewer = make_napari_viewer_proxy()
    viewer.add_image(images[kind], name="hopeless", contrast_limits=(0, 1))
    widget = open_on(viewer, segmenter)
    widget.images.restore("percentiles")
    run(qtbot, widget)
    status = widget.run_panel.status.text()
    assert "failed" not in status
    if kind in ("nan", "inf"):
        assert "no finite value" in status


@pytest.mark.display
def test_a_screenshot_of_the_window(make_napari_viewer, qtbot, segmenter, tmp_path):
    """The picture is kept where SAM2_AUTOMASK_ARTIFACTS says, to be looked at."""
    from napari_sam2_automask.samples import samples

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    viewer.add_image(samples()[0].image(), name=samples()[0].title)
    widget = open_on(viewer, segmenter, points_per_side=6)
    widget.parameters.expand(animate=False)
    qtbot.wait(100)
    widget.run_panel.button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
    qtbot.wait(100)
    folder = Path(os.environ.get("SAM2_AUTOMASK_ARTIFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    picture = viewer.screenshot(str(folder / "widget.png"), canvas_only=False, flash=False)
    assert picture.shape[0] >= 700
    # All of the widget's parts are there, and nothing is cut off at the side.
    for part in (widget.choices, widget.live, widget.images.more, widget.parameters, widget.run_panel):
        assert part.isVisible()
    viewport = widget._scroll.viewport()
    assert widget._scroll.widget().width() <= viewport.width()

"""The layer follows the settings after a run; edits stay; what needs a run says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from candidate_factory import random_candidates
from napari_kit import dock, finish

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask._napari.outcome import PlaneResult
from napari_sam2_automask._napari.result import RECORD_KEY
from napari_sam2_automask.live import LiveSelection
from napari_sam2_automask.preset_file import load_preset

LOW = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
SHAPE = (80, 100)


class BlobSegmenter:
    """Finds the same blobs in every image, with room below the thresholds."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, plane, request, progress):
        self.runs += 1
        own = LOW.replace(points_per_side=request.settings.points_per_side)
        candidates = random_candidates(SHAPE, 60, seed=2, settings=own)
        live = LiveSelection(candidates)
        live.prepare()
        painted = paint(select(candidates, request.settings), record={"settings": {}})
        return PlaneResult(painted.labels, painted.table, painted.record, {}, True, "cpu", live)


@pytest.fixture
def live(make_napari_viewer, qtbot):
    """A viewer in which a run has ended; the widget, and the layer that follows."""
    viewer = make_napari_viewer()
    viewer.add_image(np.random.default_rng(0).random(SHAPE), name="cells")
    widget = dock(viewer, BlobSegmenter())
    widget.form.show(LOW.replace(pred_iou_thresh=0.7))
    assert widget.live.isHidden()
    widget.run_panel.button.click()
    finish(qtbot, widget)
    assert not widget.live.isHidden()
    return widget, viewer.layers[-1]


def move(qtbot, widget, name, value):
    """Move a slider as a person does, and wait until the labels have followed."""
    widget.form.widgets[name].value = value
    qtbot.waitUntil(lambda: widget.live._shown == widget.form.settings, timeout=5000)


def expected(widget):
    follower = widget.live.live_layer
    return paint(select(follower.candidates, widget.form.settings)).labels


def test_labels_follow_every_slider(live, qtbot):
    widget, layer = live
    before = layer.data.copy()
    for name, value in [
        ("pred_iou_thresh", 0.9),
        ("stability_score_thresh", 0.8),
        ("box_nms_thresh", 0.3),
        ("min_area", 60),
        ("nested", "choose"),
        ("granularity", 0.2),
        ("overlap", "large_on_top"),
        ("mask_threshold", 0.5),
    ]:
        if name == "mask_threshold":
            move(qtbot, widget, "stability_score_offset", 0.5)
        move(qtbot, widget, name, value)
        np.testing.assert_array_equal(layer.data, expected(widget))
    assert (layer.data != before).any()
    assert widget.live.count.text().startswith(f"{len(np.unique(layer.data)) - 1} objects of ")
    assert "predicted IoU" in widget.live.removed.text()
    assert not widget.running


def test_features_and_record_follow(live, qtbot):
    widget, layer = live
    with qtbot.waitSignal(widget.following.told, timeout=5000):
        move(qtbot, widget, "pred_iou_thresh", 0.85)
    candidates = widget.live.live_layer.candidates
    image = widget.images.layer.data
    painted = paint(select(candidates, widget.form.settings), image=image)
    columns = list(layer.features.columns)
    assert columns == list(painted.table.columns)
    pd.testing.assert_frame_equal(layer.features, painted.table, check_dtype=False)
    record = layer.metadata[RECORD_KEY]
    assert record["settings"]["pred_iou_thresh"] == 0.85
    assert record["objects"] == len(painted.table)
    assert record["removed"] == painted.record["removed"]
    assert widget.live.count.text().startswith(f"{len(painted.table)} objects of ")


def test_a_painted_object_has_a_row_without_scores(live, qtbot):
    widget, layer = live
    layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900)
    with qtbot.waitSignal(widget.following.told, timeout=5000):
        move(qtbot, widget, "pred_iou_thresh", 0.85)
    row = layer.features.set_index("index").loc[900]
    assert row["area"] == 3
    assert row[["bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"]].tolist() == [3, 5, 5, 7]
    assert np.isnan(row["predicted_iou"])
    assert row["mean_intensity"] == pytest.approx(widget.images.layer.data[[3, 3, 4], [5, 6, 5]].mean())


def test_undo_and_before_and_after(live, qtbot):
    widget, layer = live
    ran = layer.data.copy()
    move(qtbot, widget, "pred_iou_thresh", 0.8)
    first = layer.data.copy()
    move(qtbot, widget, "pred_iou_thresh", 0.95)
    second = layer.data.copy()
    widget.live.undo.click()
    qtbot.waitUntil(lambda: widget.form.settings.pred_iou_thresh == 0.8 == widget.live._shown.pred_iou_thresh)
    np.testing.assert_array_equal(layer.data, first)
    move(qtbot, widget, "pred_iou_thresh", 0.95)
    widget.live.before.click()
    qtbot.waitUntil(lambda: widget.live._shown.pred_iou_thresh == 0.7)
    np.testing.assert_array_equal(layer.data, ran)
    widget.live.before.click()
    qtbot.waitUntil(lambda: widget.live._shown.pred_iou_thresh == 0.95)
    np.testing.assert_array_equal(layer.data, second)


def test_below_the_floor_a_run_is_offered_and_the_layer_stays(live, qtbot):
    widget, layer = live
    before = layer.data.copy()
    widget.form.widgets["pred_iou_thresh"].value = 0.2
    qtbot.waitUntil(lambda: "propose again" in widget.live.message.text(), timeout=5000)
    assert not widget.live.again.isHidden()
    np.testing.assert_array_equal(layer.data, before)
    widget.form.widgets["pred_iou_thresh"].value = 0.6
    qtbot.waitUntil(lambda: widget.live.message.text() == "", timeout=5000)
    assert widget.live.again.isHidden()
    np.testing.assert_array_equal(layer.data, expected(widget))


def test_a_stroke_locks_what_it_touches(live, qtbot):
    widget, layer = live
    drawn = 900
    layer.selected_label = drawn
    layer.brush_size = 9
    layer.paint((20, 30), drawn)
    follower = widget.live.live_layer
    assert drawn in follower.locked
    mine = np.isin(layer.data, list(follower.locked))
    kept = layer.data[mine].copy()
    for value in (0.95, 0.55, 0.8):
        move(qtbot, widget, "pred_iou_thresh", value)
        np.testing.assert_array_equal(layer.data[mine], kept)
        assert not np.isin(layer.data[~mine], list(follower.locked)).any()
    assert "locked" in widget.live.count.text()


def test_a_preset_goes_into_a_file_and_back(live, qtbot, tmp_path, monkeypatch):
    widget, _ = live
    path = str(tmp_path / "mine.json")
    chooser = "napari_sam2_automask._napari.live_panel.QFileDialog"
    monkeypatch.setattr(f"{chooser}.getSaveFileName", lambda *a: (path, ""))
    monkeypatch.setattr(f"{chooser}.getOpenFileName", lambda *a: (path, ""))
    move(qtbot, widget, "pred_iou_thresh", 0.88)
    widget.live.save.click()
    assert load_preset(path).settings.pred_iou_thresh == 0.88
    move(qtbot, widget, "pred_iou_thresh", 0.6)
    widget.live.load.click()
    qtbot.waitUntil(lambda: widget.live._shown.pred_iou_thresh == 0.88, timeout=5000)
    assert widget.form.settings.pred_iou_thresh == 0.88

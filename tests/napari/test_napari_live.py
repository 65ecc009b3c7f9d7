"""The layer follows the settings after a run; edits stay; what needs a run says so."""

from __future__ import annotations

import threading
import time

import numpy as np
import pandas as pd
import pytest
from napari_kit import move

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.settings.preset_file import load_preset


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
    assert widget.live.count.text().startswith(f"{len(np.unique(layer.data)) - 1} object")
    assert "predicted IoU" in widget.live.removed.text()
    assert not widget.running


def test_features_and_record_follow(live, qtbot):
    widget, layer = live
    with qtbot.waitSignal(widget.following.told):
        move(qtbot, widget, "pred_iou_thresh", 0.85)
    candidates = widget.live.live_layer.candidates
    image = widget.images.layer.data
    painted = paint(select(candidates, widget.form.settings), image=image)
    columns = list(layer.features.columns)
    assert columns == list(painted.table.columns)
    pd.testing.assert_frame_equal(objects_of(layer.features), painted.table, check_exact=True)
    record = layer.metadata[RECORD_KEY]
    assert record["settings"]["pred_iou_thresh"] == 0.85
    assert record["objects"] == len(painted.table)
    assert record["removed"] == painted.record["removed"]
    assert widget.live.count.text().startswith(f"{len(painted.table)} object")


def test_a_painted_object_has_a_row_without_scores(live, qtbot):
    widget, layer = live
    layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900)
    with qtbot.waitSignal(widget.following.told):
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
    qtbot.waitUntil(lambda: "needs another run" in widget.live.message.text())
    assert not widget.live.again.isHidden()
    np.testing.assert_array_equal(layer.data, before)
    widget.form.widgets["pred_iou_thresh"].value = 0.6
    qtbot.waitUntil(lambda: widget.live.message.text() == "")
    assert widget.live.again.isHidden()
    np.testing.assert_array_equal(layer.data, expected(widget))


def test_a_stroke_locks_what_it_touches(live, qtbot):
    widget, layer = live
    drawn = 900
    layer.selected_label = drawn
    layer.brush_size = 9
    layer.paint((20, 30), drawn)
    follower = widget.live.live_layer
    qtbot.waitUntil(lambda: drawn in follower.locked)
    mine = np.isin(layer.data, list(follower.locked))
    kept = layer.data[mine].copy()
    for value in (0.95, 0.55, 0.8):
        move(qtbot, widget, "pred_iou_thresh", value)
        np.testing.assert_array_equal(layer.data[mine], kept)
        assert not np.isin(layer.data[~mine], list(follower.locked)).any()
    assert "locked" in widget.mend.locked.text()


def test_a_preset_goes_into_a_file_and_back(live, qtbot, tmp_path, monkeypatch):
    widget, _ = live
    path = str(tmp_path / "mine.json")
    room = "napari_sam2_automask._napari.settings.preset_files"
    monkeypatch.setattr(f"{room}.QFileDialog.getSaveFileName", lambda *a: (path, ""))
    monkeypatch.setattr(f"{room}.QFileDialog.getOpenFileName", lambda *a: (path, ""))
    monkeypatch.setattr(f"{room}.QInputDialog.getText", lambda *a: ("For dim nuclei.", True))
    move(qtbot, widget, "pred_iou_thresh", 0.88)
    widget.preset_files.save.click()
    saved = load_preset(path)
    assert saved.settings == widget.form.settings
    assert (saved.name, saved.purpose) == ("mine", "For dim nuclei.")
    move(qtbot, widget, "pred_iou_thresh", 0.6)
    widget.preset_files.load.click()
    qtbot.waitUntil(lambda: widget.live._shown.pred_iou_thresh == 0.88)
    assert widget.form.settings.pred_iou_thresh == 0.88


def test_of_settings_that_come_at_once_the_last_are_shown(live, qtbot, monkeypatch):
    widget, layer = live
    seen, update = [], LiveSelection.update

    def slow(self, settings):
        seen.append((settings.pred_iou_thresh, threading.current_thread() is threading.main_thread()))
        time.sleep(0.05)
        return update(self, settings)

    monkeypatch.setattr(LiveSelection, "update", slow)
    values = np.round(np.linspace(0.6, 0.95, 30), 3).tolist()
    for value in values:
        widget.form.widgets["pred_iou_thresh"].value = value
        qtbot.wait(5)
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings)
    np.testing.assert_array_equal(layer.data, expected(widget))
    assert seen[-1] == (values[-1], False) and 1 < len(seen) < len(values)
    assert not any(main for _, main in seen)


def test_a_stroke_while_labels_are_being_made_stays(live, qtbot, monkeypatch):
    widget, layer = live
    begun, go_on, update = threading.Event(), threading.Event(), LiveSelection.update

    def waiting(self, settings):
        begun.set()
        go_on.wait(5)
        return update(self, settings)

    monkeypatch.setattr(LiveSelection, "update", waiting)
    widget.form.widgets["pred_iou_thresh"].value = 0.9
    qtbot.waitUntil(begun.is_set)
    layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900)
    go_on.set()
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings)
    assert (layer.data == 900).sum() == 3
    follower = widget.live.live_layer
    assert 900 in follower.locked
    np.testing.assert_array_equal(layer.data, follower.live.labels)
    assert follower.change.settings == widget.form.settings

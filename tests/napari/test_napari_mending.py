"""What a person does to objects in the viewer stays done; table, record and files say so."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pandas as pd
import pytest
from napari_kit import move, run, settled

from napari_sam2_automask._napari.contributions.save_labels import write_labels
from napari_sam2_automask._napari.layers.features import numbered, objects_of, remeasured
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.mending import Mends


def largest(layer, count=3):
    return (np.bincount(layer.data.ravel())[1:].argsort()[::-1][:count] + 1).tolist()


def fits(table, labels):
    """Tell whether a table has a row for each object of a label image, with its area and box."""
    areas = np.bincount(labels.ravel())
    assert table["index"].tolist() == (np.flatnonzero(areas[1:]) + 1).tolist()
    assert table["area"].tolist() == areas[table["index"]].tolist()
    for row in table.itertuples():
        y, x = np.nonzero(labels == row.index)
        assert (row.bbox_y0, row.bbox_x0, row.bbox_y1, row.bbox_x1) == (
            y.min(),
            x.min(),
            y.max() + 1,
            x.max() + 1,
        )


def fill(layer, old, new):
    y, x = np.argwhere(layer.data == old)[0]
    layer.fill((y, x), new)


def write_and_refresh(layer):
    layer.data[2:9, 3:12] = 950
    layer.refresh()


EDITS = {
    "brush": lambda layer: layer.paint((20, 30), 900),
    "fill": lambda layer: fill(layer, largest(layer)[0], largest(layer)[1]),
    "erase": lambda layer: fill(layer, largest(layer)[0], 0),
    "data": lambda layer: setattr(layer, "data", np.where(layer.data == largest(layer)[0], 800, layer.data)),
    "setitem": lambda layer: layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900),
    "refresh": write_and_refresh,
}


@pytest.mark.parametrize("how", EDITS)
def test_table_and_files_are_right_after_any_edit(live, qtbot, tmp_path, how):
    widget, layer = live
    before = layer.data.copy()
    EDITS[how](layer)
    # What is saved at once is right; so is the table soon.
    data, meta, _ = layer.as_layer_data_tuple()
    files = write_labels(str(tmp_path / "now.tif"), data, meta)
    fits(pd.read_csv(next(file for file in files if file.endswith(".csv"))), layer.data)
    begun = time.monotonic()
    qtbot.waitUntil(lambda: "edited" in layer.features)
    assert time.monotonic() - begun < 2
    table = objects_of(layer.features)
    fits(table, layer.data)
    changed = layer.data != before
    touched = np.union1d(layer.data[changed], before[changed])
    edited = table[table["index"].isin(touched)]
    assert (edited["edited"] == "painted").all()
    assert edited["predicted_iou"].isna().all()
    others = table[~table["index"].isin(touched)]
    assert others["edited"].isna().all()
    assert others["predicted_iou"].notna().all()
    assert len(widget.live.live_layer.mends.steps) == 1


def test_undo_takes_paint_mends_and_sliders_back_one_by_one(live, qtbot):
    widget, layer = live
    images = [layer.data.copy()]

    def then():
        settled(qtbot, widget)
        images.append(layer.data.copy())

    layer.paint((20, 30), 900)
    then()
    move(qtbot, widget, "pred_iou_thresh", 0.8)
    then()
    first, second, third = largest(layer)
    widget.live.mend(lambda mends: mends.remove(first))
    then()
    widget.live.mend(lambda mends: mends.split(second, seeds=_two_pixels(mends, second)))
    then()
    for image in images[-2::-1]:
        widget.live.undo.click()
        settled(qtbot, widget)
        np.testing.assert_array_equal(layer.data, image)
    assert widget.form.settings.pred_iou_thresh == 0.7
    assert not widget.live.undo.isEnabled()
    for image in images[1:]:
        widget.live.redo.click()
        settled(qtbot, widget)
        np.testing.assert_array_equal(layer.data, image)
    assert widget.form.settings.pred_iou_thresh == 0.8
    assert third in layer.data


def _two_pixels(mends, label):
    y, x = np.nonzero(mends.labels == label)
    return [(y[0], x[0]), (y[-1], x[-1])]


def test_a_row_of_the_features_is_its_object(live, qtbot):
    widget, layer = live
    assert layer.features["index"].tolist() == [*range(layer.data.max() + 1)]
    widget.live.mend(
        lambda mends: mends.add(
            mask=np.pad(np.ones((4, 4), bool), ((0, layer.data.shape[0] - 4), (0, layer.data.shape[1] - 4)))
        )
    )
    settled(qtbot, widget)
    assert layer.features["index"].tolist() == [*range(layer.data.max() + 1)]
    empty = ~layer.features["index"].isin(np.unique(layer.data))
    assert layer.features[empty].drop(columns="index").isna().all(axis=None)


def test_the_status_bar_tells_nothing_of_the_background(live, qtbot):
    _, layer = live
    y, x = np.argwhere(layer.data == 0)[0].tolist()
    assert "NA" not in str(layer.get_status((y, x), world=False))
    y, x = np.argwhere(layer.data > 0)[0].tolist()
    assert "predicted_iou" in str(layer.get_status((y, x), world=False))


def test_what_cannot_be_done_is_said(live, qtbot):
    widget, layer = live
    before = layer.data.copy()
    with qtbot.waitSignal(widget.live.not_mended) as told:
        widget.live.mend(lambda mends: mends.remove(60_000))
    assert "no object 60000" in told.args[0]
    np.testing.assert_array_equal(layer.data, before)


def test_labels_that_are_none_are_not_taken_and_those_of_another_shape_end_it(live, qtbot):
    widget, layer = live
    before, first = layer.data.copy(), largest(layer)[0]
    for wrong in (-5, 2**40):
        said = []
        widget.live.not_mended.connect(said.append)
        layer.data = np.where(before == first, wrong, before.astype(np.int64))
        qtbot.waitUntil(lambda said=said: bool(said))
        assert "number the objects anew. The layer has the labels of before again" in said[0]
        settled(qtbot, widget)
        np.testing.assert_array_equal(layer.data, before)
        fits(objects_of(layer.features), before)
    small = np.minimum(before, 100).astype(np.int8)
    small[:4, :4] = 127
    layer.data = small
    qtbot.waitUntil(lambda: 127 in objects_of(layer.features)["index"].tolist())
    layer.data = before[:-10]
    widget.live.mend(lambda mends: mends.remove(first))  # before it is noticed
    qtbot.waitUntil(lambda: widget.live.live_layer is None)
    assert widget.result.isHidden() and layer.data.shape == before[:-10].shape


def test_mends_stay_through_another_run(live, qtbot):
    widget, layer = live
    first, second, _ = largest(layer)
    layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900)
    widget.live.mend(lambda mends: mends.remove(first))
    widget.live.mend(lambda mends: mends.lock(second))
    settled(qtbot, widget)
    ground, locked = widget.live.live_layer.mends.ground, layer.data == second
    edited = list(widget.live.live_layer.mends.edited.values())
    assert {"locked", "painted"} == set(edited)
    widget.form.show(widget.form.settings.replace(points_per_side=5))
    run(qtbot, widget)
    settled(qtbot, widget)
    new = widget.live.live_layer
    assert new.layer is not layer
    labels = new.layer.data
    assert not labels[ground].any()
    assert len(np.unique(labels[locked])) == 1 and labels[locked][0] in new.locked
    assert (labels == labels[3, 5]).sum() == 3
    assert labels[3, 5] > len(new.candidates)
    assert sorted(new.mends.edited.values()) == sorted(edited)


def test_mends_of_another_image_stay_there(live, qtbot):
    widget, layer = live
    widget.live.mend(lambda mends: mends.remove(largest(layer)[0]))
    settled(qtbot, widget)
    viewer = widget._viewer
    viewer.add_image(np.random.default_rng(1).random((60, 80)), name="others")
    run(qtbot, widget)
    settled(qtbot, widget)
    assert widget.live.live_layer.layer is not layer
    assert widget.live.live_layer.mends.steps == ()


def test_a_preview_is_asked_for_without_a_change(live, qtbot):
    widget, layer = live
    found = []
    label = largest(layer)[0]
    point = tuple(np.argwhere(layer.data == label)[0].tolist())
    widget.live.look(lambda mends: mends.label_at(point), found.append)
    widget.live.look(lambda mends: mends.label_at((-5, 0)), found.append)
    qtbot.waitUntil(lambda: len(found) == 2)
    assert found[0] == label
    assert "outside the image" in str(found[1])


def test_a_layer_that_no_longer_follows_is_saved_as_it_is(live, qtbot, tmp_path):
    widget, layer = live
    widget.following.end()
    first, second, _ = largest(layer)
    fill(layer, first, second)
    layer.paint((1, 1), 900)
    data, meta, _ = layer.as_layer_data_tuple()
    files = write_labels(str(tmp_path / "cells.tif"), data, meta)
    table = pd.read_csv(next(file for file in files if file.endswith(".csv")))
    fits(table, layer.data)
    painted = table["edited"] == "painted"
    assert {second, 900} <= set(table["index"][painted])
    assert table["predicted_iou"][painted].isna().all() and table["predicted_iou"][~painted].notna().all()


def test_numbers_and_back():
    table = pd.DataFrame({"index": [2, 5], "area": [7, 9], "predicted_iou": [0.5, np.nan]})
    every = numbered(table)
    assert every["index"].tolist() == [0, 1, 2, 3, 4, 5]
    assert every["area"].isna().tolist() == [True, True, False, True, True, False]
    pd.testing.assert_frame_equal(objects_of(every), table)
    for other in (
        pd.DataFrame({"index": [2, 2], "area": [7, 9]}),
        pd.DataFrame({"index": [2_000_000], "area": [7]}),
        pd.DataFrame({"area": [7]}),
        pd.DataFrame({"index": ["a"], "area": [7]}),
    ):
        pd.testing.assert_frame_equal(numbered(other), other)


def test_a_table_fits_labels_that_were_painted_since():
    labels = np.zeros((20, 30), int)
    labels[2:6, 2:6], labels[10:15, 3:9], labels[3:8, 20:25] = 1, 2, 4
    table = pd.DataFrame(
        {
            "index": [1, 2, 4],
            "predicted_iou": [0.9, 0.8, 0.7],
            "area": [16, 30, 25],
            "bbox_y0": [2, 10, 3],
            "bbox_x0": [2, 3, 20],
            "bbox_y1": [6, 15, 8],
            "bbox_x1": [6, 9, 25],
        }
    )
    pd.testing.assert_frame_equal(remeasured(table, labels), table)
    labels[10:12], labels[labels == 4], labels[18:, 28:] = 2, 0, 9
    found = remeasured(table, labels)
    fits(found, labels)
    assert found["edited"].isna().tolist() == [True, False, False]
    assert found["predicted_iou"].isna().tolist() == [False, True, True]


def test_a_table_of_a_stack_loses_rows_of_what_is_gone():
    table = pd.DataFrame(
        {"index": [1, 2], "z": [0, 1], "area": [4, 4], "bbox_y0": 0, "bbox_x0": 0, "bbox_y1": 2, "bbox_x1": 2}
    )
    labels = np.zeros((2, 4, 4), int)
    labels[1, :2, :2] = 2
    assert remeasured(table, labels)["index"].tolist() == [2]


def test_the_mends_work_outside_of_the_viewer(live):
    widget, layer = live
    assert isinstance(widget.live.live_layer.mends, Mends)
    np.testing.assert_array_equal(widget.live.live_layer.mends.labels, layer.data)


@pytest.mark.parametrize("how", ["saved", "closed"])
def test_a_record_has_what_was_done_a_moment_ago(viewer, live, qtbot, tmp_path, how):
    """The table takes its time; who saves or closes before it is there has a record that repeats all."""
    widget, layer = live
    label = int(np.unique(layer.data)[1])
    with qtbot.waitSignal(widget.live.mended):
        widget.live.mend(lambda mends: mends.remove(label))
    if how == "closed":
        widget.following.close()
        record = layer.metadata[RECORD_KEY]
    else:
        data, meta, _ = layer.as_layer_data_tuple()
        write_labels(str(tmp_path / "a.tif"), data, meta)
        record = json.loads((tmp_path / "a.record.json").read_text())
    assert record["mends"]["steps"] == [{"action": "remove", "labels": [label]}]
    assert record["objects"] == len(np.unique(layer.data)) - 1


def test_settings_that_are_in_force_when_it_is_their_turn_are_no_step(live, qtbot):
    widget, layer = live
    panel, gate, label = widget.live, threading.Event(), largest(layer)[0]
    panel.mend(lambda mends: mends.remove(label) if gate.wait(30) else None)
    panel.follow(panel.shown)
    qtbot.waitUntil(lambda: panel._pending is None)
    assert panel.work.busy
    gate.set()
    qtbot.waitUntil(lambda: not panel.work.busy)
    assert [step.action for step in panel.live_layer.mends.steps] == ["remove"]
    panel.undo_last()
    qtbot.waitUntil(lambda: not panel.work.busy)
    assert (layer.data == label).any()

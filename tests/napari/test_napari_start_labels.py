"""Labels that are there already are mended without a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from candidate_factory import random_candidates
from napari_kit import LOW, SHAPE, BlobSegmenter, copied, dock, finish, move, run

from napari_sam2_automask import pipeline
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.contributions.save_labels import write_labels
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.live.panel import NO_RUN
from napari_sam2_automask._napari.mend.autosave import FOLDER
from napari_sam2_automask._napari.mend.canvas import NOTHING_TO_FOLLOW
from napari_sam2_automask._napari.run import run_request
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.geometry.placed import Placed
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.replay import replay

SQUARE = np.ones((5, 5), bool)


class Askable(BlobSegmenter):
    """Answers with a square around the first click."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def __call__(self, plane, request, progress):
        found = super().__call__(plane, request, progress)
        in_stack = bool(request.source.other_axes)
        return replace(found, live=None, candidates=found.live.candidates) if in_stack else found

    def attach(self, request, live, read):
        def ask(points, on, box, mask):
            self.asked += 1
            assert read().shape[:2] == SHAPE
            y, x = (round(value) for value in points[0])
            return Placed.at(y - 2, x - 2, SQUARE), 0.875

        live.ask = ask


def cellpose():
    labels = np.zeros(SHAPE, np.int64)
    labels[5:20, 5:30], labels[40:60, 10:40], labels[30:50, 60:90] = 3, 7, 500
    return labels


def opened(viewer, store=None):
    """Open an image and labels; return the widget, what segments, and the layer of the labels."""
    viewer.add_image(np.random.default_rng(0).random(SHAPE), name="cells")
    layer = viewer.add_labels(cellpose(), name="cellpose")
    segmenter = Askable()
    widget = dock(viewer, segmenter, store)
    widget.form.show(LOW.replace(pred_iou_thresh=0.7))
    return widget, segmenter, layer


def begin(qtbot, widget):
    """Press the button; return the layer of the result."""
    widget.start_labels.click()
    assert widget.running, widget.run_panel.status.text()
    finish(qtbot, widget)
    assert widget.live.live_layer is not None, widget.run_panel.status.text()
    return widget.live.live_layer.layer


def mend(qtbot, widget, *acts):
    for act in acts:
        with qtbot.waitSignal(widget.live.mended):
            widget.live.mend(act)


def settled(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.live._work.busy and not widget.live._rest.isActive())
    qtbot.waitUntil(lambda: not widget.following.tables.busy)


def test_one_press_and_no_run(viewer, qtbot, monkeypatch):
    widget, segmenter, own = opened(viewer)
    assert not widget.start_labels.isHidden() and widget.start_labels.menu() is None
    layer = begin(qtbot, widget)
    assert segmenter.runs == segmenter.asked == 0
    assert layer is not own and not own.visible and layer.visible
    np.testing.assert_array_equal(layer.data, cellpose())
    np.testing.assert_array_equal(own.data, cellpose())
    assert widget.start_labels.isHidden()
    live = widget.live
    assert live.message.text() == NO_RUN and live.count.text() == "3 objects"
    assert live.sliders.isHidden() and live.before.isHidden() and widget.result.examples.isHidden()
    assert "3 objects of cellpose" in widget.run_panel.status.text()
    table = objects_of(layer.features)
    assert table["index"].tolist() == [3, 7, 500]
    assert table["area"].tolist() == [375, 600, 600]
    # Removed, split, and one that the model is asked for; the settings change nothing.
    mend(qtbot, widget, lambda m: m.remove(3), lambda m: m.split(7, stroke=[(38, 25), (62, 25)]))
    widget.form.widgets["pred_iou_thresh"].value = 0.3
    widget.mend.take("add")
    widget.mend.canvas.click((70.0, 80.0))
    qtbot.waitUntil(lambda: widget.mend.canvas.asking.placed is not None)
    with qtbot.waitSignal(live.mended):
        widget.mend.canvas.apply()
    expected = cellpose()
    expected[expected == 3] = 0
    # The line itself goes to the part that it leaves larger or to the other: no pixel is lost.
    assert (np.isin(layer.data, [7, 501]) == (expected == 7)).all() and {7, 501} <= set(np.unique(layer.data))
    assert (layer.data == 502).sum() == 25 and layer.data[70, 80] == 502
    settled(qtbot, widget)
    table = objects_of(layer.features).set_index("index")
    assert table["edited"].to_dict() == {7: "split", 500: "painted", 501: "split", 502: "added"}
    assert table["predicted_iou"][502] == 0.875 and segmenter.runs == 0
    # Whatever the model of a replay finds: the labels are the same.
    record = Record.of(json.loads(json.dumps(layer.metadata[RECORD_KEY])))

    def found(views, settings, model, **how):
        return random_candidates(SHAPE, 60, seed=4, settings=settings)

    monkeypatch.setattr(pipeline, "propose_views", found)
    image = viewer.layers["cells"].data
    again = pipeline.segment_picture(
        LoadedImage(image, False), record.settings, None, proposal=record.proposal, mends=record.mends
    )
    np.testing.assert_array_equal(again.labels, layer.data)
    lines = {"viewer": viewer}
    monkeypatch.setattr("napari_sam2_automask.load_model", lambda name: name)
    monkeypatch.setattr(
        "napari_sam2_automask.propose", lambda image, settings, *_, **__: found(None, settings, None)
    )
    exec(copied(widget.copies.python), lines)
    np.testing.assert_array_equal(lines["mends"].labels, layer.data)
    # Nothing is given back to settings that choose nothing.
    widget.mend.canvas.choose(500)
    widget.mend.canvas.lock()
    assert widget.mend.release.isHidden() and NOTHING_TO_FOLLOW in widget.mend.message.text()
    # Undo goes back to what was opened.
    for _ in range(3):
        mend(qtbot, widget, lambda m: m.undo())
    np.testing.assert_array_equal(layer.data, cellpose())


def test_a_run_afterwards_keeps_the_objects(viewer, qtbot):
    widget, segmenter, _ = opened(viewer)
    first = begin(qtbot, widget)
    mend(qtbot, widget, lambda m: m.remove(500))
    run(qtbot, widget)
    settled(qtbot, widget)
    layer = widget.live.live_layer.layer
    assert segmenter.runs == 1 and layer is not first
    assert not widget.live.sliders.isHidden() and not widget.result.examples.isHidden()
    own = cellpose()
    for label in (3, 7):
        (number,) = np.unique(layer.data[own == label])
        assert (
            number in widget.live.live_layer.locked and (layer.data == number).sum() == (own == label).sum()
        )
    assert not layer.data[own == 500].any() and len(np.unique(layer.data)) > 3
    move(qtbot, widget, "pred_iou_thresh", 0.6)
    assert (layer.data[own == 3] > 0).all()


def crash(qtbot, widget, store):
    """Close the widget, and leave behind what was kept of the mends, which only a crash does."""
    widget.result.autosave.keep()
    folder = store.folder / FOLDER
    qtbot.waitUntil(lambda: bool(list(folder.glob("*.json"))))
    (path,) = folder.glob("*.json")
    left = path.read_text()
    widget.shut_down()
    path.write_text(left)


def test_what_a_crash_left_is_offered_again(make_napari_viewer, qtbot, tmp_path):
    store = Store(tmp_path / "settings" / "choices.json")
    widget, _, _ = opened(make_napari_viewer(), store)
    layer = begin(qtbot, widget)
    qtbot.waitUntil(lambda: widget.result.autosave.path is not None)
    widget.result.autosave.keep()
    mend(qtbot, widget, lambda m: m.remove(3), lambda m: m.split(7, stroke=[(38, 25), (62, 25)]))
    labels = layer.data.copy()
    crash(qtbot, widget, store)
    widget, _, _ = opened(make_napari_viewer(), store)
    layer = begin(qtbot, widget)
    saves = widget.result.autosave
    qtbot.waitUntil(lambda: not saves.isHidden())
    assert "2 steps are kept" in saves.question.text()
    mend(qtbot, widget, lambda m: m.merge(500, 7))
    with qtbot.waitSignal(widget.live.mended):
        saves.yes.click()
    # What was mended since comes on top.
    own = cellpose()
    assert not layer.data[own == 3].any()
    assert len(np.unique(layer.data[own >= 7])) == 1
    mend(qtbot, widget, lambda m: m.undo())
    np.testing.assert_array_equal(layer.data > 0, labels > 0)
    np.testing.assert_array_equal(layer.data == 501, labels == 501)


def test_what_cannot_be_mended_is_not_offered_or_said(viewer, qtbot):
    widget, _, own = opened(viewer)
    button = widget.start_labels
    other = viewer.add_labels(np.zeros(SHAPE, int), name="empty")
    assert [action.text() for action in button.menu().actions()] == ["empty", "cellpose"]
    button.menu().actions()[0].trigger()  # of several layers the one that was chosen is taken
    finish(qtbot, widget)
    assert "'empty' holds no object" in widget.run_panel.status.text()
    viewer.layers.remove(own)
    assert button.menu() is None and button.others == [other]
    button.click()
    finish(qtbot, widget)
    assert "'empty' holds no object" in widget.run_panel.status.text()
    assert widget.live.live_layer is None and not button.isHidden()
    viewer.layers.remove(other)
    viewer.add_labels(np.ones((7, 9), int), name="small")
    assert button.isHidden()


STACK = (3, *SHAPE)


def of_stack():
    """Return labels of three planes: an object in two of them, one of a large number, a plane without any."""
    labels = np.zeros(STACK, np.int64)
    labels[0, 5:20, 5:30], labels[1, 6:21, 5:30] = 7, 7
    labels[0, 40:60, 10:40], labels[0, 30:50, 60:90] = 3, 900_000_000
    return labels


def opened_stack(viewer, store=None, labels=None, axes=(0, 1, 2)):
    """Open a stack and labels, of which any axis may be that of the planes."""
    pixels = np.random.default_rng(0).random(STACK)
    viewer.add_image(pixels.transpose(axes), name="stack", rgb=False)
    own = of_stack() if labels is None else labels
    layer = viewer.add_labels(own.transpose(axes), name="cellpose")
    viewer.dims.order = tuple(axes.index(axis) for axis in range(3))
    viewer.dims.set_current_step(axes.index(0), 0)
    segmenter = Askable()
    widget = dock(viewer, segmenter, store)
    widget.form.show(LOW.replace(pred_iou_thresh=0.7))
    return widget, segmenter, layer


def begin_stack(qtbot, widget, plane=0):
    widget.start_labels.click()
    finish(qtbot, widget)
    shown(qtbot, widget, plane)
    return widget.live.live_layer.layer


def shown(qtbot, widget, plane):
    def there():
        follower = widget.live.live_layer
        return follower is not None and follower.plane == (plane,)

    qtbot.waitUntil(there)


def test_labels_of_a_stack_are_mended_without_a_run(viewer, qtbot, tmp_path):
    widget, segmenter, own = opened_stack(viewer)
    layer = begin_stack(qtbot, widget)
    live = widget.live
    assert segmenter.runs == segmenter.asked == 0
    np.testing.assert_array_equal(layer.data, of_stack())
    np.testing.assert_array_equal(own.data, of_stack())
    assert not own.visible and widget.start_labels.isHidden()
    assert live.message.text() == NO_RUN and live.sliders.isHidden() and live.everywhere.isHidden()
    assert live.count.text() == "3 objects" and "3 objects of cellpose" in widget.run_panel.status.text()
    assert sorted(objects_of(layer.features)["index"]) == [3, 7, 7, 900_000_000]
    mend(qtbot, widget, lambda m: m.remove(3))
    viewer.dims.set_current_step(0, 2)
    shown(qtbot, widget, 2)
    assert live.count.text() == "0 objects"
    widget.mend.take("add")
    widget.mend.canvas.click((70.0, 80.0))
    qtbot.waitUntil(lambda: widget.mend.canvas.asking.placed is not None)
    with qtbot.waitSignal(live.mended):
        widget.mend.canvas.apply()
    viewer.dims.set_current_step(0, 1)
    shown(qtbot, widget, 1)
    mend(qtbot, widget, lambda m: m.split(7, stroke=[(4, 15), (22, 15)]))
    expected = of_stack()
    expected[expected == 3] = 0
    new = 900_000_001
    assert layer.data[2, 70, 80] == new and (layer.data[2] > 0).sum() == 25 == (layer.data[2] == new).sum()
    assert (np.isin(layer.data[1], [7, new + 1]) == (expected[1] == 7)).all() and (layer.data[1] == 7).any()
    np.testing.assert_array_equal(layer.data[0], expected[0])
    settled(qtbot, widget)
    data, meta, _ = layer.as_layer_data_tuple()
    files = write_labels(str(tmp_path / "cells.tif"), data, meta)
    table = pd.read_csv(next(file for file in files if file.endswith(".csv")))
    assert sorted(table["index"]) == [7, 7, 900_000_000, new, new + 1]
    # The whole way: what is undone in each plane are the labels that were opened.
    for plane in (1, 2, 0):
        viewer.dims.set_current_step(0, plane)
        shown(qtbot, widget, plane)
        mend(qtbot, widget, lambda m: m.undo())
    np.testing.assert_array_equal(layer.data, of_stack())


def test_labels_of_a_stack_that_were_mended_replay(viewer, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 9, STACK, np.uint8))
    viewer.open(path, plugin="napari")
    viewer.add_labels(of_stack(), name="cellpose")
    viewer.dims.set_current_step(0, 0)
    widget = dock(viewer, Askable())
    layer = begin_stack(qtbot, widget)
    mend(qtbot, widget, lambda m: m.remove(3))
    settled(qtbot, widget)
    data, meta, _ = layer.as_layer_data_tuple()
    files = write_labels(str(tmp_path / "cells.tif"), data, meta)

    def found(views, settings, model, **how):
        return random_candidates(SHAPE, 60, seed=4, settings=settings)

    monkeypatch.setattr(pipeline, "propose_views", found)
    again = replay(Path(next(file for file in files if file.endswith(".record.json"))), tmp_path / "again")
    expected = of_stack()
    expected[expected == 3] = 0
    np.testing.assert_array_equal(tifffile.imread(again.labels), expected)


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 0, 1)])
def test_planes_lie_along_any_axis(viewer, qtbot, axes):
    widget, _, _ = opened_stack(viewer, axes=axes)
    layer = begin_stack(qtbot, widget)
    np.testing.assert_array_equal(layer.data, of_stack().transpose(axes))
    mend(qtbot, widget, lambda m: m.remove(3))
    np.testing.assert_array_equal(layer.data, np.where(of_stack() == 3, 0, of_stack()).transpose(axes))


def test_labels_of_half_the_pixels_become_those_of_the_stack(viewer, qtbot):
    widget, _, own = opened_stack(viewer)
    viewer.layers.remove(own)
    coarse = of_stack()[:, ::2, ::2]
    viewer.add_labels(coarse, name="cellpose", scale=(1, 2, 2), translate=(0, 0.5, 0.5))
    layer = begin_stack(qtbot, widget)
    rows, columns = SHAPE
    np.testing.assert_array_equal(layer.data, coarse.repeat(2, 1).repeat(2, 2)[:, :rows, :columns])


def test_a_run_afterwards_keeps_the_objects_of_all_planes(viewer, qtbot):
    widget, segmenter, _ = opened_stack(viewer)
    first = begin_stack(qtbot, widget)
    mend(qtbot, widget, lambda m: m.remove(3))
    widget.images.planes.combo.setCurrentIndex(1)
    run(qtbot, widget)
    shown(qtbot, widget, 0)
    qtbot.waitUntil(lambda: not widget.following.planes.busy and not widget.live.work.busy)
    layer, own = widget.live.live_layer.layer, of_stack()
    assert segmenter.runs == len(own) and layer is not first and not widget.live.sliders.isHidden()
    for plane, label in ((0, 7), (1, 7), (0, 900_000_000)):
        (number,) = np.unique(layer.data[plane][own[plane] == label])
        assert number and (layer.data[plane] == number).sum() == (own[plane] == label).sum()
    assert not layer.data[own == 3].any()


def test_what_a_crash_left_of_a_stack_is_offered_again(make_napari_viewer, qtbot, tmp_path):
    store = Store(tmp_path / "settings" / "choices.json")
    widget, _, _ = opened_stack(make_napari_viewer(), store)
    layer = begin_stack(qtbot, widget)
    qtbot.waitUntil(lambda: widget.result.autosave.path is not None)
    mend(qtbot, widget, lambda m: m.remove(3))
    labels = layer.data.copy()
    crash(qtbot, widget, store)
    widget, _, _ = opened_stack(make_napari_viewer(), store)
    layer = begin_stack(qtbot, widget)
    np.testing.assert_array_equal(layer.data, of_stack())
    saves = widget.result.autosave
    qtbot.waitUntil(lambda: not saves.isHidden())
    assert "1 step is kept" in saves.question.text()
    saves.yes.click()
    qtbot.waitUntil(lambda: np.array_equal(layer.data, labels))


@pytest.mark.parametrize(
    ("value", "told"), [(0, "holds no object"), (-1, "has the label -1"), (2_147_000_000, "go from 1 to")]
)
def test_labels_of_a_stack_that_are_none_are_refused(viewer, qtbot, value, told):
    widget, _, own = opened_stack(viewer, labels=np.full(STACK, value))
    widget.start_labels.click()
    finish(qtbot, widget)
    assert told in widget.run_panel.status.text() and widget.live.live_layer is None
    assert own.visible and not widget.start_labels.isHidden()


def test_taking_the_labels_of_a_stack_is_counted_and_can_be_stopped(viewer, qtbot, monkeypatch):
    widget, _, _ = opened_stack(viewer)
    told = []
    real = run_request.begun_with

    def slow(plane, request, segmenter, index):
        told.append(widget.session.controller.state.text)
        if index == (1,):
            widget.cancel()
        return real(plane, request, segmenter, index)

    monkeypatch.setattr(run_request, "begun_with", slow)
    widget.start_labels.click()
    finish(qtbot, widget)
    assert told == ["Plane 1 of 3", "Plane 2 of 3"]
    (layer,) = [layer for layer in viewer.layers if layer.name.endswith("mended (partial)")]
    np.testing.assert_array_equal(layer.data[:2], of_stack()[:2])

"""Mends are kept while they are made, and offered again after a crash."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari_kit import live_result, move, run

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.mend.autosave import ACTIONS, FOLDER

#: No process has this number: Linux counts up to 4,194,304.
NOBODY = 999_999_999


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "settings" / "choices.json")


def files(store):
    return list((store.folder / FOLDER).glob("*.json"))


def began(qtbot, widget):
    qtbot.waitUntil(lambda: widget.result.autosave.path is not None, timeout=30_000)


def mend_all(qtbot, widget, acts):
    for act in acts:
        with qtbot.waitSignal(widget.live.mended, timeout=30_000):
            widget.live.mend(act)


def locks(layer, count):
    return [lambda mends, n=int(n): mends.lock(n) for n in np.unique(layer.data)[1 : 1 + count]]


def test_every_tenth_action_is_kept_and_closing_clears(make_napari_viewer, qtbot, store):
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    mend_all(qtbot, widget, locks(layer, ACTIONS - 1))
    assert not files(store)
    mend_all(qtbot, widget, [lambda mends: mends.remove(int(mends.labels.max()))])
    qtbot.waitUntil(lambda: len(files(store)) == 1, timeout=30_000)
    kept = json.loads(files(store)[0].read_text())
    assert kept["steps"] == widget.live.live_layer.mends.to_json()["steps"]
    assert len(kept["steps"]) == ACTIONS
    mend_all(qtbot, widget, [lambda mends: mends.undo()])
    widget.result.autosave.keep()  # as the clock does
    qtbot.waitUntil(
        lambda: len(json.loads(files(store)[0].read_text())["steps"]) == ACTIONS - 1, timeout=5000
    )
    widget._viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not files(store), timeout=30_000)


def test_what_only_follows_settings_is_not_kept(make_napari_viewer, qtbot, store):
    widget, _ = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    move(qtbot, widget, "pred_iou_thresh", 0.8)
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: not widget.result.autosave._errands.busy, timeout=30_000)
    assert not files(store)


def crashed(make_napari_viewer, qtbot, store):
    """Mend, and leave the file behind as a crash does; return the labels."""
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    first, second, third = (int(n) for n in np.unique(layer.data)[1:4])
    mend_all(qtbot, widget, [lambda mends: mends.remove(first), lambda mends: mends.merge(second, third)])
    move(qtbot, widget, "pred_iou_thresh", 0.75)
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: len(files(store)) == 1, timeout=30_000)
    (path,) = files(store)
    text = path.read_text()
    widget.shut_down()
    assert not path.exists()
    path.write_text(json.dumps({**json.loads(text), "process": NOBODY}))
    return layer.data.copy(), path


def test_after_a_crash_the_mends_are_offered_and_done_again(make_napari_viewer, qtbot, store):
    labels, _ = crashed(make_napari_viewer, qtbot, store)
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    autosave = widget.result.autosave
    qtbot.waitUntil(lambda: autosave.isVisibleTo(widget.result), timeout=30_000)
    assert autosave.question.text().startswith("Restore the mends of cells")
    assert "3 steps" in autosave.question.text()
    with qtbot.waitSignal(widget.live.mended, timeout=30_000):
        autosave.yes.click()
    np.testing.assert_array_equal(layer.data, labels)
    assert not autosave.isVisibleTo(widget.result)
    qtbot.waitUntil(lambda: widget.form.settings.pred_iou_thresh == 0.75, timeout=30_000)
    assert len(widget.live.live_layer.shows.steps) == 3


@pytest.mark.parametrize("again", [False, True])
def test_mends_made_before_the_answer_are_kept_and_lie_on_top(make_napari_viewer, qtbot, store, again):
    before, path = crashed(make_napari_viewer, qtbot, store)
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    qtbot.waitUntil(lambda: widget.result.autosave.isVisibleTo(widget.result), timeout=30_000)
    corner = np.zeros(layer.data.shape, bool)
    corner[:3, :4] = True
    mend_all(qtbot, widget, [lambda mends: mends.paint(np.where(corner, 900, mends.labels))])
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: "before" in json.loads(path.read_text()), timeout=30_000)
    if again:  # a crash before the answer: both are offered
        text = json.loads(path.read_text())
        widget.shut_down()
        path.write_text(json.dumps(text | {"process": NOBODY}))
        widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
        qtbot.waitUntil(lambda: widget.result.autosave.isVisibleTo(widget.result), timeout=30_000)
        assert "4 steps" in widget.result.autosave.question.text()
    with qtbot.waitSignal(widget.live.mended, timeout=30_000):
        widget.result.autosave.yes.click()
    assert len(np.unique(layer.data[corner])) == 1 and layer.data[0, 0] >= 900
    np.testing.assert_array_equal(layer.data[~corner], before[~corner])
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: "before" not in json.loads(path.read_text()), timeout=30_000)


def test_they_can_be_forgotten_and_another_result_has_none(make_napari_viewer, qtbot, store):
    _, path = crashed(make_napari_viewer, qtbot, store)
    widget, _ = live_result(make_napari_viewer(), qtbot, store=store)
    autosave = widget.result.autosave
    qtbot.waitUntil(lambda: autosave.isVisibleTo(widget.result), timeout=30_000)
    autosave.no.click()
    qtbot.waitUntil(lambda: not path.exists(), timeout=30_000)
    assert not autosave.isVisibleTo(widget.result)
    widget.form.show(widget.form.settings.replace(pred_iou_thresh=0.9))
    run(qtbot, widget)
    began(qtbot, widget)
    assert not autosave.isVisibleTo(widget.result)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"steps": 5}', '{"steps": [{"action": "fly"}]}'])
def test_a_damaged_file_does_no_harm(make_napari_viewer, qtbot, store, content):
    _, path = crashed(make_napari_viewer, qtbot, store)
    path.write_text(content)
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    before = layer.data.copy()
    if widget.result.autosave.isVisibleTo(widget.result):
        with qtbot.waitSignal(widget.live.not_mended, timeout=30_000) as told:
            widget.result.autosave.yes.click()
        assert "cannot be read" in told.args[0]
    np.testing.assert_array_equal(layer.data, before)

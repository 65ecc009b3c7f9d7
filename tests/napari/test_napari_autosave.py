"""Mends are kept while they are made, and offered again after a crash."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from napari_kit import live_result, move, run

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.mend.autosave import ACTIONS, FOLDER
from napari_sam2_automask._napari.mend.mends_file import MendsFile


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "settings" / "choices.json")


def files(store):
    return list((store.folder / FOLDER).glob("*.json"))


def began(qtbot, widget):
    qtbot.waitUntil(lambda: widget.result.autosave.path is not None)


def mend_all(qtbot, widget, acts):
    for act in acts:
        with qtbot.waitSignal(widget.live.mended):
            widget.live.mend(act)


def locks(layer, count):
    return [lambda mends, n=int(n): mends.lock(n) for n in np.unique(layer.data)[1 : 1 + count]]


def test_every_tenth_action_is_kept_and_closing_clears(make_napari_viewer, qtbot, store):
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    mend_all(qtbot, widget, locks(layer, ACTIONS - 1))
    assert not files(store)
    mend_all(qtbot, widget, [lambda mends: mends.remove(int(mends.labels.max()))])
    qtbot.waitUntil(lambda: len(files(store)) == 1)
    kept = json.loads(files(store)[0].read_text())
    assert kept["steps"] == widget.live.live_layer.mends.to_json()["steps"]
    assert len(kept["steps"]) == ACTIONS
    mend_all(qtbot, widget, [lambda mends: mends.undo()])
    widget.result.autosave.keep()  # as the clock does
    qtbot.waitUntil(
        lambda: len(json.loads(files(store)[0].read_text())["steps"]) == ACTIONS - 1, timeout=60_000
    )
    widget._viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not files(store))


def test_what_only_follows_settings_is_not_kept(make_napari_viewer, qtbot, store):
    widget, _ = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    move(qtbot, widget, "pred_iou_thresh", 0.8)
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: not widget.result.autosave._errands.busy)
    assert not files(store)


def crashed(make_napari_viewer, qtbot, store):
    """Mend, and leave the file behind as a crash does; return the labels."""
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    began(qtbot, widget)
    first, second, third = (int(n) for n in np.unique(layer.data)[1:4])
    mend_all(qtbot, widget, [lambda mends: mends.remove(first), lambda mends: mends.merge(second, third)])
    move(qtbot, widget, "pred_iou_thresh", 0.75)
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: len(files(store)) == 1)
    (path,) = files(store)
    text = path.read_text()
    widget.shut_down()
    assert not path.exists()
    path.write_text(text)
    return layer.data.copy(), path


def test_after_a_crash_the_mends_are_offered_and_done_again(make_napari_viewer, qtbot, store):
    labels, _ = crashed(make_napari_viewer, qtbot, store)
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    autosave = widget.result.autosave
    qtbot.waitUntil(lambda: autosave.isVisibleTo(widget.result))
    assert autosave.question.text().startswith("Restore the mends of cells")
    assert "3 steps" in autosave.question.text()
    with qtbot.waitSignal(widget.live.mended):
        autosave.yes.click()
    np.testing.assert_array_equal(layer.data, labels)
    assert not autosave.isVisibleTo(widget.result)
    qtbot.waitUntil(lambda: widget.form.settings.pred_iou_thresh == 0.75)
    assert len(widget.live.live_layer.shows.steps) == 3


@pytest.mark.parametrize("again", [False, True])
def test_mends_made_before_the_answer_are_kept_and_lie_on_top(make_napari_viewer, qtbot, store, again):
    before, path = crashed(make_napari_viewer, qtbot, store)
    widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
    qtbot.waitUntil(lambda: widget.result.autosave.isVisibleTo(widget.result))
    corner = np.zeros(layer.data.shape, bool)
    corner[:3, :4] = True
    mend_all(qtbot, widget, [lambda mends: mends.paint(np.where(corner, 900, mends.labels))])
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: "before" in json.loads(path.read_text()))
    if again:  # a crash before the answer: both are offered
        text = path.read_text()
        widget.shut_down()
        path.write_text(text)
        widget, layer = live_result(make_napari_viewer(), qtbot, store=store)
        qtbot.waitUntil(lambda: widget.result.autosave.isVisibleTo(widget.result))
        assert "4 steps" in widget.result.autosave.question.text()
    with qtbot.waitSignal(widget.live.mended):
        widget.result.autosave.yes.click()
    assert len(np.unique(layer.data[corner])) == 1 and layer.data[0, 0] >= 900
    np.testing.assert_array_equal(layer.data[~corner], before[~corner])
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: "before" not in json.loads(path.read_text()))


def test_they_can_be_forgotten_and_another_result_has_none(make_napari_viewer, qtbot, store):
    _, path = crashed(make_napari_viewer, qtbot, store)
    widget, _ = live_result(make_napari_viewer(), qtbot, store=store)
    autosave = widget.result.autosave
    qtbot.waitUntil(lambda: autosave.isVisibleTo(widget.result))
    autosave.no.click()
    qtbot.waitUntil(lambda: not path.exists())
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
        with qtbot.waitSignal(widget.live.not_mended) as told:
            widget.result.autosave.yes.click()
        assert "cannot be read" in told.args[0]
    np.testing.assert_array_equal(layer.data, before)


def test_two_windows_have_a_file_each_and_what_both_left_is_found(tmp_path):
    def kept(file):
        return json.loads(file.path.read_text())

    one, other = MendsFile(tmp_path, "abc"), MendsFile(tmp_path, "abc")
    one.write({"steps": [1]}, [])
    other.write({"steps": [1, 2]}, [])
    assert kept(one) == {"steps": [1]} and kept(other) == {"steps": [1, 2]}
    third = MendsFile(tmp_path, "abc")
    assert third.found == [] and not third.path.exists()
    third.close()
    other.close()
    assert not other.path.exists() and kept(one) == {"steps": [1]}
    one.close()
    one.write({"steps": [1]}, [])  # too late
    assert not list(tmp_path.iterdir())
    # Two processes end as in a crash, while the second is open.
    code = (
        "import os, pathlib, sys\n"
        "from napari_sam2_automask._napari.mend.mends_file import MendsFile\n"
        "files = [MendsFile(pathlib.Path(sys.argv[1]), 'abc') for _ in range(2)]\n"
        "for k, file in enumerate(files):\n"
        "    file.write({'steps': [k] * (k + 1)}, [])\n"
        "os._exit(1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], timeout=60, check=False).returncode == 1
    new = MendsFile(tmp_path, "abc")
    assert sorted(len(session["steps"]) for session in new.found) == [1, 2]
    assert MendsFile(tmp_path, "abc").found == []  # the other window asks already
    new.write({"steps": [9]}, new.found)
    before = kept(new)["before"]
    assert {len(before["steps"]), len(before["before"]["steps"])} == {1, 2}
    assert [path.name for path in tmp_path.glob("*.json")] == [new.path.name]

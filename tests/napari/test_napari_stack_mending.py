"""Mending, sliders and the table in the plane of a stack that is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from candidate_factory import random_candidates
from napari.layers import Tracks
from napari_kit import LOW, QUICK, SHAPE, dock, finish, labels_of, move, rows, run, settled

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.contributions.save_labels import write_labels
from napari_sam2_automask._napari.live.current_table import current_table
from napari_sam2_automask._napari.live.level_layers import CELLS_KEY
from napari_sam2_automask._napari.mend.autosave import FOLDER
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.measures import expand
from napari_sam2_automask.replay import replay
from napari_sam2_automask.stack.numbering import numbered_as

PLANES = 4
START = LOW.replace(pred_iou_thresh=0.7)


def candidates_of(plane, settings=LOW):
    own = LOW.replace(points_per_side=settings.points_per_side)
    return random_candidates(SHAPE, 60, seed=int(plane.max()), settings=own)


class StackSegmenter:
    """Finds other blobs in every plane, with room below the thresholds."""

    def __call__(self, plane, request, progress):
        candidates = candidates_of(plane, request.settings)
        painted = paint(select(candidates, request.settings), record={"settings": {}})
        return PlaneResult(
            painted.labels, painted.table, painted.record, {}, True, "cpu", candidates=candidates
        )


def image(axis=0):
    planes = np.zeros((PLANES, *SHAPE), np.uint8)
    planes += np.arange(1, PLANES + 1, dtype=np.uint8)[:, None, None]
    return np.moveaxis(planes, 0, axis)


def stack_result(viewer, qtbot, *, link="", axis=0, store=None, settings=START):
    """Run on all planes; return the widget, and the layer once the first plane is ready."""
    viewer.add_image(image(axis), name="stack", rgb=False)
    if axis:
        viewer.dims.order = (2, 0, 1)
    viewer.dims.set_current_step(axis, 0)
    widget = dock(viewer, StackSegmenter(), store or Store())
    widget.form.show(settings)
    widget.images.planes.combo.setCurrentIndex(1)
    widget.images.link_combo.setCurrentIndex(widget.images.link_combo.findData(link))
    run(qtbot, widget)
    ready(qtbot, widget, 0)
    return widget, labels_of(viewer)[-1]


def ready(qtbot, widget, plane):
    def there():
        follower = widget.live.live_layer
        return follower is not None and follower.plane == (plane,) and len(follower.features) > 0

    qtbot.waitUntil(there)


def show(qtbot, widget, plane, axis=0):
    widget._viewer.dims.set_current_step(axis, plane)
    ready(qtbot, widget, plane)


def done(qtbot, widget, act):
    with qtbot.waitSignal(widget.live.mended) as told:
        act()
    return told.args[0]


def relinked(qtbot, links, act):
    with qtbot.waitSignal(links.relinking.relinked) as told:
        act()
    return told.args[0]


def some(plane):
    return [int(n) for n in np.unique(plane)[1:]]


def fits(qtbot, layer):
    """Wait until the features have a row for each object of all planes, and no others."""
    qtbot.waitUntil(lambda: set(rows(layer)["index"]) == set(some(layer.data)))


def rest(qtbot, widget):
    """Wait until an edit of several planes, or its undo, is done in all of them."""
    planes, live = widget.following.planes, widget.live

    def settled():
        return not (planes.busy or planes._looking or live.work.busy or live._edits._timer.isActive())

    qtbot.waitUntil(settled)


@pytest.mark.parametrize("axis", [0, 2])
def test_each_plane_is_mended_by_itself_and_stays_so(viewer, qtbot, axis):
    widget, layer = stack_result(viewer, qtbot, axis=axis)
    planes = np.moveaxis(layer.data, axis, 0)
    before = planes.copy()
    assert "In this plane" in widget.live.count.toolTip()
    assert set(widget.result.table.model.labels) == set(some(planes[0]))
    first = some(planes[0])[0]
    where = planes[0] == first
    widget.mend.take("remove")
    done(qtbot, widget, lambda: widget.mend.canvas.click(tuple(np.argwhere(where)[0].astype(float))))
    assert not planes[0][where].any()
    show(qtbot, widget, 2, axis)
    assert widget.mend.tool == "remove" and widget.mend.locked.isHidden()
    assert set(widget.result.table.model.labels) == set(some(planes[2]))
    one, other = some(planes[2])[:2]
    both = np.isin(planes[2], [one, other])
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.merge(one, other)))
    assert (planes[2][both] == one).all()
    # Sliders act in this plane, under what was mended, and give new objects numbers of their own.
    move(qtbot, widget, "pred_iou_thresh", 0.55)
    assert (planes[2][both] == one).all() and len(some(planes[2])) > len(some(before[2]))
    came = set(some(planes[2])) - set(some(before[2]))
    assert min(came) > before.max()
    for plane in (1, 3):
        np.testing.assert_array_equal(planes[plane], before[plane])
    show(qtbot, widget, 0, axis)
    assert widget.form.settings.pred_iou_thresh == START.pred_iou_thresh
    assert "1 removed" in widget.mend.locked.text() and not planes[0][where].any()
    done(qtbot, widget, widget.live.undo_last)
    np.testing.assert_array_equal(planes[0], before[0])
    done(qtbot, widget, widget.live.redo_last)
    assert not planes[0][where].any()
    assert first not in some(layer.data)
    fits(qtbot, layer)


def test_planes_that_are_closed_meanwhile_keep_their_history(viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask._napari.live.stack_layer.OPEN", 1)
    monkeypatch.setattr("napari_sam2_automask._napari.run.run_request.preference", {"stack_memory": 0}.get)
    widget, layer = stack_result(viewer, qtbot)
    assert widget.live.kept.text() == "What was found in 3 of 4 planes is kept on the disk."
    assert widget.live.kept.isVisibleTo(widget.live)
    first, second, third = some(layer.data[0])[:3]
    for act in (
        lambda mends: mends.remove(first),
        lambda mends: mends.merge(second, third),
        lambda mends: mends.undo(),
    ):
        done(qtbot, widget, lambda act=act: widget.live.mend(act))
    mended, follower = layer.data[0].copy(), widget.live.live_layer
    for plane in (1, 2, 0):
        show(qtbot, widget, plane)
    assert widget.live.live_layer is not follower
    np.testing.assert_array_equal(layer.data[0], mended)
    done(qtbot, widget, widget.live.redo_last)
    assert third not in layer.data[0] and first not in layer.data[0]
    done(qtbot, widget, widget.live.undo_last)
    np.testing.assert_array_equal(layer.data[0], mended)


def test_what_was_painted_in_any_plane_is_taken_over_when_it_is_shown(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot)
    layer.data[2, 10:14, 10:14] = 7777
    show(qtbot, widget, 2)
    qtbot.waitUntil(lambda: 7777 in widget.live.live_layer.shows.kept)
    assert widget.live.live_layer.shows.kept[7777].edited == "painted"
    assert (layer.data[2, 10:14, 10:14] == 7777).all()
    move(qtbot, widget, "pred_iou_thresh", 0.8)
    assert (layer.data[2, 10:14, 10:14] == 7777).all()


@pytest.mark.parametrize("link", ["", "z"])
def test_planes_that_do_not_show_are_right_after_an_edit_of_all(viewer, qtbot, link, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask._napari.live.stack_layer.OPEN", 1)
    widget, layer = stack_result(viewer, qtbot, link=link)
    data = layer.data.copy()
    gone = some(data[2])[0]
    data[2:][data[2:] == gone] = 0
    data[2, 10:14, 10:14] = data[3, 10:14, 10:14] = 7777
    layer.data = data.copy()
    fits(qtbot, layer)

    def told():
        planes = layer.metadata[RECORD_KEY].get("planes", [])
        return len(planes) == PLANES and all("mends" in one for one in planes[2:])

    qtbot.waitUntil(told)
    assert "mends" not in layer.metadata[RECORD_KEY]["planes"][1]
    qtbot.waitUntil(lambda: not widget.live.work.busy and not widget.following.tables.busy)
    np.testing.assert_array_equal(layer.data, data)
    assert widget.live.live_layer.plane == (0,)
    layer.n_edit_dimensions = 3  # as a brush that paints through planes
    place = np.unravel_index(np.flatnonzero(np.indices(data.shape)[0] == 1)[:3], data.shape)
    layer.data_setitem(place, 8888)
    qtbot.waitUntil(lambda: 8888 in rows(layer)["index"].tolist())


def is_one_step(qtbot, widget, layer, before, after):
    """See that what was just done first is undone and redone at once."""
    np.testing.assert_array_equal(layer.data, after)
    done(qtbot, widget, widget.live.undo_last)
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, before)
    assert not widget.live.undo.isEnabled()
    done(qtbot, widget, widget.live.redo_last)
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, after)


def test_paint_through_planes_is_one_step(viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask._napari.live.stack_layer.OPEN", 1)
    widget, layer = stack_result(viewer, qtbot, link="z")
    before, live = layer.data.copy(), widget.live

    def stroke(number, planes, row):
        layer.n_edit_dimensions = 3
        place = np.zeros(layer.data.shape, bool)
        place[planes, row : row + 3, 10:14] = True
        layer.data_setitem(np.nonzero(place), number)
        return place

    place = stroke(7777, slice(0, 3), 10)
    rest(qtbot, widget)
    painted = np.where(place, 7777, before)
    is_one_step(qtbot, widget, layer, before, painted)
    # From another plane it is the same step.
    show(qtbot, widget, 2)
    done(qtbot, widget, live.undo_last)
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, before)
    done(qtbot, widget, live.redo_last)
    rest(qtbot, widget)
    # One more stroke is a step of its own, also if it is taken back before anything was made of it.
    stroke(8888, slice(1, 4), 20)
    done(qtbot, widget, live.undo_last)
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, painted)
    # napari's own undo concerns all planes as well.
    layer.undo()
    rest(qtbot, widget)
    layer.undo()
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, before)
    done(qtbot, widget, live.undo_last)
    rest(qtbot, widget)
    # What more was done to in one plane stays there, which is said.
    done(qtbot, widget, lambda: live.mend(lambda mends: mends.remove(7777)))
    rest(qtbot, widget)
    show(qtbot, widget, 0)
    said = []
    live.not_mended.connect(said.append)
    done(qtbot, widget, live.undo_last)
    rest(qtbot, widget)
    assert not (layer.data[:2] == 7777).any() and not layer.data[2][place[2]].any()
    assert len(said) == 1 and said[0].startswith("in plane 2 what was painted through planes stays")
    fits(qtbot, layer)


def test_a_stroke_of_the_brush_through_planes_is_one_step(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot, link="z")
    show(qtbot, widget, 1)
    before, live = layer.data.copy(), widget.live
    widget.mend.take("brush")
    layer.n_edit_dimensions, layer.brush_size = 3, 8
    with layer.block_history():  # as napari does while the button is held
        for step in range(3):
            layer.paint((1, 20 + 5 * step, 30), layer.selected_label)
            qtbot.wait(100)  # a person stops on the way
    rest(qtbot, widget)
    painted = layer.data.copy()
    assert [bool((plane != was).any()) for plane, was in zip(painted, before, strict=True)] == [True] * PLANES
    assert [step.action for step in live.live_layer.shows.steps] == ["paint"]
    is_one_step(qtbot, widget, layer, before, painted)


def test_labels_that_are_taken_are_the_objects_of_all_planes_in_one_step(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot)
    before, live = layer.data.copy(), widget.live
    own = np.zeros(layer.data.shape, np.int32)
    own[:, 5:20, 5:30], own[1:3, 40:60, 10:40] = 3, 70
    taken = viewer.add_labels(own, name="cellpose")
    assert widget.start_labels.isHidden() and widget.mend.own_labels.others == [taken]

    widget.mend.own_labels.take(taken)
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, own)
    fits(qtbot, layer)
    show(qtbot, widget, 2)
    assert live.live_layer.locked == {3, 70}
    done(qtbot, widget, live.undo_last)
    rest(qtbot, widget)
    np.testing.assert_array_equal(layer.data, before)


def test_a_plane_that_was_not_segmented_says_so(viewer, qtbot):
    viewer.add_image(image(), name="stack")
    viewer.dims.set_current_step(0, 1)
    widget = dock(viewer, StackSegmenter())
    widget.form.show(START)
    run(qtbot, widget)
    ready(qtbot, widget, 1)
    layer = viewer.layers[-1]
    viewer.dims.set_current_step(0, 2)
    assert widget.live.live_layer is None and "not segmented" in widget.live.message.text()
    widget.mend.canvas.click((5.0, 5.0))  # acts nowhere
    run(qtbot, widget)  # of the plane that is shown now: into the same layer
    ready(qtbot, widget, 2)
    assert viewer.layers[-1] is layer and layer.data[1].any() and layer.data[2].any()
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(some(layer.data[2])[0])))
    show(qtbot, widget, 1)
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(some(layer.data[1])[0])))

    def told():
        record = layer.metadata[RECORD_KEY]
        return all("mends" in one for one in record.get("planes", [{}]))

    qtbot.waitUntil(told)
    record = layer.metadata[RECORD_KEY]
    assert record["viewer"]["planes"] == [[1], [2]] and len(record["planes"]) == 2
    for plane, one in zip((1, 2), record["planes"], strict=True):
        assert set(some(layer.data[plane])) <= {number for _, number in one["numbers"]}
        assert len(one["mends"]["steps"]) == 1


@pytest.mark.parametrize("link", ["", "z"])
def test_the_record_gives_the_labels_again(viewer, qtbot, link):
    from napari_sam2_automask import Mends
    from napari_sam2_automask.record.record import Record

    widget, layer = stack_result(viewer, qtbot, link=link)
    one, other = some(layer.data[0])[:2]
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.merge(one, other)))
    show(qtbot, widget, 3)
    move(qtbot, widget, "pred_iou_thresh", 0.6)
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(some(layer.data[3])[0])))

    def told():
        planes = layer.metadata[RECORD_KEY].get("planes", [])
        return len(planes) == PLANES and "mends" in planes[0] and "mends" in planes[3]

    qtbot.waitUntil(told)
    record = json.loads(json.dumps(layer.metadata[RECORD_KEY]))
    record = Record.of(record | {"format": "napari-sam2-automask record"})
    for plane, one in enumerate(record.each_plane):
        candidates = candidates_of(image()[plane])
        if one.mends is None:
            labels = paint(select(candidates, START)).labels
        else:
            mends = Mends(candidates, one.mends.settings)
            mends.replay(one.mends.steps, one.mends.used)
            labels = mends.labels
        np.testing.assert_array_equal(numbered_as(labels, one.numbers), layer.data[plane])


@pytest.mark.parametrize("link", ["", "z"])
def test_what_is_saved_a_moment_after_a_mend_has_a_record_that_repeats_it(viewer, qtbot, tmp_path, link):
    """The table of a stack takes its time; its record does not wait for it."""
    widget, layer = stack_result(viewer, qtbot, link=link)
    removed = {}
    for plane in (0, 2):
        show(qtbot, widget, plane)
        with qtbot.waitSignal(widget.live.mended):
            label = removed[plane] = some(layer.data[plane])[0]
            widget.live.mend(lambda mends, n=label: mends.remove(n))
    data, meta, _ = layer.as_layer_data_tuple()
    write_labels(str(tmp_path / "a.tif"), data, meta)
    planes = json.loads((tmp_path / "a.record.json").read_text())["planes"]
    for plane, one in enumerate(planes):
        steps = one.get("mends", {}).get("steps", [])
        assert [step["action"] for step in steps] == (["remove"] if plane in removed else [])
        assert one["objects"] == len(some(layer.data[plane]))


def test_mends_of_all_planes_are_carried_into_another_run(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot)
    ground = []
    for plane in (0, 1):
        show(qtbot, widget, plane)
        label = some(layer.data[plane])[0]
        ground.append(layer.data[plane] == label)
        done(qtbot, widget, lambda label=label: widget.live.mend(lambda mends: mends.remove(label)))
    widget.form.show(START.replace(points_per_side=17))
    run(qtbot, widget)
    ready(qtbot, widget, 1)
    new = labels_of(viewer)[-1]
    assert new is not layer
    qtbot.waitUntil(
        lambda: not any(new.data[plane][where].any() for plane, where in enumerate(ground)), timeout=30_000
    )


@pytest.mark.parametrize("link", ["", "z"])
def test_mends_of_planes_come_back_after_a_crash(make_napari_viewer, qtbot, tmp_path, link):
    store = Store(tmp_path / "settings" / "choices.json")

    def files():
        return list((store.folder / FOLDER).glob("*.json"))

    widget, layer = stack_result(make_napari_viewer(), qtbot, store=store, link=link)
    qtbot.waitUntil(lambda: widget.result.autosave.path is not None)
    for plane in (0, 2):
        show(qtbot, widget, plane)
        label = some(layer.data[plane])[0]
        done(qtbot, widget, lambda label=label: widget.live.mend(lambda mends: mends.remove(label)))
    if link:
        through = next(n for n in some(layer.data[0]) if all((plane == n).any() for plane in layer.data))
        widget.mend.canvas.choose(through)
        relinked(qtbot, widget.result.links, lambda: widget.result.links.do("cut"))
        assert through not in layer.data[2:]
    mended = layer.data.copy()
    widget.result.autosave.keep()
    qtbot.waitUntil(lambda: len(files()) == 1)
    path = files()[0]
    text = path.read_text()
    assert [one["plane"] for one in json.loads(text)["planes"]] == [[0], [2]]
    widget.shut_down()
    path.write_text(text)
    widget, layer = stack_result(make_napari_viewer(), qtbot, store=store, link=link)
    autosave = widget.result.autosave
    qtbot.waitUntil(lambda: not autosave.isHidden())
    assert f"{3 if link else 2} steps" in autosave.question.text()
    autosave.yes.click()
    qtbot.waitUntil(lambda: np.array_equal(layer.data, mended))
    if link:
        assert widget.result.links.relinking.links.planes_of(through) == [0, 1]
        relinked(qtbot, widget.result.links, widget.live.undo_last)
        assert through in layer.data[2] and through in layer.data[3]


@pytest.mark.parametrize("link", ["", "t"])
def test_replay_of_a_mended_stack_gives_the_same_labels(viewer, qtbot, monkeypatch, tmp_path, network, link):
    """The whole way: a file, a run, mends in two planes, links, the record, the replay."""
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda *_, **__: network)
    path = tmp_path / "some cells.tif"
    noise = np.random.default_rng(0).random((3, 40, 50))
    tifffile.imwrite(path, (1000 * noise).astype(np.uint16))
    viewer.open(path, plugin="napari")
    viewer.dims.set_current_step(0, 0)
    widget = dock(viewer, EngineSegmenter())
    widget.form.show(LOW.replace(**{**QUICK, "pred_iou_thresh": 0.505}))
    widget.images.planes.combo.setCurrentIndex(1)
    widget.images.link_combo.setCurrentIndex(widget.images.link_combo.findData(link))
    widget.run()
    finish(qtbot, widget, timeout=120_000)
    ready(qtbot, widget, 0)
    (layer,) = labels_of(viewer)
    one = some(layer.data[0])[0]
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(one)))
    corner = np.zeros(layer.data.shape[1:], bool)
    corner[:3, :3] = True
    done(
        qtbot,
        widget,
        lambda: widget.live.mend(lambda mends: mends.paint(np.where(corner, 500, mends.labels))),
    )
    show(qtbot, widget, 2)
    move(qtbot, widget, "pred_iou_thresh", 0.5)
    if link:
        widget.mend.canvas.choose(some(layer.data[2])[0])
        with qtbot.waitSignal(widget.result.links.relinking.relinked):
            widget.result.links.buttons["link"].click()

    def told():
        planes = layer.metadata[RECORD_KEY]["planes"]
        numbers = [{number for _, number in plane.get("numbers", [])} for plane in planes]
        known = all(set(some(plane)) <= those for plane, those in zip(layer.data, numbers, strict=True))
        return known and "mends" in planes[0] and planes[2]["settings"]["pred_iou_thresh"] == 0.5

    qtbot.waitUntil(told)
    data, meta, _ = layer.as_layer_data_tuple()
    files = write_labels(str(tmp_path / "cells.tif"), data, meta)
    again = replay(Path(next(file for file in files if file.endswith(".record.json"))), tmp_path / "again")
    np.testing.assert_array_equal(tifffile.imread(again.labels), layer.data)


@pytest.mark.parametrize("link", ["", "z"])
def test_the_cells_of_a_stack_have_a_layer_that_follows(viewer, qtbot, link):
    widget, layer = stack_result(viewer, qtbot, link=link, settings=START.replace(expand_distance=2.0))

    def cells():
        return [one for one in labels_of(viewer) if CELLS_KEY in one.metadata]

    def fit(distances):
        wanted = [expand(plane, far) for plane, far in zip(layer.data, distances, strict=True)]
        return len(cells()) == 1 and np.array_equal(cells()[0].data, np.stack(wanted))

    qtbot.waitUntil(lambda: fit([2, 2, 2, 2]))
    assert {f"{'voxels' if link else 'area'}_cell", "intensity_mean_ring"} <= set(rows(layer))
    (grown,) = cells()
    show(qtbot, widget, 1)
    widget.live.follow(START.replace(expand_distance=4.0))
    qtbot.waitUntil(lambda: fit([2, 4, 2, 2]))
    assert cells() == [grown]  # of one plane no other is made anew


def cells_fit(viewer, layer, sides):
    """Tell whether a layer shows the objects grown by two of pixels with such sides."""
    grown = [expand(plane, 2.0, sides) for plane in layer.data]
    return any(CELLS_KEY in one.metadata and np.array_equal(one.data, grown) for one in viewer.layers)


@pytest.mark.parametrize("link", ["", "z"])
def test_tables_are_told_in_the_size_that_the_layer_is_given_later(viewer, qtbot, link):
    settings = START.replace(measures=("perimeter",), expand_distance=2.0)
    widget, layer = stack_result(viewer, qtbot, link=link, settings=settings)
    area, physical = ("voxels", "volume_um3") if link else ("area", "area_um2")
    fits(qtbot, layer)
    before = rows(layer)
    assert physical not in before

    def told(size):
        table = rows(layer)
        return physical in table and np.allclose(table[physical], table[area] * size)

    layer.scale, layer.units = (2.0, 0.5, 0.125), ("um",) * 3
    qtbot.waitUntil(lambda: told(0.125 if link else 0.0625))
    qtbot.waitUntil(lambda: cells_fit(viewer, layer, (0.5, 0.125)))
    after = rows(layer)
    for name in ("predicted_iou", "mask_area", "point_y", "crop_x1") if not link else ("planes",):
        np.testing.assert_array_equal(after[name], before[name])
    assert link or {"perimeter", "perimeter_um"} <= set(after)
    record = layer.metadata[RECORD_KEY]
    assert [one["pixel_size"] for one in record["planes"]] == [[0.5, 0.125]] * PLANES
    assert {one["unit"] for one in record["planes"]} == {"micrometer"}
    if link:
        assert record["link"]["spacing"] == [2.0, 0.5, 0.125] and record["link"]["unit"] == "um"
    saved = current_table(np.asarray(layer.data), layer.as_layer_data_tuple()[1])
    np.testing.assert_allclose(saved[physical], saved[area] * (0.125 if link else 0.0625))
    # A plane that is mended then has rows of the new size, too.
    label = some(layer.data[0])[0]
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(label)))
    fits(qtbot, layer)
    assert told(0.125 if link else 0.0625)
    layer.units = ("pixel",) * 3
    qtbot.waitUntil(lambda: physical not in layer.features)
    assert "pixel_size" not in layer.metadata[RECORD_KEY]["planes"][3]


def test_cells_that_were_let_go_before_they_showed_are_made_again(viewer, qtbot, monkeypatch):
    """As where something else changes while those of a new size of pixels are ready and not yet shown."""
    widget, layer = stack_result(viewer, qtbot, settings=START.replace(expand_distance=2.0))
    following, let_go = widget.following, []

    qtbot.waitUntil(lambda: cells_fit(viewer, layer, (1.0, 1.0)))
    with monkeypatch.context() as patched:
        patched.setattr(following, "_show_cells", lambda *given: let_go.append(given))
        layer.scale, layer.units = (2.0, 0.5, 0.125), ("um",) * 3
        qtbot.waitUntil(lambda: bool(let_go) and not following.tables.busy)
    label = some(layer.data[0])[0]
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(label)))
    qtbot.waitUntil(lambda: cells_fit(viewer, layer, (0.5, 0.125)))


def test_links_are_cut_joined_and_divided_and_tracks_follow(viewer, qtbot):
    measured = START.replace(measures=("intensity_max",))
    widget, layer = stack_result(viewer, qtbot, link="t", settings=measured)
    (tracks,) = [one for one in viewer.layers if isinstance(one, Tracks)]
    links, canvas = widget.result.links, widget.mend.canvas
    through = next(n for n in some(layer.data[0]) if all((plane == n).any() for plane in layer.data[:3]))
    before = layer.data.copy()

    def press(name):
        relinked(qtbot, links, lambda: links.do(name))

    show(qtbot, widget, 1)
    # Of several in one step, one that begins here is another than before already.
    canvas.choose(next(n for n in some(layer.data[1]) if n not in set(some(layer.data[0]))), through)
    press("cut")
    new = int(before.max()) + 1
    assert (layer.data[0] == before[0]).all() and set(layer.data[1][before[1] == through]) == {new}
    assert set(layer.data[2][before[2] == through]) == {new}

    def rows_fit():
        table = rows(layer).set_index("index")
        return new in table.index and table.loc[through, "last_plane"] == 0

    qtbot.waitUntil(rows_fit)
    qtbot.waitUntil(lambda: new in set(tracks.features["object"]))
    for number, plane, most in zip(
        tracks.features["object"], tracks.data[:, 1], tracks.features["intensity_max"], strict=True
    ):
        own = layer.data[int(plane)] == number
        assert most == viewer.layers["stack"].data[int(plane)][own].max()
    relinked(qtbot, links, widget.live.undo_last)
    np.testing.assert_array_equal(layer.data, before)
    relinked(qtbot, links, widget.live.redo_last)
    # What was cut is joined again: chosen in one plane, then in the other.
    canvas.choose(new)
    links.do("join")
    assert "go to another plane" in links.message.text()
    show(qtbot, widget, 0)
    canvas.choose(through)
    press("join")
    assert not (layer.data == through).any() and (layer.data[0][before[0] == through] == new).all()
    # A mend in a plane goes by the new numbers, and can be taken back.
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(new)))
    assert not (layer.data[0] == new).any()
    done(qtbot, widget, widget.live.undo_last)
    assert (layer.data[0] == new).sum() == (before[0] == through).sum()
    # It divides: what is seen of it in plane 1, and another object there.
    canvas.choose(new)
    links.do("divide")
    show(qtbot, widget, 1)
    part = next(n for n in some(layer.data[1]) if n not in set(some(layer.data[0])))
    canvas.choose(part)
    press("divide")
    qtbot.waitUntil(lambda: part in rows(layer)["index"].tolist())
    qtbot.waitUntil(lambda: (rows(layer).set_index("index")["split_from"] == new).sum() == 2)
    qtbot.waitUntil(lambda: len(tracks.graph) >= 2)


def test_tracks_are_built_anew_only_when_they_change(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot, link="t", settings=START.replace(measures=("intensity_max",)))
    (tracks,) = [one for one in viewer.layers if isinstance(one, Tracks)]
    settled(qtbot, widget)
    built, parents = [], next(iter(tracks.graph.values()))
    for event in (tracks.events.data, tracks.events.properties, tracks.events.rebuild_graph):
        event.connect(lambda event: built.append(event.type))
    seen = tracks.data.copy(), tracks.features.copy(), dict(tracks.graph)
    with qtbot.waitSignal(widget.following.measured):
        done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.lock(some(layer.data[0])[0])))
    settled(qtbot, widget)
    assert not built
    with qtbot.waitSignal(widget.following.measured):
        done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(parents[0])))
    settled(qtbot, widget)
    assert {"data", "properties", "rebuild_graph"} <= set(built) and len(tracks.data) < len(seen[0])
    with qtbot.waitSignal(widget.following.measured):
        done(qtbot, widget, widget.live.undo_last)
    settled(qtbot, widget)
    np.testing.assert_array_equal(tracks.data, seen[0])
    pd.testing.assert_frame_equal(tracks.features, seen[1])
    assert tracks.graph == seen[2]


def test_links_and_mends_are_one_history(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot, link="z")
    links, live = widget.result.links, widget.live
    assert "undo" not in links.buttons and not live.undo.isEnabled()
    states = [layer.data.copy()]

    def then(act, told=done):
        told(qtbot, widget if told is done else links, act)
        states.append(layer.data.copy())

    through = next(n for n in some(layer.data[0]) if all((plane == n).any() for plane in layer.data))
    first, second = [n for n in some(layer.data[0]) if n != through][:2]
    then(lambda: live.mend(lambda mends: mends.remove(first)))
    show(qtbot, widget, 2)
    widget.mend.canvas.choose(through)
    then(lambda: links.do("cut"), relinked)
    new = int(states[0].max()) + 1
    assert set(layer.data[3][states[0][3] == through]) == {new} and through in layer.data[1]
    show(qtbot, widget, 0)
    assert live.undo.isEnabled()
    then(lambda: live.mend(lambda mends: mends.remove(second)))
    # Back to the start in the plane that is shown, and what concerns others is said.
    done(qtbot, widget, live.undo_last)
    np.testing.assert_array_equal(layer.data, states[2])
    change = relinked(qtbot, links, live.undo_last)
    assert change.back and set(change.numbers) == {2, 3}
    np.testing.assert_array_equal(layer.data, states[1])
    assert links.message.text() == f"Taken back: object {new} is object {through} again in planes 2 to 3."
    done(qtbot, widget, live.undo_last)
    np.testing.assert_array_equal(layer.data, states[0])
    assert not live.undo.isEnabled() and live.redo.isEnabled()
    # And forth again, as it was done.
    done(qtbot, widget, live.redo_last)
    np.testing.assert_array_equal(layer.data, states[1])
    relinked(qtbot, links, live.redo_last)
    np.testing.assert_array_equal(layer.data, states[2])
    # Taken back in another plane, it is done again there first; a new step ends what can be done again.
    show(qtbot, widget, 3)
    relinked(qtbot, links, live.undo_last)
    qtbot.waitUntil(live.redo.isEnabled)
    move(qtbot, widget, "pred_iou_thresh", 0.55)
    assert not live.redo.isEnabled()
    qtbot.waitUntil(lambda: not live.work.busy)
    links.do("cut")  # nothing is chosen
    assert "Choose an object" in links.message.text()


def test_a_plane_that_is_opened_while_links_change_shows_them(viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask._napari.live.stack_layer.OPEN", 1)
    widget, layer = stack_result(viewer, qtbot, link="z")
    links, before = widget.result.links, layer.data.copy()
    through = next(n for n in some(layer.data[0]) if all((plane == n).any() for plane in layer.data))
    show(qtbot, widget, 1)
    widget.mend.canvas.choose(through)
    links.relinking._timer.setInterval(100_000)  # other planes are painted much later
    links.do("cut")
    new = int(before.max()) + 1
    qtbot.waitUntil(lambda: new in layer.data[1])
    assert new not in layer.data[3]
    show(qtbot, widget, 3)
    assert set(layer.data[3][before[3] == through]) == {new}
    qtbot.waitUntil(lambda: not widget.live.work.busy)
    assert not widget.live.live_layer.locked  # taken for nobody's paint


def test_settings_are_taken_into_all_planes_under_what_was_mended(viewer, qtbot):
    widget, layer = stack_result(viewer, qtbot)
    label = some(layer.data[0])[0]
    where = layer.data[0] == label
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(label)))
    show(qtbot, widget, 1)
    move(qtbot, widget, "pred_iou_thresh", 0.55)
    widget.live.everywhere.click()
    expected = [
        np.count_nonzero(paint(select(candidates_of(plane), START.replace(pred_iou_thresh=0.55))).labels)
        for plane in image()
    ]
    qtbot.waitUntil(
        lambda: [np.count_nonzero(plane) for plane in layer.data[1:]] == expected[1:], timeout=30_000
    )
    assert not layer.data[0][where].any()
    qtbot.waitUntil(lambda: not widget.live.work.busy and not widget.following.tables.busy)
    show(qtbot, widget, 3)
    assert widget.form.settings.pred_iou_thresh == 0.55
    fits(qtbot, layer)

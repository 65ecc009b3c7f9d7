"""All levels in the viewer: a layer for each, replaced as one result, following at rest, edits kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari_kit import LOW, SHAPE, BlobSegmenter, dock, labels_of, move, rows, run

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.contributions.coco_layers import coco_of
from napari_sam2_automask._napari.live.level_layers import LEVEL_KEY
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.settings.amg import AmgSettings

ALL = LOW.replace(pred_iou_thresh=0.85, overlap="all_levels", box_nms_thresh=0.3)
WAIT = 30_000


def levels_in(viewer):
    """Return the level layers by level, in the order of the layer list."""
    return [layer for layer in labels_of(viewer) if LEVEL_KEY in layer.metadata]


def expected(widget):
    follower = widget.live.live_layer
    image = widget.images.layer.data
    return paint(select(follower.candidates, widget.form.settings), image=image)


def shows(viewer, painted):
    layers = levels_in(viewer)
    return len(layers) == len(painted.levels) and all(
        np.array_equal(layer.data, level) for layer, level in zip(layers, painted.levels, strict=True)
    )


@pytest.fixture
def levels(make_napari_viewer, qtbot):
    """Run once at all levels; return the viewer, the widget and the layer of the result."""
    viewer = make_napari_viewer()
    viewer.add_image(np.random.default_rng(0).random(SHAPE), name="cells", scale=(0.5, 0.5))
    widget = dock(viewer, BlobSegmenter())
    widget.form.show(ALL)
    run(qtbot, widget)
    result = viewer.layers[-1]
    count = len(expected(widget).levels)
    assert count > 2
    qtbot.waitUntil(lambda: len(levels_in(viewer)) == count, timeout=WAIT)
    return viewer, widget, result


def test_a_layer_for_each_level(levels):
    viewer, widget, result = levels
    painted = expected(widget)
    np.testing.assert_array_equal(result.data, painted.labels)
    pd.testing.assert_frame_equal(rows(result), painted.table, check_dtype=False)
    assert shows(viewer, painted)
    assert "level is a layer" in widget.run_panel.status.text()
    assert "when the sliders rest" in widget.live.message.text()
    assert viewer.layers[-1] is result and viewer.layers.selection.active is result
    for n, layer in enumerate(levels_in(viewer)):
        assert layer.name == f"{result.name} - level {n}"
        assert not layer.visible
        np.testing.assert_array_equal(layer.scale, result.scale)
        own = painted.table[painted.table["level"] == n]
        assert rows(layer)["index"].tolist() == own["index"].tolist()
        assert rows(layer)["parent"].tolist() == own["parent"].tolist()


def test_levels_follow_when_the_sliders_rest(levels, qtbot):
    viewer, widget, result = levels
    before = [layer.data.copy() for layer in levels_in(viewer)]
    with qtbot.waitSignal(widget.following.told, timeout=WAIT):
        move(qtbot, widget, "min_area", 150)
    painted = expected(widget)
    qtbot.waitUntil(lambda: shows(viewer, painted), timeout=WAIT)
    assert len(painted.levels) < len(before) or any(
        (a != b).any() for a, b in zip(before, painted.levels, strict=False)
    )
    pd.testing.assert_frame_equal(rows(result), painted.table, check_dtype=False)
    record = result.metadata[RECORD_KEY]
    assert record["objects"] == len(painted.table)
    assert record["removed"] == painted.record["removed"]
    assert widget.live.count.text().startswith(f"{len(painted.table)} object")
    # Less of a threshold than in the run brings levels back.
    with qtbot.waitSignal(widget.following.told, timeout=WAIT):
        move(qtbot, widget, "min_area", 0)
    qtbot.waitUntil(lambda: shows(viewer, expected(widget)), timeout=WAIT)


def test_another_policy_takes_the_levels_away(levels, qtbot):
    viewer, widget, result = levels
    with qtbot.waitSignal(widget.following.told, timeout=WAIT):
        move(qtbot, widget, "overlap", "best_score")
    assert levels_in(viewer) == [] and result in viewer.layers
    assert widget.live.message.isHidden()
    assert "level" not in rows(result)
    with qtbot.waitSignal(widget.following.told, timeout=WAIT):
        move(qtbot, widget, "overlap", "all_levels")
    qtbot.waitUntil(lambda: shows(viewer, expected(widget)), timeout=WAIT)


def test_a_second_run_replaces_all_as_one(levels, qtbot):
    viewer, widget, _ = levels
    before = list(viewer.layers)
    run(qtbot, widget)
    qtbot.waitUntil(lambda: not widget.following.tables.busy, timeout=WAIT)
    qtbot.wait(100)
    assert list(viewer.layers) == before
    assert shows(viewer, expected(widget))


def test_edited_levels_stay(levels, qtbot):
    viewer, widget, _ = levels
    old = levels_in(viewer)
    old[1].data[:5, :5] = 999
    mine = [layer.data.copy() for layer in old]
    with qtbot.waitSignal(widget.following.told, timeout=WAIT):
        move(qtbot, widget, "min_area", 150)
    painted = expected(widget)
    new = lambda: [layer for layer in levels_in(viewer) if layer not in old]  # noqa: E731
    qtbot.waitUntil(lambda: len(new()) == len(painted.levels), timeout=WAIT)
    for layer, level in zip(new(), painted.levels, strict=True):
        np.testing.assert_array_equal(layer.data, level)
    for layer, data in zip(old, mine, strict=True):
        assert layer in viewer.layers
        np.testing.assert_array_equal(layer.data, data)


def test_what_a_person_painted_is_on_a_level(levels, qtbot):
    viewer, widget, result = levels
    result.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900)
    with qtbot.waitSignal(widget.following.told, timeout=WAIT):
        move(qtbot, widget, "min_area", 150)
    qtbot.waitUntil(lambda: any((layer.data == 900).any() for layer in levels_in(viewer)), timeout=WAIT)
    drawn = [layer.data == 900 for layer in levels_in(viewer)]
    assert sum(one.sum() for one in drawn) == 3
    assert rows(result).set_index("index").loc[900, "area"] == 3


def test_coco_of_the_result_holds_every_mask(levels):
    _, widget, result = levels
    painted = expected(widget)
    content = coco_of(np.asarray(result.data), {"metadata": result.metadata, "features": rows(result)})
    found = {a["id"]: a["area"] for a in content["annotations"]}
    assert found == dict(zip(painted.table["index"], painted.table["area"], strict=True))


def test_of_a_swapped_region_the_levels_lie_where_the_image_does(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.random.default_rng(0).random(SHAPE), name="cells")
    shapes = viewer.add_shapes([[[10, 20], [10, 80], [70, 80], [70, 20]]], shape_type="rectangle")
    viewer.dims.order = (1, 0)

    class Fitting(BlobSegmenter):
        def __call__(self, plane, request, progress):
            from candidate_factory import random_candidates
            from napari_kit import PlaneResult

            from napari_sam2_automask.painting.live import LiveSelection

            live = LiveSelection(random_candidates(plane.shape, 50, seed=4, settings=LOW))
            live.prepare()
            painted = paint(select(live.candidates, request.settings))
            return PlaneResult(painted.labels, painted.table, {}, {}, True, "cpu", live)

    widget = dock(viewer, Fitting())
    widget.images.where.choose(shapes)
    widget.form.show(ALL)
    run(qtbot, widget)
    request = widget.session.last.request
    assert request.region is not None
    painted = paint(select(widget.live.live_layer.candidates, widget.form.settings))
    qtbot.waitUntil(lambda: len(levels_in(viewer)) == len(painted.levels), timeout=WAIT)
    for layer, level in zip(levels_in(viewer), painted.levels, strict=True):
        assert layer.data.shape == SHAPE
        np.testing.assert_array_equal(request.window(layer.data), level)
        outside = layer.data.copy()
        request.window(outside)[...] = 0
        assert not outside.any()


def test_choosing_in_the_form_settles_nested(make_napari_viewer_proxy):
    form = dock(make_napari_viewer_proxy()).form
    form.show(AmgSettings(nested="choose"))
    form.widgets["overlap"].value = "all_levels"
    assert (form.settings.overlap, form.widgets["nested"].value) == ("all_levels", "keep")
    form.widgets["nested"].value = "choose"
    assert (form.settings.nested, form.widgets["overlap"].value) == ("choose", "small_on_top")


def test_of_stacks_it_is_said_that_there_are_none(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.full((3, 40, 60), 100, np.uint8))
    widget = dock(viewer)
    widget.form.show(AmgSettings(overlap="all_levels"))
    run(qtbot, widget)
    assert levels_in(viewer) == []
    assert "images of two axes only" in widget.run_panel.status.text()

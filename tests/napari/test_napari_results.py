"""Several results of one image: what shows, what is hidden, and what ends with its layer."""

from __future__ import annotations

import numpy as np
from napari_kit import dock, labels_of, live_result, run

from napari_sam2_automask._napari.live.outlines import borders

IMAGE = np.full((32, 48), 100, np.uint8)


def choose(widget, preset):
    widget.presets.choose(preset)
    widget.presets.chosen.emit()


def settle(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.session._earlier._errands.busy)


def visible(viewer):
    return [layer.name.split(",")[0] for layer in labels_of(viewer) if layer.visible]


def test_earlier_results_of_the_image_hide_once_and_never_when_edited(viewer, qtbot):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer)
    for preset in ("coarse", "balanced", "fine"):
        choose(widget, preset)
        run(qtbot, widget)
        settle(qtbot, widget)
    assert visible(viewer) == ["cells - fine"]
    assert "Hidden: the earlier result." in widget.run_panel.status.text()
    # Who shows one again keeps it, and what was edited stays.
    labels_of(viewer)[0].visible = True
    labels_of(viewer)[2].data_setitem((np.array([3]), np.array([3])), 77)
    choose(widget, "sam2-defaults")
    run(qtbot, widget)
    settle(qtbot, widget)
    assert visible(viewer) == ["cells - coarse", "cells - fine", "cells - sam2-defaults"]
    # A hidden one that is made again shows.
    choose(widget, "balanced")
    run(qtbot, widget)
    settle(qtbot, widget)
    assert len(labels_of(viewer)) == 4
    assert "cells - balanced" in visible(viewer)


def test_results_of_other_images_regions_and_planes_stay(viewer, qtbot):
    viewer.add_image(np.full((3, 32, 48), 100, np.uint8), name="stack")
    widget = dock(viewer)
    for plane, preset in ((0, "coarse"), (1, "balanced")):
        viewer.dims.set_current_step(0, plane)
        choose(widget, preset)
        run(qtbot, widget)
        settle(qtbot, widget)
    assert len(visible(viewer)) == 2
    viewer.add_image(IMAGE, name="other")
    run(qtbot, widget)
    settle(qtbot, widget)
    assert len(visible(viewer)) == 3
    shapes = viewer.add_shapes([np.array([[2, 2], [2, 20], [20, 20], [20, 2]])], name="here")
    widget.images.where.choose(shapes)
    run(qtbot, widget)
    settle(qtbot, widget)
    assert len(visible(viewer)) == 4


def test_what_shows_about_a_result_goes_with_its_layer(viewer, qtbot):
    widget, layer = live_result(viewer, qtbot)
    widget.tuning.picking.button.setChecked(True)
    viewer.layers.remove(layer)
    assert widget.live.isHidden() and widget.tuning.isHidden()
    assert widget.live.live_layer is None
    assert not widget.tuning.picking.button.isChecked()
    assert widget.run_panel.status.text() == "Ready"
    widget.form.widgets["pred_iou_thresh"].value = 0.9
    qtbot.wait(500)
    assert widget.run_panel.status.text() == "Ready"
    run(qtbot, widget)
    assert not widget.live.isHidden()
    viewer.layers.remove("cells")  # the image: its result goes on
    assert not widget.live.isHidden()
    viewer.layers.clear()
    assert widget.live.isHidden()


def test_what_the_model_sees_is_not_segmented_next(viewer, qtbot):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer)
    for count in (2, 3):  # twice: the second must not show the first
        widget.images.view_button.click()
        qtbot.waitUntil(lambda count=count: len(viewer.layers) == count)
        assert widget.images.layer.name == "cells"
        assert viewer.layers.selection.active.name == "cells"
    viewer.layers.selection.active = viewer.layers[-1]  # looked at, not chosen
    assert widget.images.layer.name == "cells"
    viewer.layers.selection = set(viewer.layers)
    assert [layer.name for layer in widget.images.selected()] == ["cells"]
    widget.images.layer_choice.choose(viewer.layers[-1])  # unless somebody wants that
    assert widget.images.layer.name == viewer.layers[-1].name
    widget.images.layer_choice.pin.setChecked(False)
    viewer.layers.remove("cells")
    viewer.layers.selection.active = viewer.layers[0]
    assert widget.images.layer is not None  # what is chosen stays as long as it is there


def test_a_new_image_is_taken_as_always(viewer, qtbot):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer)
    widget.images.view_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    viewer.add_image(IMAGE, name="more")
    assert widget.images.layer.name == "more"
    viewer.layers.remove("more")
    assert widget.images.layer.name == "cells"


def test_borders_lie_between_pixels():
    labels = np.zeros((6, 7), np.uint8)
    labels[2:4, 1:4] = 5
    labels[2:4, 4] = 6
    labels[0, 0] = 3
    ends = borders(labels, [5], dash=0).reshape(-1, 2, 2)
    assert len(ends) == 2 * (2 + 3)
    assert (np.abs(ends[:, 0] - ends[:, 1]).sum(axis=1) == 1).all()
    assert ends.min(axis=(0, 1)).tolist() == [0.5, 1.5] and ends.max(axis=(0, 1)).tolist() == [3.5, 3.5]
    assert len(borders(labels, [5, 6], dash=0)) == 2 * (2 * (2 + 4) + 2)  # the one between them once
    assert len(borders(labels, [3], dash=0)) == 2 * 4
    assert len(borders(labels, [9])) == 0
    assert 0 < len(borders(labels, [5])) < 20


def test_what_is_locked_has_an_outline(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    widget, layer = live_result(viewer, qtbot)
    viewer.reset_view()
    before = viewer.screenshot(flash=False)
    label = int(np.unique(layer.data)[1])
    widget.tuning.picking.pick(label, good=True)
    qtbot.waitUntil(lambda: widget.result.outlines.line is not None)
    assert widget.result.outlines.labels == {label}
    line = widget.result.outlines.line
    assert (viewer.screenshot(flash=False) != before).any()
    widget.tuning.picking.pick(label, good=True)  # released
    qtbot.waitUntil(lambda: not widget.result.outlines.labels)
    assert widget.result.outlines.line is None
    np.testing.assert_array_equal(viewer.screenshot(flash=False), before)
    layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 900)  # painted
    widget.form.widgets["pred_iou_thresh"].value = 0.9
    qtbot.waitUntil(lambda: 900 in widget.result.outlines.labels)
    qtbot.waitUntil(lambda: widget.result.outlines.line is line)  # which is not made anew
    viewer.layers.remove(layer)
    assert widget.result.outlines.line is None and widget.result.outlines._line is None

"""Objects picked as good or bad, and settings found from a few of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari_kit import move, rows

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.layers.resample import labels_on


def click(layer, label, *modifiers, drag=False):
    """Click into an object as a person does."""
    y, x = np.argwhere(layer.data == label)[0]
    event = SimpleNamespace(
        type="mouse_press",
        modifiers=modifiers,
        position=(y, x),
        view_direction=None,
        dims_displayed=[0, 1],
        dims_point=[0, 0],
        is_dragging=drag,
        handled=False,
    )
    mouse_press_callbacks(layer, event)
    if drag:
        event.type = "mouse_move"
        mouse_move_callbacks(layer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(layer, event)


def test_accepted_objects_stay_and_rejected_ones_stay_away(live, qtbot):
    widget, layer = live
    scores = rows(layer).set_index("index")["predicted_iou"].dropna()
    good, bad = scores.idxmin(), scores.idxmax()
    widget.tuning.picking.button.click()
    click(layer, good)
    click(layer, bad, "Shift")
    pixels = layer.data == good
    qtbot.waitUntil(lambda: widget.tuning.picking.count.text() == "1 good, 1 bad")
    assert bad not in layer.data
    for value in (0.99, 0.5, 0.7):
        move(qtbot, widget, "pred_iou_thresh", value)
        np.testing.assert_array_equal(layer.data == good, pixels)
        assert bad not in layer.data
    # A second click and Clear let them go their ways again.
    click(layer, good)
    widget.tuning.picking.clear.click()
    qtbot.waitUntil(lambda: bad in layer.data)
    move(qtbot, widget, "pred_iou_thresh", 0.99)
    assert good not in layer.data
    assert widget.tuning.picking.count.text() == "0 good, 0 bad"


def test_a_drag_picks_nothing_and_neither_does_a_click_without_the_button(live, qtbot):
    widget, layer = live
    label = int(np.unique(layer.data)[1])
    click(layer, label)
    widget.tuning.picking.button.click()
    click(layer, label, drag=True)
    assert not widget.live.live_layer.accepted
    click(layer, label)
    qtbot.waitUntil(lambda: widget.live.live_layer.accepted == {label})


def settle(qtbot, widget):
    """Wait until all that was asked for is done."""
    qtbot.waitUntil(lambda: not widget.live._work.busy)


def search(qtbot, widget):
    widget.tuning.search.click()
    qtbot.waitUntil(lambda: widget.tuning._run is None)


def test_painted_objects_find_settings_that_can_be_applied_and_undone(live, qtbot):
    widget, layer = live
    candidates = widget.live.live_layer.candidates
    # The examples are what a stricter selection shows; the result has more.
    wanted = widget.form.settings.replace(pred_iou_thresh=0.9)
    painted = paint(select(candidates, wanted)).labels
    some = np.where(np.isin(painted, np.unique(painted)[1:6]), painted, 0)
    viewer_layers = widget._viewer.layers
    widget._viewer.add_labels(np.zeros((3, 3), int), name="of another shape")
    widget._viewer.add_labels(some.astype(np.uint16), name="my five")
    assert [widget.tuning.examples.itemText(k) for k in range(widget.tuning.examples.count())][1:] == [
        "my five"
    ]
    widget.tuning.examples.setCurrentIndex(1)
    widget.form.widgets["min_area"].value = 5000  # nothing is left: there is something to gain
    qtbot.waitUntil(lambda: not layer.data.any())
    before = widget.form.settings
    search(qtbot, widget)
    found = widget.tuning.found
    assert found.best.score > found.start.score
    assert f"{len(found.trials)} settings tried" in widget.tuning.message.text()
    assert f"{found.best.f1:.2f}" in widget.tuning.message.text()
    assert widget.tuning.plot.scores == [trial.score for trial in found.trials]
    picture = widget.tuning.plot.grab().toImage()
    places = np.ndindex(picture.width(), picture.height())
    colours = {picture.pixelColor(x, y).name() for x, y in places}
    assert len(colours) > 3
    widget.tuning.apply.click()
    qtbot.waitUntil(lambda: widget.live.shown == found.best.settings)
    assert widget.form.settings == found.best.settings
    np.testing.assert_array_equal(layer.data, paint(select(candidates, found.best.settings)).labels)
    assert layer.data.any()
    widget.live.undo.click()
    qtbot.waitUntil(lambda: widget.form.settings == before)
    viewer_layers.remove("my five")
    assert widget.tuning.examples.count() == 1


def test_examples_may_be_painted_at_another_resolution(live, qtbot):
    widget, layer = live
    fine = np.kron(layer.data, np.ones((2, 2), layer.data.dtype))
    names = [layer.name for layer in widget._viewer.layers]
    add = widget._viewer.add_labels
    # A pixel is four here, and the first four lie around the first one's middle.
    twice = add(fine, name="twice as fine", scale=(0.5, 0.5), translate=(-0.25, -0.25))
    add(fine, name="elsewhere", scale=(0.5, 0.5), translate=(9, 9))
    add(fine, name="turned", scale=(0.5, 0.5), rotate=20)
    add(fine[:, ::-1], name="mirrored", scale=(0.5, -0.5), translate=(0, layer.data.shape[1]))
    coarse = add(
        [fine, fine[::2, ::2]], multiscale=True, name="of levels", scale=(0.5, 0.5), translate=(-0.25, -0.25)
    )
    offered = [widget.tuning.examples.itemText(k) for k in range(widget.tuning.examples.count())][1:]
    assert offered == ["twice as fine", "of levels"], names
    np.testing.assert_array_equal(labels_on(twice, layer), layer.data)
    np.testing.assert_array_equal(labels_on(coarse, layer), layer.data)
    widget.tuning.examples.setCurrentIndex(1)
    search(qtbot, widget)
    # Parts under others are missing from some.
    assert widget.tuning.found.start.found > 20


def test_picked_objects_find_settings(live, qtbot):
    widget, layer = live
    whole = rows(layer)[rows(layer)["area"] == rows(layer)["mask_area"]]
    for label in whole["index"][:3]:
        widget.tuning.picking.pick(int(label), good=True)
    settle(qtbot, widget)
    search(qtbot, widget)
    assert widget.tuning.found.best.found == 3


def test_without_examples_the_message_says_what_to_do(live, qtbot):
    widget, layer = live
    widget.tuning.search.click()
    assert "press Pick" in widget.tuning.message.text()
    widget._viewer.add_labels(np.zeros_like(layer.data), name="empty")
    widget.tuning.examples.setCurrentIndex(1)
    search(qtbot, widget)
    assert "no object is labelled" in widget.tuning.message.text()


def test_a_search_can_be_stopped(live, qtbot, monkeypatch):
    widget, layer = live
    monkeypatch.setattr("napari_sam2_automask._napari.tuning.panel.tune", endless)
    widget.tuning.picking.pick(int(np.unique(layer.data)[1]), good=True)
    settle(qtbot, widget)
    widget.tuning.search.click()
    qtbot.waitUntil(lambda: "7 settings tried" in widget.tuning.message.text())
    work = widget.tuning._run
    assert widget.tuning.search.text() == "Stop"
    widget.tuning.search.click()
    qtbot.waitUntil(lambda: work.finished and widget.tuning._run is None)
    assert "Stopped" in widget.tuning.message.text()


def endless(candidates, labels, *, progress, **how):
    while True:
        progress(7)

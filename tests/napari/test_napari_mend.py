"""Mend mode: tools, clicks, keys, and what is said."""

from __future__ import annotations

import numpy as np
import pytest
from napari_kit import move

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.mend.keys import DEFAULT_KEYS, keys_from
from napari_sam2_automask._napari.mend.tools import TOOLS
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed


def inside(layer, label):
    """Return a pixel well inside an object."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(np.asarray(layer.data) == label, 1))[1:-1, 1:-1]
    return tuple(int(n) for n in np.unravel_index(depth.argmax(), depth.shape))


def done(qtbot, widget, act):
    """Do something and wait until it is in the layer."""
    with qtbot.waitSignal(widget.live.mended) as told:
        act()
    return told.args[0]


def some(layer):
    return [int(n) for n in np.unique(layer.data)[1:]]


def test_tools_exclude_each_other_and_show_that_they_are_pressed(viewer, live, qtbot):
    widget, layer = live
    mend = widget.mend
    for name, button in mend.buttons.items():
        button.click()
        assert mend.tool == name
        assert [one for one, other in mend.buttons.items() if other.isChecked()] == [name]
        assert viewer.help.startswith(TOOLS[name].help)
        assert viewer.layers.selection.active == layer
        assert layer.mode == ("paint" if name == "brush" else "pan_zoom")
    mend.buttons["brush"].click()  # pressed again: none
    assert mend.tool == "" and not any(button.isChecked() for button in mend.buttons.values())
    assert viewer.help == ""
    assert mend.canvas._on_press not in layer.mouse_drag_callbacks
    assert mend.canvas._on_move not in layer.mouse_move_callbacks
    assert layer.mode == "pan_zoom" and layer.mouse_pan


def test_remove_keeps_the_place_empty_under_every_setting(live, qtbot):
    widget, layer = live
    widget.mend.take("remove")
    label = some(layer)[0]
    where = layer.data == label
    done(qtbot, widget, lambda: widget.mend.canvas.click(inside(layer, label)))
    assert not layer.data[where].any()
    for value in (0.55, 0.8):
        move(qtbot, widget, "pred_iou_thresh", value)
        assert not layer.data[where].any()
    assert "1 removed" in widget.mend.locked.text()
    done(qtbot, widget, widget.live.undo_last)


def test_control_removes_and_alt_merges_with_any_tool(live, qtbot):
    widget, layer = live
    widget.mend.take("add")
    canvas = widget.mend.canvas
    first, second, third = some(layer)[:3]
    done(qtbot, widget, lambda: canvas.click(inside(layer, first), {"Control"}))
    assert first not in some(layer)
    canvas.click(inside(layer, second), {"Alt"})
    assert canvas.chosen == second
    pixels = int(((layer.data == second) | (layer.data == third)).sum())
    done(qtbot, widget, lambda: canvas.click(inside(layer, third), {"Alt"}))
    assert third not in some(layer) and int((layer.data == second).sum()) == pixels


def test_a_tool_does_not_go_on_with_what_the_one_before_has_left(live, qtbot):
    widget, layer = live
    canvas = widget.mend.canvas
    first, second, third = some(layer)[:3]
    widget.mend.take("add")
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.lock(first)))
    corner = np.zeros(layer.data.shape, bool)
    corner[:2, :2] = True
    told = done(
        qtbot, widget, lambda: widget.live.mend(lambda mends: mends.add(mask=corner & (mends.labels == 0)))
    )
    assert canvas.chosen == told.labels[0]
    widget.mend.take("merge")
    assert not canvas.chosen
    canvas.click(inside(layer, second))
    done(qtbot, widget, lambda: canvas.click(inside(layer, third)))
    assert canvas.chosen == second and told.labels[0] in some(layer)
    canvas.choose(first)  # as in the table: that is what a person wants to go on with
    widget.mend.take("split")
    assert canvas.chosen == first


def test_split_by_a_stroke_and_by_clicks_loses_no_pixel(live, qtbot):
    widget, layer = live
    widget.mend.take("split")
    assert not layer.mouse_pan
    canvas = widget.mend.canvas
    label = int(np.bincount(layer.data.ravel())[1:].argmax()) + 1
    rows, columns = np.nonzero(layer.data == label)
    y, pixels = inside(layer, label)[0], len(rows)
    told = done(qtbot, widget, lambda: canvas.draw([(y, columns.min() - 3.0), (y, columns.max() + 3.0)]))
    assert len(told.labels) >= 2
    assert sum(int((layer.data == one).sum()) for one in told.labels) == pixels
    done(qtbot, widget, widget.live.undo_last)
    assert int((layer.data == label).sum()) == pixels
    x = columns[rows == y]
    canvas.click((y, x.min() + 1.0))
    canvas.apply()
    assert "another part" in widget.mend.message.text()
    canvas.click((y, x.max() - 1.0))
    told = done(qtbot, widget, canvas.apply)
    assert len(told.labels) == 2 and not canvas.seeds
    assert sum(int((layer.data == one).sum()) for one in told.labels) == pixels


def test_objects_shrink_and_grow_by_clicks_and_keys_and_all_that_are_chosen_together(live, qtbot):
    from scipy.ndimage import distance_transform_edt

    widget, layer = live
    canvas = widget.mend.canvas
    first, second = sorted(some(layer), key=lambda label: -int((layer.data == label).sum()))[:2]
    before = np.array(layer.data)
    widget.mend.take("shrink")
    at = inside(layer, first)
    widget.mend.canvas._previews.look("shrink", at, first, (first,))
    coming = canvas._previews._coming
    qtbot.waitUntil(lambda: coming._drawn is not None)
    done(qtbot, widget, lambda: canvas.click(at))
    narrower = distance_transform_edt(before == first) > 1
    np.testing.assert_array_equal(layer.data == first, narrower)
    assert widget.live.live_layer.shows.kept[first].edited == "reshaped"
    assert "click again" in widget.mend.message.text()
    done(qtbot, widget, widget.live.undo_last)
    np.testing.assert_array_equal(layer.data, before)
    canvas.choose(first, second)  # as by rows of the table
    widget.mend.take("grow")
    told = done(qtbot, widget, lambda: canvas.click(inside(layer, second), {"Shift"}))
    assert told.labels == canvas.picked == (first, second) and told.action.pixels == 5
    assert all((layer.data == label).sum() > (before == label).sum() for label in (first, second))
    others = (before > 0) & ~np.isin(before, (first, second))
    np.testing.assert_array_equal(layer.data[others], before[others])
    done(qtbot, widget, lambda: widget.mend.keys._commands["shrink"]())
    assert widget.live.live_layer.mends.steps[-1].pixels == -1
    widget.mend.take("")


def test_a_click_that_does_nothing_says_why(live, qtbot):
    widget, layer = live
    canvas, message = widget.mend.canvas, widget.mend.message
    empty = tuple(int(n) for n in np.argwhere(layer.data == 0)[0])
    for tool in ("remove", "merge", "parts", "whole", "split", "shrink", "grow"):
        widget.mend.take(tool)
        canvas.click(empty)
        assert message.text(), tool
    widget.mend.take("add")
    canvas.click(inside(layer, some(layer)[0]))
    assert "there already" in message.text()
    widget.mend.take("")


def test_escape_takes_back_what_was_begun_then_the_tool(live):
    widget, layer = live
    mend = widget.mend
    mend.take("split")
    mend.canvas.click(inside(layer, some(layer)[0]))
    assert mend.canvas.seeds and mend.canvas.chosen
    mend.leave()
    assert not mend.canvas.seeds and not mend.canvas.chosen and mend.tool == "split"
    mend.leave()
    assert mend.tool == ""


class Answers:
    """Answers as the model does: a square around the positive points, or the box."""

    def __init__(self):
        self.asked = []

    def __call__(self, points, on, box, mask):
        self.asked.append((points, on, box, mask))
        if not any(on) and box is None and mask is None:
            raise MendError("nothing says where the object is")
        here = [point for point, positive in zip(points, on, strict=True) if positive]
        y0, x0, y1, x1 = box or (*np.min(here, 0), *(np.max(here, 0) + 1))
        y0, x0, y1, x1 = (round(value) for value in (y0, x0, y1, x1))
        return Placed.at(y0, x0, np.ones((y1 - y0 + 1, x1 - x0 + 1), bool)), 0.9


@pytest.fixture
def answers(live):
    widget, _ = live
    widget.live.live_layer.live.ask = Answers()
    return widget.live.live_layer.live.ask


def answered(qtbot, canvas, act):
    with qtbot.waitSignal(canvas.asking.answered):
        act()


def free(layer, size=6):
    """Return the corner of a square without an object."""
    from scipy import ndimage

    clear = ndimage.minimum_filter(layer.data == 0, size, origin=-(size // 2), mode="constant")
    return tuple(int(n) for n in np.argwhere(clear)[0])


def test_the_model_is_asked_with_points_until_enter(live, qtbot, answers):
    widget, layer = live
    canvas = widget.mend.canvas
    widget.mend.take("ask")
    y, x = free(layer)
    before = layer.data.copy()
    answered(qtbot, canvas, lambda: canvas.click((y, x)))
    answered(qtbot, canvas, lambda: canvas.click((y + 3, x + 2)))
    answered(qtbot, canvas, lambda: canvas.click((y + 5, x + 5), {"Shift"}))
    canvas.turn_sign()
    answered(qtbot, canvas, lambda: canvas.click((y + 5, x + 4)))
    assert answers.asked[-1][:2] == (
        ((y, x), (y + 3, x + 2), (y + 5, x + 5), (y + 5, x + 4)),
        (True, True, False, False),
    )
    np.testing.assert_array_equal(layer.data, before)  # nothing yet
    assert "90% sure" in widget.mend.message.text()
    done_ = done(qtbot, widget, canvas.apply)
    (label,) = done_.labels
    assert label > before.max()
    wanted = np.zeros(before.shape, bool)
    wanted[y : y + 5, x : x + 4] = True
    np.testing.assert_array_equal(layer.data == label, wanted & (before == 0))
    assert widget.live.live_layer.shows.kept[label].scores[0] == pytest.approx(0.9)
    assert not canvas.asking.begun and not canvas.negative


def test_a_box_a_scribble_and_an_object_that_is_there(live, qtbot, answers):
    widget, layer = live
    canvas = widget.mend.canvas
    widget.mend.take("ask")
    assert not layer.mouse_pan
    y, x = free(layer)
    answered(qtbot, canvas, lambda: canvas.draw([(y + 4.0, x + 5.0), (y + 1.0, x + 1.0)]))
    assert answers.asked[-1][2] == (y + 1, x + 1, y + 4, x + 5)
    assert canvas.give_up() and not canvas.asking.begun
    answered(qtbot, canvas, lambda: canvas.draw([(y, x), (y, x + 5)], {"Alt"}))
    assert len(answers.asked[-1][0]) >= 2 and all(answers.asked[-1][1])
    canvas.give_up()
    label = int(np.bincount(layer.data.ravel())[1:].argmax()) + 1
    point, pixels = inside(layer, label), layer.data == label
    answered(qtbot, canvas, lambda: canvas.click(point))
    assert answers.asked[-1][3].area == pixels.sum()
    told = done(qtbot, widget, canvas.apply)
    assert told.labels == (label,) and (layer.data == label).sum() == 4
    done(qtbot, widget, widget.live.undo_last)
    np.testing.assert_array_equal(layer.data == label, pixels)


def test_where_nothing_is_stored_the_model_is_asked(live, qtbot, answers):
    widget, layer = live
    canvas = widget.mend.canvas
    widget.mend.take("add")
    every = np.zeros(layer.data.shape, bool)
    for row in range(len(widget.live.live_layer.candidates)):
        placed = widget.live.live_layer.live.mask(row)
        every[placed.window] |= placed.mask
    y, x = (int(n) for n in np.argwhere(~every & (layer.data == 0))[0])
    answered(qtbot, canvas, lambda: canvas.click((y, x)))
    assert answers.asked == [(((y, x),), (True,), None, None)]
    told = done(qtbot, widget, canvas.apply)
    assert layer.data[y, x] == told.labels[0]


def test_what_the_model_cannot_answer_is_said(live, qtbot, answers):
    widget, layer = live
    canvas = widget.mend.canvas
    widget.mend.take("ask")
    with qtbot.waitSignal(canvas.asking.failed):
        canvas.click(free(layer), {"Shift"})
    assert "Nothing says where" in widget.mend.message.text()
    canvas.apply()
    assert "no answer" in widget.mend.message.text()
    widget.mend.leave()
    assert not canvas.asking.begun and widget.mend.tool == "ask"


def test_keys_are_bound_while_a_tool_is_pressed_and_can_be_chosen(live, qtbot):
    widget, layer = live
    before = dict(layer.keymap)
    widget.mend.take("remove")
    assert len(layer.keymap) == len(before) + sum(map(len, DEFAULT_KEYS.values()))
    widget.mend.take("brush")  # napari's polygon keeps its own
    assert len(layer.keymap) == len(before) + sum(map(len, DEFAULT_KEYS.values())) - 2
    widget.mend.take("")
    assert dict(layer.keymap) == before
    keys = keys_from({"remove": "R", "whole": ["W", "Shift-W"], "nothing": "Q", "parts": 5})
    assert keys["remove"] == ("R",) and keys["whole"] == ("W", "Shift-W")
    assert keys["parts"] == DEFAULT_KEYS["parts"] and "nothing" not in keys
    assert keys_from(None) == DEFAULT_KEYS == keys_from(Store().get("mend_keys"))


def test_no_key_of_naparis_own_is_taken():
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    own = {
        str(key)
        for action, keys in default_shortcuts.items()
        for key in keys
        if not any(word in action for word in ("points", "shape", "vertex", "activate_add"))
    }
    for command in ("remove", "whole", "parts", "grow", "shrink", "lock", "sign"):
        for key in DEFAULT_KEYS[command]:
            assert str(coerce_keybinding(key)) not in own, key


def test_in_3d_mending_says_what_it_needs_and_the_message_goes(viewer, live):
    widget, _ = live
    widget.mend.take("remove")
    viewer.dims.ndisplay = 3
    assert widget.mend.tool == "" and "2-D" in widget.mend.message.text()
    widget.mend.buttons["add"].click()
    assert widget.mend.tool == "" and "2-D" in widget.mend.message.text()
    assert not widget.mend.buttons["add"].isChecked()
    viewer.dims.ndisplay = 2
    assert not widget.mend.message.text()


def test_the_tools_end_with_the_layer(viewer, live):
    widget, layer = live
    widget.mend.take("remove")
    viewer.layers.remove(layer)
    assert widget.mend.isHidden() and widget.mend.tool == "" and viewer.help == ""


def test_commands_of_the_palette_act_on_the_result(viewer, live, qtbot, monkeypatch):
    from napari_sam2_automask._napari.contributions import mend_commands

    widget, layer = live
    for tool in TOOLS:
        getattr(mend_commands, tool)()
        assert widget.mend.tool == tool
    widget.mend.take("")
    mend_commands.next_object()
    (label,) = widget.result.table.labels
    done(qtbot, widget, mend_commands.accept)
    assert label in widget.live.live_layer.accepted
    before = layer.data.copy()
    other = next(n for n in some(layer) if n != label)
    done(qtbot, widget, lambda: widget.live.mend(lambda mends: mends.remove(other)))
    done(qtbot, widget, mend_commands.undo)
    np.testing.assert_array_equal(layer.data, before)
    done(qtbot, widget, mend_commands.redo)
    assert other not in layer.data
    done(qtbot, widget, mend_commands.release)
    assert not widget.live.live_layer.locked
    viewer.layers.remove(layer)
    told = []
    monkeypatch.setattr(mend_commands, "show_info", told.append)
    mend_commands.undo()
    assert "no result to mend" in told[0]


def test_it_stays_within_the_width_of_the_dock(live, qtbot):
    widget, layer = live
    first, second = some(layer)[:2]
    widget.result.objects.expand(animate=False)
    for act in (lambda mends: mends.lock(first), lambda mends: mends.remove(second)):
        done(qtbot, widget, lambda act=act: widget.live.mend(act))
    widget.mend.take("ask")
    assert widget.result.minimumSizeHint().width() <= 255

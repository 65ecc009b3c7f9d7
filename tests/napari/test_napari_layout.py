"""The form of the widget: what folds away, what the keyboard reaches, and how narrow it can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from napari_kit import ObedientSegmenter, dock, finish, live_result, run
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QWidget

from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.image.contrast_hint import share_used

IMAGE = np.full((32, 48), 100, np.uint8)


@pytest.fixture
def widget(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE, name="cells")
    return dock(viewer)


def stops(widget):
    """Return what the tab key stops at."""
    # Not by the chain of focus: PySide keeps a window in memory that was asked what comes next in it.
    return [
        one
        for one in widget.findChildren(QWidget)
        if one.isVisibleTo(widget)
        and one.isEnabled()
        and one.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not isinstance(one.focusProxy(), QWidget)
    ]


def test_what_is_folded_is_no_stop_of_the_tab_key(widget):
    for fold in widget.findChildren(Fold):
        if not fold.isVisibleTo(widget):
            continue
        inside = fold.content()
        unfolded = fold.isExpanded()
        fold.collapse(animate=False)
        assert not [stop for stop in stops(widget) if inside.isAncestorOf(stop)]
        fold.expand(animate=False)
        assert [stop for stop in stops(widget) if inside.isAncestorOf(stop)]
        if not unfolded:
            fold.collapse(animate=False)


def test_few_stops_at_first(widget):
    assert len(stops(widget)) < 16


def test_every_button_says_what_it_does_and_every_choice_has_a_name(widget):
    for fold in widget.findChildren(Fold):
        fold.expand(animate=False)
        assert fold.toggleButton().toolTip()
    for button in widget.findChildren(QAbstractButton):
        if button.isVisibleTo(widget) and button.text():
            assert button.toolTip(), button.text()
    for kind in (QComboBox, QAbstractSpinBox, QSlider):
        for choice in widget.findChildren(kind):
            held = isinstance(choice.parent(), QComboBox | QAbstractSpinBox | QSlider)
            outer = choice.parent().accessibleName() if isinstance(choice.parent(), QWidget) else ""
            if choice.isVisibleTo(widget) and not held and not isinstance(choice, QLineEdit):
                assert choice.accessibleName() or outer, (type(choice).__name__, choice.toolTip())


@pytest.mark.parametrize("unfolded", [False, True])
def test_three_hundred_pixels_are_enough(make_napari_viewer, qtbot, unfolded):
    viewer = make_napari_viewer()
    viewer.add_image(np.random.default_rng(0).random((4, 40, 50)), name="cells " * 9, scale=(1, 0.5, 0.5))
    viewer.layers[0].units = ("um", "um", "um")
    viewer.add_image(np.random.default_rng(0).random((4, 40, 50)), name="more", blending="additive")
    widget = dock(viewer)
    widget.presets.choose("fine", custom=True)
    widget.models._file = "/a/very/long/path/" + "x" * 80 + ".pt"
    widget.models.refresh()
    for fold in widget.findChildren(Fold):
        if unfolded:
            fold.expand(animate=False)
    widget.run_panel.status.setText("Awordthatislongerthananybodywouldeverwrite " * 4)
    widget.run_panel.suggest("Something else would be better. " * 5)
    qtbot.wait(50)
    assert widget.minimumSizeHint().width() <= 300
    inner = widget._scroll.widget()
    assert inner.minimumSizeHint().width() <= 270


def test_after_a_run_the_result_is_on_top_and_the_choices_fold(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    widget, layer = live_result(viewer, qtbot)
    assert not widget.choices.isExpanded()
    assert "cells" in widget.choices.text()
    widget.live.count.setText("123,456 objects")
    widget.live.before.setText("Before")
    assert widget._scroll.widget().minimumSizeHint().width() <= 250  # there is a scroll bar beside it
    assert widget.result.examples.isVisibleTo(widget)
    viewer.layers.remove(layer)
    assert widget.choices.isExpanded() and not widget.result.examples.isVisibleTo(widget)


def test_a_line_in_a_histogram_is_dragged_and_the_labels_follow(make_napari_viewer, qtbot):
    widget, layer = live_result(make_napari_viewer(), qtbot)
    sure = widget.live.sliders.sure
    sure.resize(260, sure.height())
    middle = sure.height() // 2

    def at(value):
        return QPoint(round(sure._x(value)), middle)

    before = layer.data.copy()
    QTest.mousePress(sure, Qt.MouseButton.LeftButton, pos=at(0.75))
    QTest.mouseMove(sure, at(0.9))
    QTest.mouseRelease(sure, Qt.MouseButton.LeftButton, pos=at(0.9))
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings)
    assert widget.form.settings.pred_iou_thresh == pytest.approx(0.75, abs=0.16)
    assert (layer.data != before).any()
    # The keyboard does the same.
    was = widget.form.settings.pred_iou_thresh
    QTest.keyClick(sure, Qt.Key.Key_Left)
    assert widget.form.settings.pred_iou_thresh < was
    QTest.keyClick(sure, Qt.Key.Key_Right)
    assert widget.form.settings.pred_iou_thresh == pytest.approx(was, abs=0.002)
    assert widget.presets.custom


def test_sizes_have_two_lines_that_do_not_pass_each_other(make_napari_viewer, qtbot):
    widget, _ = live_result(make_napari_viewer(), qtbot)
    sizes = widget.live.sliders.sizes
    low, high = sizes.edges
    assert widget.form.settings.min_area == widget.form.settings.max_area == 0
    sizes.move_line(0, math.log10(50))
    sizes.move_line(1, math.log10(200))
    assert (widget.form.settings.min_area, widget.form.settings.max_area) == (50, 200)
    sizes.move_line(0, math.log10(900))
    assert (widget.form.settings.min_area, widget.form.settings.max_area) == (200, 200)
    sizes.move_line(0, low - 1)
    sizes.move_line(1, high + 1)  # at the ends there is no limit
    assert (widget.form.settings.min_area, widget.form.settings.max_area) == (0, 0)


def test_from_the_wholes_to_the_parts(make_napari_viewer, qtbot):
    widget, _ = live_result(make_napari_viewer(), qtbot)
    widget.live.sliders.parts.setValue(20)
    assert (widget.form.settings.nested, widget.form.settings.granularity) == ("choose", 0.2)
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings)


def test_this_view_runs_on_what_shows(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    image = viewer.add_image(np.full((200, 300), 100, np.uint8), name="cells")
    segmenter = ObedientSegmenter()
    widget = dock(viewer, segmenter)
    image.corner_pixels = np.array([[50, 80], [120, 170]])
    widget.run_panel.view.click()
    finish(qtbot, widget)
    region = segmenter.requests[0].region
    assert region is not None and (region.box[2] - region.box[0]) < 200
    assert widget.images.where.currentIndex() == 0  # what is chosen stays
    run(qtbot, widget)
    assert segmenter.requests[1].region is None


def test_the_keyboard_runs(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(IMAGE, name="cells")
    segmenter = ObedientSegmenter()
    widget = dock(viewer, segmenter)
    qtbot.waitExposed(widget)
    window = widget.window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    for keys in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        before = len(segmenter.requests)
        QTest.keyClick(window, keys, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda before=before: len(segmenter.requests) > before)
        finish(qtbot, widget)


def test_wasted_contrast_is_said_and_mended_by_a_button(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dim = np.random.default_rng(0).integers(100, 400, (60, 80)).astype(np.uint16)
    layer = viewer.add_image(dim, name="cells", contrast_limits=(0, 65535))
    widget = dock(viewer)
    hint = widget.contrast
    qtbot.waitUntil(lambda: not hint.isHidden())
    assert "1%" in hint.message.text()
    layer.contrast_limits = (100, 400)  # the message goes when its cause goes
    qtbot.waitUntil(hint.isHidden)
    layer.contrast_limits = (0, 65535)
    qtbot.waitUntil(lambda: not hint.isHidden())
    hint.button.click()
    assert widget.images.contrast == "percentiles"
    qtbot.waitUntil(hint.isHidden)
    assert "percentiles" in widget.images.more.text()


@pytest.mark.parametrize(
    ("values", "limits", "share"),
    [
        ([0, 100], (0, 100), 1.0),
        ([0, 10], (0, 100), 0.1),
        ([5, 5], (0, 100), 0.0),
        ([np.nan, 0, 50], (0, 100), 0.5),
        ([200, 300], (0, 100), 0.0),
        ([1], (5, 5), 0.0),
        ([], (0, 1), 0.0),
    ],
)
def test_the_share_of_the_limits_that_is_used(values, limits, share):
    assert share_used(np.array(values), limits) == pytest.approx(share, abs=0.02)

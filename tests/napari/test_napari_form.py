"""Every field of the settings, moved in the real widget, reaches the run, the record and the layer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari_kit import ObedientSegmenter, dock, run
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QSlider

from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.settings.amg import AmgSettings

IMAGE = np.full((40, 60), 100, np.uint8)


def another_value(info, current):
    """Return a value of the field that is not the current one."""
    if info.kind is bool:
        return not current
    if info.kind is str:
        return next(choice for choice in info.choices if choice != current)
    if info.reader is not None:
        return info.reader(info.example)
    if info.kind is tuple:
        return (((0.25, 0.5), (0.75, 0.5)),)
    moved = current + info.step
    return moved if moved <= info.maximum else current - info.step


@pytest.mark.parametrize("info", AmgSettings.fields(), ids=lambda info: info.name)
def test_a_moved_field_reaches_run_record_and_layer(make_napari_viewer_proxy, qtbot, info):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE)
    segmenter = ObedientSegmenter()
    widget = dock(viewer, segmenter)
    before = widget.form.settings
    value = another_value(info, getattr(before, info.name))
    widget.form.widgets[info.name].value = value
    run(qtbot, widget)
    sent = segmenter.requests[0].settings
    assert getattr(sent, info.name) == (pytest.approx(value, abs=1e-4) if info.kind is float else value)
    assert sent != before
    assert segmenter.requests[0].custom
    record = viewer.layers[-1].metadata[RECORD_KEY]
    assert AmgSettings.from_json(json.loads(json.dumps(record["settings"]))) == sent
    assert "custom" in viewer.layers[-1].name


def test_the_form_has_every_field_explained(make_napari_viewer_proxy):
    widget = dock(make_napari_viewer_proxy())
    assert set(widget.form.widgets) == {info.name for info in AmgSettings.fields()}
    for info in AmgSettings.fields():
        tip = widget.form.widgets[info.name].native.toolTip()
        assert info.help in tip
        assert info.range_text in tip
        assert info.name in tip


@pytest.mark.parametrize(
    "info", [i for i in AmgSettings.fields() if i.minimum is not None], ids=lambda i: i.name
)
def test_the_widgets_reach_the_whole_range_and_no_more(make_napari_viewer_proxy, info):
    widget = dock(make_napari_viewer_proxy())
    spin = widget.form.widgets[info.name]
    assert (spin.min, spin.max) == pytest.approx((info.minimum, info.maximum))
    for value in (info.maximum, info.minimum):
        # Crops with so few points that a crop layer has none are refused by the settings themselves.
        if info.name in ("crop_n_points_downscale_factor", "crop_n_layers"):
            widget.form.widgets["points_per_side"].value = 256
        spin.value = value
        assert getattr(widget.form.settings, info.name) == pytest.approx(value)


def test_showing_a_value_does_not_round_it(make_napari_viewer_proxy):
    widget = dock(make_napari_viewer_proxy())
    exact = AmgSettings(crop_overlap_ratio=512 / 1500, pred_iou_thresh=0.123456)
    widget.form.show(exact)
    widget.form.widgets["points_per_batch"].value = 8
    assert widget.form.settings == exact.replace(points_per_batch=8)


def test_what_cannot_be_combined_is_refused_and_put_back(make_napari_viewer_proxy):
    widget = dock(make_napari_viewer_proxy())
    refused = []
    widget.form.refused.connect(refused.append)
    widget.form.show(AmgSettings(points_per_side=4, crop_n_layers=2))
    widget.form.widgets["crop_n_points_downscale_factor"].value = 8
    assert len(refused) == 1
    assert widget.form.settings == AmgSettings(points_per_side=4, crop_n_layers=2)
    assert widget.form.widgets["crop_n_points_downscale_factor"].value == 1


def test_a_point_grid_from_a_points_layer(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.ones((3, 40, 60), np.uint8), scale=(1, 2, 2), translate=(0, 5, 7), name="stack")
    viewer.dims.set_current_step(0, 1)
    segmenter = ObedientSegmenter()
    widget = dock(viewer, segmenter)
    take = widget.form.widgets["point_grids"]._take.native
    take.click()
    assert widget.form.settings.point_grids is None  # there is no Points layer yet
    viewer.add_points(
        [[1, 10, 30], [1, 20, 15], [2, 1, 1], [1, 500, 1]], scale=(1, 2, 2), translate=(0, 5, 7)
    )
    take.click()
    assert widget.form.settings.point_grids == (((0.5, 0.25), (0.25, 0.5)),)
    assert widget.form.settings.points_per_side is None
    assert not widget.form.widgets["points_per_side"].enabled
    assert widget.form.widgets["point_grids"]._count.value == "2 points"
    # Every crop layer needs a grid: the form gives each the same.
    widget.form.widgets["crop_n_layers"].value = 1
    assert len(widget.form.settings.point_grids) == 2
    run(qtbot, widget)
    assert segmenter.requests[0].settings.point_prompts == 2 + 4 * 2
    widget.form.widgets["point_grids"]._clear.native.click()
    assert widget.form.settings.point_grids is None
    assert widget.form.settings.points_per_side == 32


def test_the_wheel_scrolls_past_values(make_napari_viewer_proxy):
    widget = dock(make_napari_viewer_proxy())
    before = widget.form.settings
    for box in [
        *widget.form.native.findChildren(QAbstractSpinBox),
        *widget.form.native.findChildren(QSlider),
    ]:
        event = QWheelEvent(
            QPointF(5, 5), QPointF(5, 5), QPoint(0, 120), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(box, event)
    assert widget.form.settings == before


def test_a_list_is_typed_and_what_cannot_be_read_is_refused(make_napari_viewer_proxy):
    widget = dock(make_napari_viewer_proxy())
    told = []
    widget.form.refused.connect(told.append)
    line = widget.form.widgets["measures"]._line
    for text in ("solidity, perimeter", "girth"):
        line.value = text
        line.native.editingFinished.emit()
    assert widget.form.settings.measures == ("perimeter", "solidity")
    assert line.value == "perimeter, solidity"
    assert len(told) == 1 and "girth" in told[0]

"""Lengths and areas of the form in the layer's unit, beside the pixels that are stored."""

from __future__ import annotations

import numpy as np
import pytest
from napari_kit import SHAPE, BlobSegmenter, dock, live_result, move, run

from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask.settings.amg import AmgSettings

IMAGE = np.full((40, 60), 100, np.uint8)
MEASURED = [info.name for info in AmgSettings.fields() if info.power]


def shown(widget):
    return {name: not measure.box.isHidden() for name, measure in widget.form.measures.items()}


def test_a_layer_with_a_unit_shows_both(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE, scale=(0.2, 0.8), units=("um", "um"))
    widget = dock(viewer)
    assert shown(widget) == dict.fromkeys(MEASURED, True)
    areas, lengths = {"min_mask_region_area", "min_area", "max_area"}, {"expand_distance", "object_diameter"}
    assert areas | lengths | {"typical_smallest", "typical_largest"} == {*MEASURED}
    form = widget.form
    form.widgets["min_area"].value = 100
    assert form.measures["min_area"].box.value() == pytest.approx(16)
    assert form.measures["min_area"].box.suffix() == " µm²"
    form.measures["object_diameter"].box.setValue(8)
    assert form.settings.object_diameter == pytest.approx(20)
    assert form.measures["object_diameter"].box.suffix() == " µm"
    # A person's 1.05 um2 is 6.6 pixels: 7 are kept, and told.
    form.measures["min_mask_region_area"].box.setValue(1.05)
    assert form.settings.min_mask_region_area == 7
    assert form.measures["min_mask_region_area"].box.value() == pytest.approx(1.12)
    form.show(form.settings.replace(max_area=400))
    assert form.measures["max_area"].box.value() == pytest.approx(64)


def test_what_cannot_be_combined_is_refused_there_too(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE, scale=(0.5, 0.5), units=("um", "um"))
    form = dock(viewer).form
    refused = []
    form.refused.connect(refused.append)
    form.widgets["min_area"].value = 100
    form.measures["max_area"].box.setValue(2)
    assert len(refused) == 1
    assert form.settings.max_area == 0 and form.measures["max_area"].box.value() == 0


def test_without_a_unit_only_pixels_show(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    plain = viewer.add_image(IMAGE, scale=(0.2, 0.2))
    widget = dock(viewer)
    assert not any(shown(widget).values())
    widget.form.widgets["min_area"].value = 100
    plain.units = ("nm", "nm")
    assert all(shown(widget).values())
    assert widget.form.measures["min_area"].box.value() == pytest.approx(4)
    plain.scale = (0.5, 0.5)
    assert widget.form.measures["min_area"].box.value() == pytest.approx(25)
    plain.units = ("nm", "um")
    assert not any(shown(widget).values())
    assert widget.form.settings.min_area == 100


def test_the_unit_is_that_of_the_image_chosen(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    first = viewer.add_image(IMAGE, scale=(0.5, 0.5), units=("um", "um"))
    viewer.add_image(IMAGE)
    widget = dock(viewer)
    assert not any(shown(widget).values())
    viewer.layers.selection.active = first
    assert all(shown(widget).values())


def test_of_a_stack_the_plane_counts(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((4, 40, 60), np.uint8), scale=(2, 0.5, 0.5), units=("um",) * 3)
    widget = dock(viewer)
    widget.form.widgets["min_area"].value = 8
    assert widget.form.measures["min_area"].box.value() == pytest.approx(2)
    viewer.dims.order = (1, 0, 2)
    assert widget.form.measures["min_area"].box.value() == pytest.approx(8)


def test_the_labels_follow_what_is_typed_in_the_unit(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    widget, layer = live_result(viewer, qtbot)
    move(qtbot, widget, "min_area", 100)
    expected = layer.data.copy()
    move(qtbot, widget, "min_area", 0)
    assert (layer.data != expected).any()
    widget.images.layer.scale = (0.5, 0.5)
    widget.images.layer.units = ("um", "um")
    widget.form.measures["min_area"].box.setValue(25)
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings)
    assert widget.form.settings.min_area == 100
    np.testing.assert_array_equal(layer.data, expected)


class FittingSegmenter(BlobSegmenter):
    """Says that it fitted points to objects 20 pixels wide."""

    def __call__(self, plane, request, progress):
        found = super().__call__(plane, request, progress)
        return PlaneResult(found.labels, found.table, {"object_diameter": 20.0, "settings": {}})


@pytest.mark.parametrize(("unit", "words"), [("um", "20 pixels (10 µm) wide"), ("pixel", "20 pixels wide")])
def test_the_size_that_was_found_is_told_in_the_unit(make_napari_viewer_proxy, qtbot, unit, words):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.random.default_rng(0).random(SHAPE), scale=(0.5, 0.5), units=(unit, unit))
    widget = dock(viewer, FittingSegmenter())
    widget.form.show(AmgSettings(pred_iou_thresh=0.7, stability_score_thresh=0.3))
    run(qtbot, widget)
    assert words in widget.run_panel.status.text()

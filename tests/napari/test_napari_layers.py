"""Images of all kinds: the plane that is segmented, and where its labels lie."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari_kit import Watcher, copied, dock, finish, half_way, labels_of, rows, run

from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY

STACK = np.stack([np.full((20, 30), 10 * z, np.uint16) for z in range(5)])


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def watcher():
    return Watcher()


def test_labels_lie_where_the_image_lies(viewer, qtbot, watcher):
    image = viewer.add_image(
        np.ones((20, 30)), scale=(0.5, 0.25), translate=(7, -3), rotate=30, shear=[0.2],
        affine=[[1, 0.1, 5], [0, 2, 6], [0, 0, 1]], units=("um", "um"), axis_labels=("v", "u"),
    )  # fmt: skip
    run(qtbot, dock(viewer, watcher))
    (labels,) = labels_of(viewer)
    for corner in [(0, 0), (19, 0), (0, 29), (19, 29)]:
        np.testing.assert_allclose(labels.data_to_world(corner), image.data_to_world(corner))
    assert labels.units == image.units
    assert labels.axis_labels == ("v", "u")
    source = watcher.requests[0].source
    assert source.pixel_size == (0.5, 0.25)
    assert source.unit == "micrometer"


def test_the_current_plane_of_a_stack(viewer, qtbot, watcher):
    viewer.add_image(STACK, scale=(2, 1, 1), axis_labels=("z", "y", "x"))
    widget = dock(viewer, watcher)
    viewer.dims.set_point(0, 6)
    run(qtbot, widget)
    assert watcher.planes[0][0, 0] == 30
    (labels,) = labels_of(viewer)
    assert labels.data.shape == STACK.shape
    assert [bool(plane.any()) for plane in labels.data] == [False, False, False, True, False]
    # Another plane goes into the same layer, with ids of its own.
    viewer.dims.set_point(0, 2)
    run(qtbot, widget)
    assert labels_of(viewer) == [labels]
    assert [bool(plane.any()) for plane in labels.data] == [False, True, False, True, False]
    features = rows(labels)
    assert features["index"].is_unique
    assert list(features["z"]) == [3] * 4 + [1] * 4
    for z in (1, 3):
        assert set(np.unique(labels.data[z])) - {0} == set(features["index"][features["z"] == z])
    # The same plane again changes nothing but the plane.
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    assert len(rows(labels)) == 8
    assert labels.metadata[RECORD_KEY]["viewer"]["planes"] == [[1]]


def test_an_edited_plane_is_kept_while_others_are_filled(viewer, qtbot, watcher):
    viewer.add_image(STACK)
    widget = dock(viewer, watcher)
    viewer.dims.set_point(0, 3)
    run(qtbot, widget)
    labels = labels_of(viewer)[0]
    labels.data_setitem((np.array([3]), np.array([0]), np.array([0])), 77)
    viewer.dims.set_point(0, 1)
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    assert labels.data[3, 0, 0] == 77
    viewer.dims.set_point(0, 3)
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 2
    assert labels.data[3, 0, 0] == 77


def test_all_planes(viewer, qtbot, watcher):
    viewer.add_image(STACK)
    widget = dock(viewer, watcher)
    widget.images.planes.combo.setCurrentIndex(1)
    widget.images.planes.combo.activated.emit(1)
    assert "5 planes" in widget.presets.cost.text()
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert len(watcher.planes) == 5
    assert [bool(plane.any()) for plane in labels.data] == [False, True, True, True, True]
    assert len(rows(labels)) == 16
    assert rows(labels)["index"].is_unique
    assert len(labels.metadata[LAYER_KEY]["digests"]) == 5


def test_a_range_of_planes(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    viewer.add_image(STACK, name="stack")
    widget = dock(viewer, watcher)
    choice = widget.images.planes
    assert not choice.first.isVisibleTo(choice)
    choice.combo.setCurrentIndex(choice.combo.findData("range"))
    assert choice.first.isVisibleTo(choice)
    choice.first.setValue(1)
    choice.last.setValue(3)
    assert "3 planes" in widget.presets.cost.text()
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert [bool(plane.any()) for plane in labels.data] == [False, True, True, True, False]
    assert labels.metadata[RECORD_KEY]["viewer"]["planes"] == [[1], [2], [3]]
    assert "--planes 1:4" in copied(widget.copies.command)
    # An end that is moved past the other takes it along.
    choice.first.setValue(4)
    assert (choice.first.value(), choice.last.value(), choice.count) == (4, 4, 1)
    choice.last.setValue(2)
    assert choice.first.value() == 2
    # Another stack has a range of its own.
    viewer.add_image(STACK[:2])
    assert choice.count == 1 and choice.last.maximum() == 1


def test_all_planes_cancelled_keeps_the_planes_that_are_done(viewer, qtbot, watcher):
    viewer.add_image(STACK)
    widget = dock(viewer, watcher)
    widget.images.planes.combo.setCurrentIndex(1)
    watcher.open.clear()
    half_way(qtbot, widget)
    assert widget.run_panel.bar.maximum() == 100
    watcher.open.set()
    qtbot.waitUntil(lambda: len(watcher.planes) > 1 or not widget.running)
    widget.cancel()
    finish(qtbot, widget)
    # However far it came, what is there is whole: each label has its row.
    for labels in labels_of(viewer):
        assert set(np.unique(labels.data)) - {0} == set(rows(labels)["index"])


def test_planes_of_a_rolled_view(viewer, qtbot, watcher):
    ramp = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    viewer.add_image(ramp)
    widget = dock(viewer, watcher)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 3)
    run(qtbot, widget)
    np.testing.assert_array_equal(watcher.planes[0], ramp[:, 3])
    assert labels_of(viewer)[0].data[:, 3].any()
    viewer.dims.order = (0, 2, 1)
    viewer.dims.set_point(0, 2)
    run(qtbot, widget)
    np.testing.assert_array_equal(watcher.planes[1], ramp[2].T)
    assert labels_of(viewer)[-1].data.shape == ramp.shape
    assert labels_of(viewer)[-1].data[2].any()


@pytest.mark.parametrize(
    ("data", "kwargs", "plane_shape"),
    [
        (np.ones((20, 30), bool), {}, (20, 30)),
        (np.ones((20, 30), np.float32), {}, (20, 30)),
        (np.ones((20, 30), ">u2"), {}, (20, 30)),
        (np.ones((20, 30, 3), np.uint8), {"rgb": True}, (20, 30, 3)),
        (np.ones((20, 30, 4), np.float32), {"rgb": True}, (20, 30, 4)),
        (np.ones((3, 20, 30, 3), np.uint8), {"rgb": True}, (20, 30, 3)),
        (np.ones((2, 3, 20, 30)), {}, (20, 30)),
        ([np.ones((20, 30)), np.ones((10, 15))], {"multiscale": True}, (20, 30)),
        (da.ones((3, 20, 30), chunks=(1, 10, 30)), {}, (20, 30)),
        ([da.ones((3, 20, 30)), da.ones((3, 10, 15))], {"multiscale": True}, (20, 30)),
        (np.ones((1, 1), np.uint8), {}, (1, 1)),
    ],
    ids=[
        "bool",
        "float",
        "big-endian",
        "rgb",
        "rgba",
        "rgb-stack",
        "4d",
        "multiscale",
        "dask",
        "dask-ms",
        "1x1",
    ],
)
def test_kinds_of_images(viewer, qtbot, watcher, data, kwargs, plane_shape):
    image = viewer.add_image(data, **kwargs)
    run(qtbot, dock(viewer, watcher))
    assert watcher.planes[0].shape == plane_shape
    (labels,) = labels_of(viewer)
    shape = image.data[0].shape if image.multiscale else image.data.shape
    assert labels.data.shape == (shape[:-1] if image.rgb else shape)
    assert labels.data.any()


def test_a_huge_image_is_refused_unread(viewer, watcher):
    levels = [da.zeros((200_000, 300_000), np.uint8, chunks=4096), da.zeros((2000, 3000), np.uint8)]
    viewer.add_image(levels, contrast_limits=(0, 1), multiscale=True)
    widget = dock(viewer, watcher)
    widget.run_panel.button.click()
    assert not widget.running
    assert "200,000 x 300,000 pixels" in widget.run_panel.status.text()


def test_an_image_that_cannot_be_read(viewer, qtbot, watcher):
    def broken(block):
        if block.size:
            raise OSError("disk on fire")
        return block

    image = viewer.add_image(np.ones((20, 30)))
    widget = dock(viewer, watcher)
    image._data = da.from_array(np.ones((20, 30))).map_blocks(broken, meta=np.ones((0, 0)))
    run(qtbot, widget)
    assert "disk on fire" in widget.run_panel.status.text()
    assert "cannot be read" in widget.run_panel.status.text()


def test_contrast_comes_from_the_layer_or_from_percentiles(viewer, qtbot, watcher):
    layer = viewer.add_image(STACK[3])
    layer.contrast_limits = (5, 99)
    widget = dock(viewer, watcher)
    run(qtbot, widget)
    widget.images.contrast_combo.setCurrentIndex(1)
    run(qtbot, widget)
    assert [request.contrast_limits for request in watcher.requests] == [(5, 99), None]
    assert len(labels_of(viewer)) == 2


def contrast(widget, name):
    combo = widget.images.contrast_combo
    combo.setCurrentIndex(combo.findData(name))
    combo.activated.emit(combo.currentIndex())


def test_percentiles_of_the_whole_stack(make_napari_viewer, qtbot, watcher, monkeypatch):
    viewer = make_napari_viewer()
    ramps = np.stack([np.linspace(100 * z, 100 * z + 99, 600).reshape(20, 30) for z in range(40)])
    viewer.add_image(ramps, name="ramps")
    viewer.dims.set_point(0, 7)
    widget = dock(viewer, watcher)
    contrast(widget, "stack")
    run(qtbot, widget)
    low, high = watcher.requests[0].contrast_limits
    assert low == pytest.approx(0.005 * 4000, abs=30)
    assert high == pytest.approx(0.995 * 4000, abs=30)
    record = labels_of(viewer)[0].metadata[RECORD_KEY]
    assert record["viewer"]["contrast"] == "stack"
    assert record["viewer"]["contrast_limits"] == [low, high]
    # What is copied gives the same limits.
    assert "--contrast stack" in copied(widget.copies.command)
    calls = []
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda name, **how: name)
    monkeypatch.setattr("napari_sam2_automask.segment", lambda *args, **how: calls.append(how))
    exec(copied(widget.copies.python), {"viewer": viewer})
    assert calls[0]["contrast_limits"] == (low, high)
    # A single plane has none of a stack.
    viewer.add_image(ramps[0])
    assert widget.images.contrast_combo.findData("stack") < 0
    assert widget.images.contrast == "percentiles"


def test_each_channel_of_a_stack_has_its_own_percentiles(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    for name, factor in (("dim", 1), ("bright", 50)):
        viewer.add_image(STACK * factor, name=name, blending="additive", colormap="red")
    widget = dock(viewer, watcher)
    channels = widget.images.channels
    channels.setCurrentIndex(1)
    channels.activated.emit(1)
    contrast(widget, "stack")
    run(qtbot, widget)
    dim, bright = (look.contrast_limits for look in watcher.requests[0].source.channels.looks)
    assert dim == (0, 40)
    assert bright == (0, 2000)


def test_renderings_are_shown_as_the_model_sees_them(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    viewer.add_image(np.random.default_rng(0).random((40, 50)), name="cells")
    widget = dock(viewer, watcher)
    widget.form.widgets["renderings"].value = "raw+inverted"
    widget.images.view_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    assert [layer.name for layer in viewer.layers][1:] == [
        "cells - model view", "cells, inverted - model view",
    ]  # fmt: skip
    np.testing.assert_array_equal(viewer.layers[1].data, 255 - viewer.layers[2].data)
    widget.form.widgets["renderings"].value = "local"
    viewer.layers.selection.active = viewer.layers["cells"]
    widget.images.view_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    assert viewer.layers[-1].name == "cells, local - model view"


@pytest.mark.parametrize("contrast", ["layer", "percentiles"])
def test_what_the_model_sees(viewer, qtbot, watcher, contrast):
    ramp = np.stack([np.linspace(0, 1, 20 * 30).reshape(20, 30)] * 4)
    image = viewer.add_image(ramp, scale=(3, 2, 2), rotate=20, name="ramp")
    image.contrast_limits = (0.25, 0.75)
    viewer.dims.set_current_step(0, 2)
    widget = dock(viewer, watcher)
    widget.images.restore(contrast)
    widget.images.view_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    view = viewer.layers[-1]
    assert view.rgb
    assert view.data.shape == (1, 20, 30, 3)
    black = (view.data[0, ..., 0] == 0).mean()
    assert black == (
        pytest.approx(0.25, abs=0.02) if contrast == "layer" else pytest.approx(0.005, abs=0.005)
    )
    np.testing.assert_allclose(view.data_to_world((0, 4, 5)), image.data_to_world((2, 4, 5)))
    assert not watcher.requests

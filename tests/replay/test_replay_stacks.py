"""Records of layers from the viewer that are of several planes, projections or rolled views are replayed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari_kit import QUICK, dock, finish, labels_of
from typer.testing import CliRunner

from napari_sam2_automask import cli
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.settings.presets import PRESETS

STACK = (1000 * np.random.default_rng(0).random((5, 48, 60))).astype(np.uint16)


@pytest.fixture
def start(make_napari_viewer, monkeypatch, tmp_path, network):
    """Open a stack in a viewer and return the viewer and the widget."""
    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: network)

    def begin(stack=STACK):
        tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
        viewer = make_napari_viewer()
        viewer.open(tmp_path / "stack.tif", plugin="napari")
        widget = dock(viewer, EngineSegmenter())
        widget.presets.choose("balanced", custom=True)
        widget.form.show(PRESETS["balanced"].for_model("bundled").replace(**QUICK))
        widget.models.choose("bundled", "cpu")
        return viewer, widget

    return begin


def again(tmp_path, layer):
    """Replay the record of a layer; return the labels and the table."""
    record = tmp_path / "result.record.json"
    record.write_text(json.dumps(json_ready(layer.metadata[RECORD_KEY])))
    out = tmp_path / "again"
    for _ in range(2):  # what was written can be replayed as well
        done = CliRunner().invoke(cli.app, ["replay", str(record), "--out", str(out)])
        assert done.exit_code == 0, (done.output, done.exception)
        record.write_bytes((out / "result.record.json").read_bytes())
    assert "the same labels" in done.output
    return tifffile.imread(out / "result.labels.tif"), pd.read_csv(out / "result.table.csv")


def ran(qtbot, viewer, widget):
    widget.run()
    finish(qtbot, widget, timeout=60_000)
    layer = labels_of(viewer)[-1]
    assert layer.data.any()
    return layer


def planes(widget, name):
    combo = widget.images.planes.combo
    combo.setCurrentIndex(combo.findData(name))


def test_all_planes(start, qtbot, tmp_path):
    viewer, widget = start()
    planes(widget, "all")
    layer = ran(qtbot, viewer, widget)
    labels, table = again(tmp_path, layer)
    np.testing.assert_array_equal(labels, layer.data)
    objects = layer.features[layer.features["index"] > 0]  # the first row is the background
    assert list(table["index"]) == list(objects["index"])
    assert list(table["plane"]) == list(objects["axis_0"])


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_a_projection(start, qtbot, tmp_path, kind):
    viewer, widget = start()
    planes(widget, kind)
    layer = ran(qtbot, viewer, widget)
    labels, _ = again(tmp_path, layer)
    np.testing.assert_array_equal(labels, layer.data)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_a_plane_of_a_rolled_view(start, qtbot, tmp_path, order):
    viewer, widget = start()
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 2)
    layer = ran(qtbot, viewer, widget)
    labels, _ = again(tmp_path, layer)
    shown = np.transpose(layer.data, order)
    np.testing.assert_array_equal(labels, shown[2])
    assert labels.any()


def test_planes_of_channels_on_an_axis(start, qtbot, tmp_path):
    stack = (1000 * np.random.default_rng(1).random((3, 2, 48, 60))).astype(np.uint16)
    viewer, widget = start(stack)
    viewer.layers[0].axis_labels = ("z", "c", "y", "x")
    widget.images._on_layer()
    channels = widget.images.channels
    texts = [channels.itemText(k) for k in range(channels.count())]
    channels.setCurrentIndex(next(k for k, text in enumerate(texts) if "mixed" in text))
    channels.activated.emit(channels.currentIndex())
    planes(widget, "all")
    layer = ran(qtbot, viewer, widget)
    assert layer.data.shape == (3, 48, 60)
    labels, _ = again(tmp_path, layer)
    np.testing.assert_array_equal(labels, layer.data)


def test_other_pixels_are_refused(start, qtbot, tmp_path):
    viewer, widget = start()
    planes(widget, "max")
    layer = ran(qtbot, viewer, widget)
    record = tmp_path / "result.record.json"
    record.write_text(json.dumps(json_ready(layer.metadata[RECORD_KEY])))
    tifffile.imwrite(tmp_path / "stack.tif", STACK + 1, photometric="minisblack")
    done = CliRunner().invoke(cli.app, ["replay", str(record), "--out", str(tmp_path / "again")])
    assert done.exit_code == 1
    assert "are not those of the record" in str(done.exception)
    assert not (tmp_path / "again").exists()

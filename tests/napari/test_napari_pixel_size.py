"""The size of pixels that a file tells and napari's own reader leaves out."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari_kit import dock, live_result

from napari_sam2_automask._napari.image.size_hint import told_in_file
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.live.current_table import current_table
from napari_sam2_automask._napari.run.place_result import RECORD_KEY


def written(path, axes, shape, **more):
    options = {"imagej": True, "resolution": (4, 2), "metadata": {"axes": axes, "unit": "um", **more}}
    tifffile.imwrite(path, np.zeros(shape, np.uint8), **options)
    return path


@pytest.mark.parametrize(
    ("axes", "shape", "layer", "scale"),
    [
        ("YX", (20, 30), (20, 30), (0.5, 0.25)),
        ("ZYX", (4, 20, 30), (4, 20, 30), (1.5, 0.5, 0.25)),
        ("TYX", (4, 20, 30), (4, 20, 30), (1.0, 0.5, 0.25)),
        ("ZCYX", (4, 2, 20, 30), (4, 2, 20, 30), (1.5, 1.0, 0.5, 0.25)),
        ("ZCYX", (4, 2, 20, 30), (4, 20, 30), (1.5, 0.5, 0.25)),  # a layer for each channel
        ("YXS", (20, 30, 3), (20, 30), (0.5, 0.25)),
    ],
)
def test_each_axis_has_its_step(tmp_path, axes, shape, layer, scale):
    told = told_in_file(written(tmp_path / "a.tif", axes, shape, spacing=1.5), layer)
    assert told.scale == pytest.approx(scale)
    assert told.units == tuple("pixel" if step == 1.0 else "micrometer" for step in scale)
    assert told.words == "0.5 x 0.25 µm"
    assert told_in_file(tmp_path / "a.tif", (30, 20)) is None


def test_what_tells_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.uint8), resolution=(300, 300))
    (tmp_path / "b.tif").write_bytes(b"II*\0 and nothing")
    (tmp_path / "c.txt").write_text("no image")
    for name in ("a.tif", "b.tif", "c.txt", "none.tif"):
        assert told_in_file(tmp_path / name, (20, 30)) is None


def test_a_button_gives_it_to_the_image_and_what_lies_on_it(make_napari_viewer, qtbot, tmp_path):
    viewer = make_napari_viewer()
    path = written(tmp_path / "cells.tif", "ZYX", (4, 20, 30), spacing=1.5)
    (image,) = viewer.open(str(path), plugin="napari")
    labels = viewer.add_labels(np.zeros((4, 20, 30), int))
    flat = viewer.add_labels(np.zeros((20, 30), int))
    points, other = viewer.add_points(np.ones((1, 3))), viewer.add_image(np.zeros((9, 9)))
    viewer.layers.selection.active = image
    hint = dock(viewer).size_hint
    qtbot.waitUntil(lambda: hint.isVisibleTo(hint.parentWidget()))
    assert hint.message.text() == "The file tells 0.5 x 0.25 µm a pixel, the layer no unit."
    hint.button.click()
    for layer in (image, labels, points):
        np.testing.assert_allclose(layer.scale, (1.5, 0.5, 0.25))
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    np.testing.assert_allclose(flat.scale, (0.5, 0.25))
    np.testing.assert_allclose(other.scale, (1, 1))
    assert not hint.isVisibleTo(hint.parentWidget())
    image.units = ("pixel",) * 3  # the scale of the file without its unit
    assert hint.isVisibleTo(hint.parentWidget())
    image.scale = (1, 2, 2)  # somebody's own
    assert not hint.isVisibleTo(hint.parentWidget())


def test_the_table_of_a_result_is_told_in_the_size_that_it_is_given_later(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    _, layer = live_result(viewer, qtbot)
    assert "area_um2" not in layer.features

    def told(size):
        table = objects_of(layer.features)
        return "area_um2" in table and np.allclose(table["area_um2"], table["area"] * size)

    layer.scale, layer.units = (0.5, 0.25), ("um", "um")
    qtbot.waitUntil(lambda: told(0.125))
    assert layer.metadata[RECORD_KEY]["pixel_size"] == [0.5, 0.25]
    assert layer.metadata[RECORD_KEY]["unit"] == "micrometer"
    layer.units = ("nm", "nm")  # somebody saw that it was wrong
    qtbot.waitUntil(lambda: told(0.125e-6))
    saved = current_table(np.asarray(layer.data), layer.as_layer_data_tuple()[1])
    np.testing.assert_allclose(saved["area_um2"], saved["area"] * 0.125e-6)
    layer.units = ("pixel", "pixel")
    qtbot.waitUntil(lambda: "area_um2" not in layer.features)
    assert "pixel_size" not in layer.metadata[RECORD_KEY]
    viewer.layers.remove(layer)
    layer.scale = (1, 1)  # nobody listens any more

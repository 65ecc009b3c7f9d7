"""Several images in one go, projections of stacks, and the way from a row to its object."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
from napari_kit import Watcher, copied, dock, finish, half_way, labels_of, live_result, rows, run

from napari_sam2_automask.errors import ImageError


class Chooser(Watcher):
    """Fails for dark planes."""

    def __call__(self, plane, request, progress):
        if not plane.any():
            self.planes.append(np.array(plane))
            raise ImageError("too dark to see: choose another image")
        return super().__call__(plane, request, progress)


@pytest.fixture
def watcher():
    segmenter = Chooser()
    yield segmenter
    segmenter.open.set()


def three(viewer, dark=()):
    layers = [
        viewer.add_image(np.full((20, 30 + k), 0 if k in dark else 50 + k, np.uint8), name=f"image {k}")
        for k in range(3)
    ]
    viewer.add_labels(np.zeros((4, 4), int), name="not an image")
    viewer.layers.selection = {*viewer.layers}
    viewer.layers.selection.active = layers[0]
    viewer.layers.selection = {*viewer.layers}
    return layers


def test_all_selected_images_are_run(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    three(viewer, dark=(1,))
    widget = dock(viewer, watcher)
    assert widget.run_panel.button.text() == "Run on 3 images"
    widget.run_panel.button.click()
    finish(qtbot, widget)
    assert [plane.max() for plane in watcher.planes] == [50, 0, 52]
    assert [layer.name.split(" - ")[0] for layer in labels_of(viewer)[1:]] == ["image 0", "image 2"]
    assert widget.run_panel.status.text() == "8 objects in 2 images. Not segmented: 'image 1'."
    # One alone, or one pinned, is run alone.
    viewer.layers.selection.active = viewer.layers[0]
    assert widget.run_panel.button.text() == "Run"
    for count in (4, 5):
        run(qtbot, widget)
        assert len(watcher.planes) == count
        assert widget.run_panel.status.text().startswith("4 objects in ")
        assert "images" not in widget.run_panel.status.text()


def test_a_cancel_drops_those_that_wait(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    three(viewer)
    widget = dock(viewer, watcher)
    watcher.open.clear()
    half_way(qtbot, widget)
    widget.run_panel.button.click()
    finish(qtbot, widget)
    watcher.open.set()
    qtbot.wait(200)
    assert len(watcher.planes) == 1
    assert not widget.running


STACK = np.random.default_rng(0).integers(1, 200, (4, 20, 30)).astype(np.uint16)


@pytest.mark.parametrize(("kind", "expected"), [("max", STACK.max(0)), ("mean", STACK.mean(0))])
def test_a_projection_lies_where_the_stack_lies(make_napari_viewer, qtbot, watcher, kind, expected):
    viewer = make_napari_viewer()
    viewer.add_image(
        STACK, name="deep", scale=(5, 2, 3), translate=(0, 7, 9), units="um", axis_labels=("z", "y", "x")
    )
    widget = dock(viewer, watcher)
    widget.images.planes.combo.setCurrentIndex(widget.images.planes.combo.findData(kind))
    line = copied(widget.copies.python)
    words = shlex.split(copied(widget.copies.command))
    run(qtbot, widget)
    np.testing.assert_allclose(watcher.planes[0], expected, rtol=1e-6)
    (labels,) = labels_of(viewer)
    assert labels.data.shape == (20, 30)
    np.testing.assert_allclose(labels.scale, (2, 3))
    np.testing.assert_allclose(labels.translate, (7, 9))
    assert labels.axis_labels == ("y", "x")
    assert labels.name.startswith(f"deep, {'maximum' if kind == 'max' else 'mean'} over z - ")
    assert f"viewer.layers['deep'].data.{kind}(0)" in line
    assert words[words.index("--project") + 1] == kind
    assert words[2] == "deep.tif"
    source = watcher.requests[0].source
    assert (source.pixel_size, source.unit) == ((2, 3), "micrometer")


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_projection_of_a_tilted_stack_is_refused(make_napari_viewer, watcher):
    viewer = make_napari_viewer()
    viewer.add_image(STACK, rotate=(10, 20, 30))
    widget = dock(viewer, watcher)
    widget.images.planes.combo.setCurrentIndex(3)
    widget.run_panel.button.click()
    assert "turned out of its planes" in widget.run_panel.status.text()


def test_a_row_of_the_table_goes_to_its_object(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    _, layer = live_result(viewer, qtbot)
    row = rows(layer).iloc[3]
    layer.selected_label = int(row["index"])  # as napari's table of features does
    centre = viewer.camera.center[-2:]
    assert centre == pytest.approx(
        ((row["bbox_y0"] + row["bbox_y1"] - 1) / 2, (row["bbox_x0"] + row["bbox_x1"] - 1) / 2)
    )
    # With the brush, the view stays.
    layer.mode = "paint"
    layer.selected_label = int(rows(layer)["index"].iloc[0])
    assert viewer.camera.center[-2:] == centre

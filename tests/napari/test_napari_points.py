"""Own point grids: the same points whatever region, image, view, level or crop the model sees."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from napari_kit import ObedientSegmenter, copied, dock, finish, labels_of, rows
from typer.testing import CliRunner

from napari_sam2_automask._napari.layers.point_grid import grid_from_points
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.cli import app
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.settings.amg import AmgSettings

IMAGE = np.random.default_rng(0).random((60, 80))
POINTS = [[15, 35], [39.4, 49.4], [50, 70]]
BOX = np.array([[10, 30], [10, 50], [40, 50], [40, 30]])


def docked(viewer, layer=None, **settings):
    """A widget whose own points are those of the Points layer, set on a layer."""
    widget = dock(viewer, ObedientSegmenter())
    widget.presets.choose("balanced", custom=True)
    grid = grid_from_points(viewer, viewer.layers[0] if layer is None else layer)
    widget.form.show(AmgSettings(points_per_side=None, point_grids=grid, **settings))
    return widget


def asked(request):
    """Rows and columns, in pixels of the plane, where the model is asked."""
    (grid,) = request.asked.point_grids
    y0, x0, y1, x1 = (0, 0, *request.source.plane_shape) if request.region is None else request.region.box
    return (np.array(grid)[:, ::-1] * (y1 - y0, x1 - x0) + (y0, x0)).tolist()


def close(points):
    return pytest.approx(np.array(points, float), abs=1e-9)


def test_in_a_rectangle_and_in_the_field_of_view(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    image = viewer.add_image(IMAGE)
    viewer.add_points(POINTS)
    shapes = viewer.add_shapes([BOX])
    widget = docked(viewer)
    assert widget.request().asked is widget.form.settings
    widget.images.where.choose(shapes)
    assert np.array(asked(widget.request())) == close(POINTS[:2])
    assert "(0.25, 0.166" in copied(widget.copies.python)
    widget.images.where.setCurrentIndex(1)
    image.corner_pixels = np.array([[12, 8], [59, 79]])
    assert np.array(asked(widget.request())) == close(POINTS)


def test_in_a_mask_only_where_it_is(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    viewer.add_points([*POINTS, [15, 70]])
    mask = np.zeros(IMAGE.shape, int)
    mask[10:20, 30:40] = mask[45:55, 65:75] = 1
    widget = docked(viewer)
    widget.images.where.choose(viewer.add_labels(mask))
    assert np.array(asked(widget.request())) == close([POINTS[0], POINTS[2]])


def test_where_no_point_lies_there_is_a_clear_answer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    viewer.add_points([[50, 70]])
    shapes = viewer.add_shapes([BOX], name="here")
    widget = docked(viewer)
    widget.images.where.choose(shapes)
    with pytest.raises(ImageError, match="None of your own points lies in 'here'"):
        widget.request()
    widget.run_panel.button.click()
    assert not widget.running
    assert "own points" in widget.run_panel.status.text()


def test_on_an_image_of_another_shape(make_napari_viewer):
    viewer = make_napari_viewer()
    first = viewer.add_image(IMAGE)
    viewer.add_points([[5, 7], [50, 70]])
    other = viewer.add_image(np.zeros((3, 40, 200)), name="other")
    widget = docked(viewer, first)
    assert asked(widget.request(first)) == [[5, 7], [50, 70]]
    assert np.array(asked(widget.request(other))) == close([[5, 7]])


def test_after_the_view_was_turned(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((3, 40, 60)))
    viewer.dims.set_current_step(0, 0)
    viewer.add_points([[0, 5, 50]])
    widget = docked(viewer)
    viewer.dims.order = (0, 2, 1)
    assert np.array(asked(widget.request())) == close([[50, 5]])
    widget.images.planes.combo.setCurrentIndex(1)
    assert len(widget.request().indices) == 3
    assert np.array(asked(widget.request())) == close([[50, 5]])
    viewer.dims.order = (2, 0, 1)
    with pytest.raises(ImageError, match="another side"):
        widget.request()


@pytest.mark.parametrize("region", [False, True])
def test_on_a_level_of_a_pyramid(make_napari_viewer, region):
    viewer = make_napari_viewer()
    viewer.add_image([IMAGE, IMAGE[::2, ::2]], multiscale=True)
    viewer.add_points([[16, 36]])
    shapes = viewer.add_shapes([BOX])
    widget = docked(viewer)
    widget.images.level_choice.setCurrentIndex(1)
    widget.images.level_choice.activated.emit(1)
    if region:
        widget.images.where.choose(shapes)
    request = widget.request()
    assert request.source.plane_shape == (30, 40)
    assert np.array(asked(request)) == close([[8, 18]])


def test_crop_layers_ask_no_points_of_the_image_again(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    viewer.add_points(POINTS)
    widget = docked(viewer)
    widget.form.widgets["crop_n_layers"].value = 2
    request = widget.request()
    assert (len(request.settings.point_grids), request.asked.crop_n_layers) == (3, 0)
    assert np.array(asked(request)) == close(POINTS)
    # Grids that differ are fractions of the crops, as Meta's are.
    grids = (((0.5, 0.5),), ((0.25, 0.5),))
    settings = AmgSettings(points_per_side=None, point_grids=grids, crop_n_layers=1)
    widget.form.show(settings)
    assert widget.request().asked == settings


def test_no_run_in_the_background_asks_them_in_every_tile(make_napari_viewer, tmp_path):
    from napari_sam2_automask._napari.background.spec_of_request import large_spec

    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "a.tif", plugin="napari")
    viewer.add_points(POINTS)
    with pytest.raises(ImageError, match="clear Own point grids"):
        large_spec(docked(viewer).request(), str(tmp_path / "out.zarr"))


def test_a_record_replays_at_the_same_points(make_napari_viewer, qtbot, monkeypatch, tmp_path, network):
    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: network)
    tifffile.imwrite(tmp_path / "cells.tif", (1000 * IMAGE).astype(np.uint16))
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "cells.tif", plugin="napari")
    viewer.add_points(POINTS)
    shapes = viewer.add_shapes([BOX], name="here")
    widget = dock(viewer, EngineSegmenter())
    grid = grid_from_points(viewer, viewer.layers[0])
    low = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}
    widget.form.show(AmgSettings(points_per_side=None, point_grids=grid, **low))
    widget.models.choose("bundled", "cpu")
    viewer.layers.selection.active = viewer.layers[0]
    widget.images.where.choose(shapes)
    widget.run()
    finish(qtbot, widget)
    layer = next(one for one in labels_of(viewer) if RECORD_KEY in one.metadata)
    places = {(round(y, 2), round(x, 2)) for y, x in rows(layer)[["point_y", "point_x"]].values}
    assert places
    assert places <= {(15, 35), (39.4, 49.4)}
    # The sliders act on what was found: it is of the points of the form.
    widget.form.widgets["pred_iou_thresh"].value = 0.01
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings)
    assert not widget.live.again.isVisible()
    record = tmp_path / "result.record.json"
    record.write_text(json.dumps(json_ready(layer.metadata[RECORD_KEY])))
    result = CliRunner().invoke(app, ["replay", str(record), "--out", str(tmp_path / "again")])
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again" / "result.labels.tif"), layer.data)

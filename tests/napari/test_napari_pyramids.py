"""A multiscale image is segmented at the level that was chosen; its labels lie where that level lies."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
import tifffile
from napari_kit import QUICK, ObedientSegmenter, Watcher, copied, dock, finish, labels_of, run
from pyramid_factory import levels_of, write_tiff, write_zarr
from typer.testing import CliRunner

from napari_sam2_automask import cli
from napari_sam2_automask._napari.background.spec_of_request import checked, large_spec
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.settings.presets import PRESETS

PIXELS = np.random.default_rng(0).integers(1, 1000, (64, 96)).astype(np.uint16)
LEVELS = levels_of(PIXELS)


@pytest.fixture
def watcher():
    return Watcher()


def choose(widget, level):
    combo = widget.images.level_choice
    assert combo.isVisibleTo(widget.images.more.content())
    combo.setCurrentIndex(level)
    combo.activated.emit(level)


def test_labels_of_a_level_lie_where_it_lies(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    image = viewer.add_image(
        LEVELS, multiscale=True, name="slide", scale=(0.5, 0.25), translate=(7, -3), rotate=30, shear=[0.2],
        affine=[[1, 0.1, 5], [0, 2, 6], [0, 0, 1]], units=("um", "um"),
    )  # fmt: skip
    widget = dock(viewer, watcher)
    texts = [widget.images.level_choice.itemText(k) for k in range(3)]
    assert texts[0] == "Full: 64 x 96, 0.354 µm a pixel"
    assert texts[2] == "1/4: 16 x 24, 1.41 µm a pixel"
    area = widget.form.widgets["min_mask_region_area"].native.parentWidget().box
    area_of_full = area.singleStep()
    choose(widget, 2)
    assert area.singleStep() == pytest.approx(16 * area_of_full), "areas are counted in the level's pixels"
    run(qtbot, widget)
    np.testing.assert_array_equal(watcher.planes[0], LEVELS[2])
    (labels,) = labels_of(viewer)
    assert labels.data.shape == LEVELS[2].shape
    assert labels.name == "slide - balanced, bundled, 1/4 of full size"
    # The first pixel stands for rows and columns 0 to 3, whose middle is at 1.5.
    for row, column in [(0, 0), (15, 0), (0, 23), (15, 23)]:
        np.testing.assert_allclose(
            labels.data_to_world((row, column)), image.data_to_world((4 * row + 1.5, 4 * column + 1.5))
        )
    assert watcher.requests[0].source.pixel_size == (2.0, 1.0)
    assert labels.metadata[RECORD_KEY]["viewer"]["level"] == 2
    # Another level adds a layer, the same replaces it.
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    choose(widget, 0)
    run(qtbot, widget)
    assert [one.data.shape for one in labels_of(viewer)] == [(16, 24), (64, 96)]


def test_the_size_of_pixels_is_kept_for_other_images(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    viewer.add_image(LEVELS, multiscale=True, scale=(1, 1), units=("um", "um"), name="one")
    widget = dock(viewer, watcher)
    choose(widget, 1)  # 2 um
    viewer.add_image(LEVELS, multiscale=True, scale=(500, 500), units=("nm", "nm"), name="finer")
    assert widget.images.level_choice.currentIndex() == 2
    viewer.add_image(LEVELS, multiscale=True, name="of no unit")
    assert widget.images.level_choice.currentIndex() == 1, "the same factor"
    viewer.add_image(PIXELS, name="one level")
    assert not widget.images.level_choice.isVisibleTo(widget.images.more.content())
    run(qtbot, widget)
    viewer.layers.selection.active = viewer.layers[0]
    viewer.layers.selection = set(viewer.layers[:2])
    widget.run()
    qtbot.waitUntil(lambda: len(watcher.planes) == 3 and not widget.running)
    assert [plane.shape for plane in watcher.planes] == [(64, 96), (32, 48), (16, 24)]


def test_planes_of_a_stack_whose_levels_have_fewer(make_napari_viewer, qtbot, watcher):
    stack = np.stack([PIXELS + 1000 * z for z in range(6)])
    half = levels_of(stack, 2)[1][::2]
    viewer = make_napari_viewer()
    image = viewer.add_image([stack, half], multiscale=True, scale=(3, 1, 1))
    widget = dock(viewer, watcher)
    choose(widget, 1)
    viewer.dims.set_point(0, 12)  # plane 4 of six, in the third of three
    run(qtbot, widget)
    np.testing.assert_array_equal(watcher.planes[0], half[2])
    (labels,) = labels_of(viewer)
    assert labels.data.shape == half.shape
    np.testing.assert_allclose(labels.data_to_world((2, 0, 0)), image.data_to_world((4.5, 0.5, 0.5)))
    assert "All 3 planes" in [widget.images.planes.combo.itemText(k) for k in range(4)]


def test_where_to_look_is_told_at_full_resolution(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    viewer.add_image(LEVELS, multiscale=True)
    corners = np.array([[16.5, 32.5], [16.5, 80.5], [48.5, 80.5], [48.5, 32.5]])
    shapes = viewer.add_shapes([corners], name="here")
    mask = np.zeros(PIXELS.shape, np.uint8)
    mask[16:48, 32:80] = 1
    where = viewer.add_labels(mask, name="mask")
    viewer.layers.selection.active = viewer.layers[0]
    widget = dock(viewer, watcher)
    choose(widget, 1)
    for layer in (shapes, where):
        widget.images.where.choose(layer)
        run(qtbot, widget)
        np.testing.assert_array_equal(watcher.planes[-1], LEVELS[1][8:24, 16:40])
    widget.images.where.setCurrentIndex(1)
    source = widget.images.source()
    viewer.layers[0].corner_pixels = np.array([[16, 32], [47, 79]])
    viewer.layers[0]._data_level = 0
    assert widget.images.region(source).box == (8, 16, 24, 40)


def test_a_mask_of_a_plane_of_a_stack(make_napari_viewer, watcher):
    stack = np.stack([PIXELS] * 4)
    viewer = make_napari_viewer()
    viewer.add_image([stack, levels_of(stack, 2)[1][::2]], multiscale=True)
    mask = np.zeros(stack.shape, np.uint8)
    mask[3, 16:48, 32:80] = 1
    where = viewer.add_labels(mask, name="mask")
    viewer.layers.selection.active = viewer.layers[0]
    viewer.dims.set_point(0, 3)
    widget = dock(viewer, watcher)
    choose(widget, 1)
    widget.images.where.choose(where)
    assert widget.request().region.box == (8, 16, 24, 40)


def test_channels_that_are_layers(make_napari_viewer, qtbot, watcher):
    viewer = make_napari_viewer()
    other = [2000 - level for level in LEVELS]
    viewer.add_image(LEVELS, multiscale=True, name="red", colormap="red", blending="additive")
    viewer.add_image(other, multiscale=True, name="green", colormap="green", blending="additive")
    widget = dock(viewer, watcher)
    choose(widget, 1)
    channels = widget.images.channels
    names = [channels.itemText(k).lower() for k in range(channels.count())]
    channels.setCurrentIndex(next(k for k, name in enumerate(names) if "mix" in name))
    channels.activated.emit(channels.currentIndex())
    source = widget.images.source()
    np.testing.assert_array_equal(source.plane(()), np.stack([LEVELS[1], other[1]], -1))
    viewer.add_image([PIXELS, LEVELS[2]], multiscale=True, name="blue", blending="additive")
    viewer.layers.selection.active = viewer.layers[0]
    with pytest.raises(ImageError, match="'blue' has other levels"):
        widget.images.source(viewer.layers[0])


def test_a_coarser_level_of_a_huge_image_can_be_read(make_napari_viewer, qtbot, watcher):
    import dask.array as da

    levels = [da.ones((40_000, 60_000), np.uint8, chunks=4096), da.ones((400, 600), np.uint8)]
    viewer = make_napari_viewer()
    viewer.add_image(levels, contrast_limits=(0, 1), multiscale=True)
    widget = dock(viewer, watcher)
    widget.run_panel.button.click()
    assert "choose a coarser level" in widget.run_panel.status.text()
    choose(widget, 1)
    run(qtbot, widget)
    assert watcher.planes[0].shape == (400, 600)


def opened(viewer, path, level, segmenter):
    """Add the pyramid in a file as its reader would, and choose a level."""
    from napari.layers import Image

    layer = Image(LEVELS, multiscale=True, scale=(0.5, 0.5), units=("um", "um"), name="in")
    layer._source = type(layer.source)(path=str(path))
    viewer.add_layer(layer)
    widget = dock(viewer, segmenter)
    choose(widget, level)
    return widget


@pytest.mark.parametrize("write", [write_zarr, write_tiff])
def test_a_record_of_a_level_is_replayed(make_napari_viewer, qtbot, monkeypatch, tmp_path, network, write):
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda *_, **__: network)
    path = write(tmp_path / ("in.zarr" if write is write_zarr else "in.tif"), LEVELS)
    viewer = make_napari_viewer()
    widget = opened(viewer, path, 1, EngineSegmenter())
    widget.presets.choose("balanced", custom=True)
    widget.form.show(PRESETS["balanced"].for_model("bundled").replace(**QUICK))
    widget.models.choose("bundled", "cpu")
    widget.run()
    finish(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert labels.data.any()
    record = tmp_path / "result.record.json"
    record.write_text(json.dumps(json_ready(labels.metadata[RECORD_KEY])))
    done = CliRunner().invoke(cli.app, ["replay", str(record), "--out", str(tmp_path / "again")])
    assert done.exit_code == 0, (done.output, done.exception)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again" / "result.labels.tif"), labels.data)
    # The command that is copied gives the same.
    words = shlex.split(copied(widget.copies.command))[1:]
    words[words.index("--out") + 1] = str(tmp_path / "command")
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    (written,) = (tmp_path / "command").glob("*.labels.tif")
    np.testing.assert_array_equal(tifffile.imread(written), labels.data)


def test_python_repeats_the_run(make_napari_viewer, monkeypatch, tmp_path):
    calls = []
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda name, **how: (name, how))
    monkeypatch.setattr("napari_sam2_automask.segment", lambda *args, **how: calls.append(args))
    path = write_zarr(tmp_path / "in.zarr", LEVELS)
    viewer = make_napari_viewer()
    widget = opened(viewer, path, 2, ObedientSegmenter())
    exec(copied(widget.copies.python), {})
    viewer.layers[0]._source = type(viewer.layers[0].source)(path=None)
    exec(copied(widget.copies.python), {"viewer": viewer})
    assert len(calls) == 2
    for image, *_ in calls:
        np.testing.assert_array_equal(np.asarray(image), LEVELS[2])


def test_a_run_in_the_background_takes_the_level(make_napari_viewer, tmp_path):
    path = write_zarr(tmp_path / "in.zarr", LEVELS)
    widget = opened(make_napari_viewer(), path, 1, ObedientSegmenter())
    request = widget.request()
    spec = large_spec(request, str(tmp_path / "labels.zarr"))
    assert (spec.level, spec.spacing, spec.origin) == (1, (1.0, 1.0, 1.0), (0.0, 0.25, 0.25))
    assert checked(spec, request.source) == spec

"""Several channels of one field: layers on each other, or an axis of a layer."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari_kit import Watcher, copied, dock, finish, labels_of, live_result, move, rows, run
from typer.testing import CliRunner

from napari_sam2_automask import cli, paint, select
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.progress import no_progress
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.settings.presets import PRESETS

RNG = np.random.default_rng(0)
NUCLEI = RNG.integers(0, 1000, (40, 50)).astype(np.uint16)
MEMBRANE = RNG.random((40, 50)).astype(np.float32)
QUICK = {
    "points_per_side": 4,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "prompts": "grid",
    "fit_objects": False,
    "renderings": "raw",
    "fill_gaps": False,
}


@pytest.fixture
def engine(monkeypatch, network):
    """The engine with a network of random weights."""
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda *_, **__: network)
    return EngineSegmenter()


def open_channels(viewer, **more):
    """Open two channels as napari does, and return their layers."""
    two = {"colormap": "magenta"}, {"colormap": "green"}
    shared = {"blending": "additive", "scale": (0.5, 0.25), "translate": (3, -4), **more}
    nuclei = viewer.add_image(NUCLEI, name="nuclei", contrast_limits=(100, 900), **two[0], **shared)
    membrane = viewer.add_image(MEMBRANE, name="membrane", contrast_limits=(0.1, 0.8), **two[1], **shared)
    return nuclei, membrane


def choose(widget, words):
    """Choose an entry by a part of its text, as a person does."""
    combo = widget.images.channels
    texts = [combo.itemText(k) for k in range(combo.count())]
    (number,) = [k for k, text in enumerate(texts) if words in text]
    combo.setCurrentIndex(number)
    combo.activated.emit(number)


def quick(widget, **changes):
    widget.presets.choose("balanced", custom=True)
    widget.form.show(PRESETS["balanced"].for_model("bundled").replace(**{**QUICK, **changes}))
    widget.models.choose("bundled", "cpu")


def test_the_choice_is_there_where_it_makes_sense(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(NUCLEI, name="alone")
    widget = dock(viewer)
    assert widget.images.channels.isHidden()
    viewer.add_image(np.zeros((7, 8)), name="another shape")
    viewer.add_image(np.zeros((40, 50)), name="another place", translate=(1, 0))
    viewer.add_image(np.zeros((40, 50, 3), np.uint8), name="colours")
    viewer.layers.selection.active = viewer.layers["alone"]
    assert widget.images.channels.isHidden()
    viewer.add_image(MEMBRANE, name="membrane")
    assert not widget.images.channels.isHidden()
    assert widget.images.channels.how == ""
    choose(widget, "mixed")
    viewer.layers.selection.active = viewer.layers["alone"]  # another channel of the same field
    assert widget.images.channels.how == "mix"
    del viewer.layers["membrane"]
    assert widget.images.channels.isHidden()
    assert widget.images.channels.how == ""


@pytest.mark.display
@pytest.mark.parametrize("gamma", [1.0, 0.6])
def test_the_mix_is_what_the_viewer_shows(make_napari_viewer, gamma):
    """Compared with the pixels of napari's canvas."""
    viewer = make_napari_viewer(show=True)
    nuclei, membrane = open_channels(viewer, scale=(1, 1), translate=(0, 0))
    nuclei.gamma, nuclei.opacity = gamma, 0.7
    membrane.colormap = "viridis"
    viewer.add_image(np.ones((40, 50)), name="hidden", visible=False, blending="additive")
    widget = dock(viewer)
    choose(widget, "mixed")
    request = widget.request()
    (seen,) = request.views(request.source.plane(request.indices[0]))
    viewer.camera.zoom = 5
    shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3]
    centre = np.array(shown.shape[:2]) / 2 - 0.5
    world = np.array(viewer.camera.center[-2:])
    rows, columns = np.mgrid[2:38, 2:48]
    y = np.round(centre[0] + (rows - world[0]) * 5).astype(int)
    x = np.round(centre[1] + (columns - world[1]) * 5).astype(int)
    difference = np.abs(shown[y, x].astype(int) - seen[2:38, 2:48])
    assert np.percentile(difference, 99) <= 6
    assert seen.std() > 20


def test_a_run_on_a_mix(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    nuclei, _ = open_channels(viewer)
    watcher = Watcher()
    widget = dock(viewer, watcher)
    choose(widget, "mixed")
    run(qtbot, widget)
    np.testing.assert_array_equal(watcher.planes[0][..., 0], NUCLEI)
    np.testing.assert_allclose(watcher.planes[0][..., 1], MEMBRANE)
    (view,) = watcher.requests[0].views(watcher.planes[0])
    # Magenta where there are nuclei, green where there are membranes.
    np.testing.assert_array_equal(view[..., 0], view[..., 2])
    red = np.clip((NUCLEI - 100.0) / 800, 0, 1) * 255
    green = np.clip((MEMBRANE - 0.1) / 0.7, 0, 1) * 255
    np.testing.assert_allclose(view[..., 0], red, atol=1)
    np.testing.assert_allclose(view[..., 1], green, atol=1)
    (labels,) = labels_of(viewer)
    assert labels.name == "membrane - balanced, bundled, 2 channels mixed"
    np.testing.assert_allclose(labels.data_to_world((5, 6)), nuclei.data_to_world((5, 6)))
    told = labels.metadata[RECORD_KEY]["viewer"]["channels"]
    assert [one["name"] for one in told["channels"]] == ["nuclei", "membrane"]
    assert told["channels"][0]["contrast_limits"] == [100, 900]
    # The same channels again replace; this layer alone adds.
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    choose(widget, "only")
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 2


def test_pooled_channels_are_asked_one_by_one_and_measured(make_napari_viewer, qtbot, engine):
    viewer = make_napari_viewer()
    open_channels(viewer)
    widget = dock(viewer, engine)
    quick(widget)
    alone = {}
    for name in ("nuclei", "membrane"):
        viewer.layers.selection.active = viewer.layers[name]
        widget.run()
        finish(qtbot, widget)
        alone[name] = len(widget.live.live_layer.candidates)
    viewer.layers.selection.active = viewer.layers["nuclei"]
    choose(widget, "pooled")
    widget.form.show(widget.form.settings.replace(measures=("intensity_std",), expand_distance=3))
    assert "each of 2 channels" in widget.presets.cost.text()
    widget.run()
    finish(qtbot, widget)
    assert len(widget.live.live_layer.candidates) == sum(alone.values()) > 0
    layer = labels_of(viewer)[-1]

    def check():
        features = rows(layer)
        for name, image in (("nuclei", NUCLEI), ("membrane", MEMBRANE)):
            means = [image[layer.data == label].mean() for label in features["index"]]
            np.testing.assert_allclose(features[f"mean_intensity_{name}"], means, rtol=1e-5)
            spread = [image[layer.data == label].std() for label in features["index"]]
            np.testing.assert_allclose(features[f"intensity_std_{name}"], spread, rtol=1e-5)
            assert f"intensity_std_{name}_ring" in features
        assert "mean_intensity" not in features and (features["area_cell"] >= features["area"]).all()

    check()
    with qtbot.waitSignal(widget.following.told):
        move(qtbot, widget, "pred_iou_thresh", 0.3)
    check()


def test_of_all_levels_channels_are_measured_whole(make_napari_viewer, qtbot, engine):
    viewer = make_napari_viewer()
    open_channels(viewer)
    widget = dock(viewer, engine)
    quick(widget, overlap="all_levels", nested="keep")
    choose(widget, "mixed")
    widget.run()
    finish(qtbot, widget)
    request = widget.following.finished.request
    result = engine(request.source.plane(()), request, no_progress)
    levels = paint(select(result.live.candidates, request.settings)).levels
    covered = 0
    for row in result.table.itertuples():
        mask = levels[row.level] == row.index
        assert row.mean_intensity_nuclei == pytest.approx(NUCLEI[mask].mean())
        covered += bool((result.labels[mask] != row.index).any())
    assert covered > 0
    qtbot.waitUntil(lambda: len(labels_of(viewer)) > 1)
    pd.testing.assert_frame_equal(rows(labels_of(viewer)[-1]), result.table)


def test_the_cost_follows_the_eyes_of_the_channels(make_napari_viewer):
    viewer = make_napari_viewer()
    nuclei, membrane = open_channels(viewer)
    viewer.add_image(NUCLEI, name="third", blending="additive", scale=(0.5, 0.25), translate=(3, -4))
    widget = dock(viewer)
    choose(widget, "pooled")
    for visible, words in ((False, "each of 2 channels"), (True, "each of 3 channels")):
        nuclei.visible = visible
        assert words in widget.presets.cost.text()
    nuclei.visible = membrane.visible = False
    assert "channels" not in widget.presets.cost.text()


def test_what_the_model_sees_is_shown(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    open_channels(viewer)
    widget = dock(viewer)
    for words, names in (("mixed", ["membrane"]), ("pooled", ["nuclei", "membrane"])):
        before = len(viewer.layers)
        choose(widget, words)
        widget.images.view_button.click()
        count = before + len(names)
        qtbot.waitUntil(lambda count=count: len(viewer.layers) == count)
        made = list(viewer.layers)[before:]
        assert [layer.name.split(" - ")[0] for layer in made] == names
        assert all(layer.rgb for layer in made)
        viewer.layers.selection.active = viewer.layers["membrane"]


@pytest.mark.parametrize("kind", ["shape", "place", "covered", "none", "rolled"])
def test_channels_that_do_not_fit_are_said(make_napari_viewer, kind):
    viewer = make_napari_viewer()
    nuclei, membrane = open_channels(viewer)
    widget = dock(viewer)
    choose(widget, "mixed")
    words = "blending to additive"
    if kind == "shape":
        viewer.add_image(np.zeros((9, 9)), name="overview")
        viewer.layers.selection.active = membrane
        words = "'overview' has the shape (9, 9)"
    elif kind == "place":
        viewer.add_image(MEMBRANE, name="shifted")
        viewer.layers.selection.active = membrane
        words = "'shifted' does not lie where 'membrane' lies"
    elif kind == "none":
        nuclei.visible = membrane.visible = False
        words = "no channel is visible"
    elif kind == "rolled":
        viewer.add_image(np.zeros((3, 40, 50)), axis_labels=("c", "y", "x"), name="axes")
        choose(widget, "Axis c: channels, mixed")
        viewer.dims.order = (1, 0, 2)
        words = "roll the axes back"
    else:
        membrane.blending = "translucent"
    widget.run_panel.button.click()
    assert not widget.running
    assert words in widget.run_panel.status.text()


STACK = RNG.integers(0, 255, (4, 3, 20, 30)).astype(np.uint8)  # Z, C, Y, X


@pytest.mark.parametrize("how", ["mixed", "pooled"])
@pytest.mark.parametrize("planes", ["", "all", "max"])
def test_an_axis_of_channels_with_planes_and_projections(make_napari_viewer, qtbot, how, planes):
    viewer = make_napari_viewer()
    image = viewer.add_image(
        STACK, axis_labels=("z", "c", "y", "x"), scale=(5, 1, 2, 0.5), translate=(7, 0, 1, 2), name="field"
    )
    viewer.dims.set_point(0, 7 + 2 * 5)
    watcher = Watcher()
    widget = dock(viewer, watcher)
    choose(widget, f"Axis c: channels, {'masks ' if how == 'pooled' else ''}{how}")
    combo = widget.images.planes.combo
    assert combo.itemText(1) == "All 4 planes"
    combo.setCurrentIndex(combo.findData(planes))
    combo.activated.emit(combo.currentIndex())
    run(qtbot, widget)
    wanted = {"": STACK[2:3], "all": STACK, "max": STACK.max(0, keepdims=True)}[planes]
    np.testing.assert_array_equal(np.stack(watcher.planes), np.moveaxis(wanted, 1, -1))
    (labels,) = labels_of(viewer)
    assert labels.data.shape == ((20, 30) if planes == "max" else (4, 20, 30))
    np.testing.assert_allclose(
        labels.data_to_world((3, 4, 5)[-labels.ndim :]),
        np.delete(image.data_to_world((3, 0, 4, 5)), 1)[-labels.ndim :],
    )
    assert len(watcher.requests[0].views(watcher.planes[0])) == (1 if how == "mixed" else 3)


def test_an_axis_without_a_name_may_be_said_to_hold_channels(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((3, 20, 30)), name="maybe")
    widget = dock(viewer)
    choose(widget, "Axis 0: channels, mixed")
    assert widget.images.planes.isHidden()
    assert widget.request().source.shape == (20, 30)
    viewer.add_image(np.zeros((30, 20, 30)), name="a stack")
    assert widget.images.channels.isHidden()
    viewer.add_image(np.zeros((3, 20, 30)), name="depth", axis_labels=("z", "y", "x"))
    viewer.layers["maybe"].visible = False
    del viewer.layers["maybe"]
    assert widget.images.channels.isHidden()


def test_a_part_of_all_channels(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(STACK, axis_labels=("z", "c", "y", "x"), name="field")
    shapes = viewer.add_shapes([np.array([[5, 10], [5, 20], [15, 20], [15, 10]])])
    watcher = Watcher()
    widget = dock(viewer, watcher)
    choose(widget, "mixed")
    widget.images.where.choose(shapes)
    for planes in ("", "mean"):
        combo = widget.images.planes.combo
        combo.setCurrentIndex(combo.findData(planes))
        run(qtbot, widget)
        assert watcher.planes[-1].shape == (10, 10, 3)
    viewer.layers["field"].corner_pixels = np.array([[0, 0, 5, 8], [0, 0, 14, 27]])
    widget.images.where.setCurrentIndex(1)
    run(qtbot, widget)
    assert watcher.planes[-1].shape == (10, 20, 3)


@pytest.mark.parametrize("how", ["mixed", "pooled"])
@pytest.mark.parametrize("kind", ["layers", "axis"])
def test_python_repeats_it(make_napari_viewer, qtbot, engine, how, kind):
    viewer = make_napari_viewer()
    if kind == "layers":
        nuclei, membrane = open_channels(viewer)
        nuclei.gamma = 0.8
        membrane.colormap = "viridis"
    else:
        viewer.add_image(np.stack([NUCLEI, 999 - NUCLEI]), axis_labels=("c", "y", "x"))
    widget = dock(viewer, engine)
    quick(widget, pred_iou_thresh=0.3)
    choose(widget, how)
    space = {"viewer": viewer}
    exec(copied(widget.copies.python), space)
    widget.run()
    finish(qtbot, widget)
    labels = labels_of(viewer)[-1].data
    assert labels.any()
    np.testing.assert_array_equal(space["result"].labels, labels)


@pytest.mark.parametrize("how", ["mixed", "pooled"])
def test_the_command_repeats_an_axis_and_says_that_it_cannot_repeat_layers(
    make_napari_viewer, qtbot, engine, tmp_path, monkeypatch, how
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "field.tif"
    tifffile.imwrite(path, np.stack([STACK[0], STACK[1]]), imagej=True, metadata={"axes": "ZCYX"})
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    field = viewer.layers[0]
    field.axis_labels = ("z", "c", "y", "x")
    field.contrast_limits = (10, 200)
    viewer.dims.set_current_step(0, 1)
    widget = dock(viewer, engine)
    widget.images._on_layer()
    quick(widget)
    choose(widget, how)
    _, *words = shlex.split(copied(widget.copies.command))
    widget.run()
    finish(qtbot, widget)
    layer = labels_of(viewer)[-1]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "results").glob("*labels.tif")
    np.testing.assert_array_equal(tifffile.imread(written), layer.data[1])
    # Layers of their own: said, and nothing is copied.
    viewer.add_image(np.zeros(STACK.shape[2:]), name="a")
    viewer.add_image(np.zeros(STACK.shape[2:]), name="b")
    field.visible = False
    choose(widget, "mixed in their")
    before = copied(widget.copies.python)
    assert copied(widget.copies.command) == before


@pytest.mark.parametrize("how", ["mixed", "pooled"])
@pytest.mark.parametrize("kind", ["layers", "axis"])
def test_a_record_is_replayed_from_the_files_of_the_channels(
    make_napari_viewer, qtbot, engine, tmp_path, how, kind
):
    viewer = make_napari_viewer()
    if kind == "layers":
        for name, pixels in (("nuclei", NUCLEI), ("membrane", MEMBRANE)):
            tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
            viewer.open(tmp_path / f"{name}.tif", plugin="napari")
            viewer.layers[-1].blending = "additive"
        viewer.layers[0].gamma = 0.8
        viewer.layers[0].colormap = "magenta"
        viewer.layers[1].colormap = "viridis"
        names = "nuclei.tif", "membrane.tif"
    else:
        stack = np.stack([STACK[0], STACK[1]])
        tifffile.imwrite(tmp_path / "field.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
        viewer.open(tmp_path / "field.tif", plugin="napari")
        viewer.layers[0].axis_labels = ("z", "c", "y", "x")
        viewer.dims.set_current_step(0, 1)
        names = ("field.tif",)
    widget = dock(viewer, engine)
    widget.images._on_layer()
    quick(widget, pred_iou_thresh=0.3)
    choose(widget, how)
    widget.run()
    finish(qtbot, widget)
    layer = labels_of(viewer)[-1]
    shown = layer.data if kind == "layers" else layer.data[1]
    assert shown.any()
    path = tmp_path / "result.record.json"
    path.write_text(json.dumps(json_ready(layer.metadata[RECORD_KEY])))

    def replayed(*more):
        result = CliRunner().invoke(cli.app, ["replay", *map(str, (*more, "--out", tmp_path / "again"))])
        labels = tmp_path / "again" / "result.labels.tif"
        return result, tifffile.imread(labels) if labels.exists() else None

    result, labels = replayed(path)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(labels, shown)
    # What was written can be replayed too, and the files may have moved beside it.
    again = tmp_path / "moved" / "result.record.json"
    again.parent.mkdir()
    (tmp_path / "again" / "result.record.json").rename(again)
    for name in names:
        (tmp_path / name).rename(again.parent / name)
    result, labels = replayed(again)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(labels, shown)
    # Another file in the place of one, or none, is said.
    tifffile.imwrite(again.parent / names[-1], NUCLEI[::-1].copy())
    result, _ = replayed(again)
    assert result.exit_code == 1 and "does not hold the pixels of channel" in str(result.exception)
    (again.parent / names[-1]).unlink()
    result, _ = replayed(again)
    assert result.exit_code == 1 and "is not where it was" in str(result.exception)


def test_percentiles_are_those_of_each_channel(make_napari_viewer):
    viewer = make_napari_viewer()
    open_channels(viewer)
    widget = dock(viewer)
    choose(widget, "mixed")
    widget.images.restore("percentiles")
    request = widget.request()
    (view,) = request.views(request.source.plane(()))
    assert view[..., 0].min() == 0
    assert view[..., 0].max() == 255
    other = replace(request, contrast="layer")
    assert not np.array_equal(other.views(request.source.plane(()))[0], view)


def test_sliders_follow_without_channels_as_before(make_napari_viewer, qtbot):
    widget, layer = live_result(make_napari_viewer(), qtbot)
    with qtbot.waitSignal(widget.following.told):
        move(qtbot, widget, "pred_iou_thresh", 0.8)
    assert "mean_intensity" in rows(layer)

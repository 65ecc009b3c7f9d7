"""What is copied as Python and as a command repeats the run."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import tifffile
from napari_kit import QUICK, ObedientSegmenter, copied, dock, finish
from typer.testing import CliRunner

from napari_sam2_automask import cli
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask.settings.presets import PRESETS, resolve_settings


def choose(widget, name):
    widget.presets.choose(name)
    widget._load_preset()


@pytest.fixture
def calls(monkeypatch):
    """Catch what the copied lines call."""
    calls = []
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda name, **how: (name, how))
    monkeypatch.setattr("napari_sam2_automask.segment", lambda *args, **how: calls.append((args, how)))
    return calls


@pytest.mark.parametrize("change", [None, ("use_m2m", True), ("crop_n_layers", 1)])
def test_python_repeats_the_run_from_the_layer(make_napari_viewer_proxy, calls, change):
    viewer = make_napari_viewer_proxy()
    stack = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    viewer.add_image(stack, name="a 'quoted' stack", contrast_limits=(3, 99.5))
    viewer.dims.set_current_step(0, 2)
    widget = dock(viewer, ObedientSegmenter())
    choose(widget, "coarse")
    if change:
        widget.form.widgets[change[0]].value = change[1]
    widget.models.choose("bundled", "cpu")
    exec(copied(widget.copies.python), {"viewer": viewer})
    ((image, settings, model), how) = calls[0]
    np.testing.assert_array_equal(image, stack[2])
    assert resolve_settings(settings, "bundled")[0] == widget.form.settings
    assert model == ("bundled", {"device": "cpu"})
    floor = widget.request().floor
    assert how.pop("floor") == (floor.pred_iou, floor.stability)
    assert how == {"rgb": False, "contrast_limits": (3, 99.5)}


def test_python_repeats_the_run_from_the_file(make_napari_viewer, calls, tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, np.arange(30, dtype=np.uint8).reshape(5, 6))
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    widget = dock(viewer, ObedientSegmenter())
    widget.images.restore("percentiles")
    exec(copied(widget.copies.python), {})
    ((image, settings, _), how) = calls[0]
    assert image.shape == (5, 6)
    assert settings == "balanced"
    floor = widget.request().floor
    assert floor.pred_iou < widget.form.settings.pred_iou_thresh
    assert how.pop("floor") == (floor.pred_iou, floor.stability)
    assert how == {"rgb": False}


# Thresholds that drop some of the untrained network's masks, and leave some: numbers are ranks among all.
BETTER_HALF = {"pred_iou_thresh": 0.505}


@pytest.mark.parametrize(
    ("shape", "preset", "contrast", "changes"),
    [
        ((40, 50), "sam2-defaults", "layer", {**QUICK, "points_per_side": 8, **BETTER_HALF}),
        ((40, 50), "coarse", "percentiles", {**QUICK, "overlap": "best_score", "min_area": 7}),
        ((3, 40, 50), "fine", "layer", {**QUICK, "crop_n_layers": 0, "use_m2m": True}),
        (
            (40, 50),
            "balanced",
            "layer",
            {**QUICK, "points_per_side": None, "point_grids": (((0.25, 0.5), (0.75, 0.1)),)},
        ),
        ((40, 50, 3), "balanced", "layer", {**QUICK, "min_mask_region_area": 9, "box_nms_thresh": 0.4}),
    ],
    ids=["defaults", "percentiles", "plane", "points", "rgb"],
)
def test_the_command_gives_the_same_labels(
    make_napari_viewer, qtbot, monkeypatch, tmp_path, network, shape, preset, contrast, changes
):
    """The whole way: a file, a run in the viewer, the copied line, the labels that it writes."""
    for where in ("napari_sam2_automask", "napari_sam2_automask.models"):
        monkeypatch.setattr(f"{where}.load_model", lambda *_, **__: network)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "some cells.tif"
    noise = np.random.default_rng(0).random(shape)
    image = (255 * noise).astype(np.uint8) if shape[-1] == 3 else (1000 * noise).astype(np.uint16)
    tifffile.imwrite(path, image, photometric="rgb" if shape[-1] == 3 else "minisblack")
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    if shape[-1] != 3:
        viewer.layers[0].contrast_limits = (100 / 3, 900)
    if len(shape) == 3 and shape[-1] != 3:
        viewer.dims.set_current_step(0, 1)
    widget = dock(viewer, EngineSegmenter())
    widget.presets.choose(preset, custom=True)
    widget.form.show(PRESETS[preset].for_model("bundled").replace(**changes))
    widget.models.choose("bundled", "cpu")
    widget.images.restore(contrast)
    program, *words = shlex.split(copied(widget.copies.command))
    assert program == "sam2-automask"
    assert words[words.index("--preset") + 1] == preset
    widget.run()
    finish(qtbot, widget, timeout=120_000)
    labels = viewer.layers[-1].data
    labels = labels[1] if labels.ndim == 3 else labels
    assert labels.any(), widget.run_panel.status.text()
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "results").glob("*labels.tif")
    np.testing.assert_array_equal(tifffile.imread(written), labels)


def test_all_planes_of_a_stack_are_asked_for(make_napari_viewer, tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 9), np.uint8))
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    widget = dock(viewer, ObedientSegmenter())
    widget.images.planes.combo.setCurrentIndex(1)
    words = shlex.split(copied(widget.copies.command))
    assert words[words.index("--planes") + 1] == "all"
    assert "--plane" not in words

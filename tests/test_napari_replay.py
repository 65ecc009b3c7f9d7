"""What is copied as Python and as a command repeats the run."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import tifffile
from napari_kit import ObedientSegmenter, dock
from qtpy.QtWidgets import QApplication
from typer.testing import CliRunner

from napari_sam2_automask import api, models
from napari_sam2_automask.presets import Preset, resolve_settings


def copied(button) -> str:
    button.click()
    return QApplication.clipboard().text()


def choose(widget, name):
    widget.presets.choose(name)
    widget._load_preset()


@pytest.fixture
def calls(monkeypatch):
    """Catch what the copied lines call."""
    calls = []
    monkeypatch.setattr(models, "load_model", lambda name, **how: (name, how), raising=False)
    monkeypatch.setattr(api, "segment", lambda *args, **how: calls.append((args, how)))
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
    exec(copied(widget.copy_python), {"viewer": viewer})
    ((image, settings, model), how) = calls[0]
    np.testing.assert_array_equal(image, stack[2])
    assert resolve_settings(settings, "bundled")[0] == widget.form.settings
    assert model == ("bundled", {"device": "cpu"})
    assert how == {"rgb": False, "contrast_limits": (3, 99.5)}


def test_python_repeats_the_run_from_the_file(make_napari_viewer, calls, tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, np.arange(30, dtype=np.uint8).reshape(5, 6))
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    widget = dock(viewer, ObedientSegmenter())
    widget.images.restore("percentiles")
    exec(copied(widget.copy_python), {})
    ((image, settings, _), how) = calls[0]
    assert image.shape == (5, 6)
    assert settings == "balanced"
    assert how == {"rgb": False}


@pytest.mark.parametrize("custom", [False, True])
def test_the_command_line_understands_the_command(make_napari_viewer, monkeypatch, tmp_path, custom):
    from napari_sam2_automask import cli, jobs

    caught = []
    monkeypatch.setattr(
        jobs, "run_jobs", lambda todo, chosen, *rest, **how: caught.append((todo, chosen)) or []
    )
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a stack.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 9), np.uint8))
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    viewer.dims.set_current_step(0, 2)
    widget = dock(viewer, ObedientSegmenter())
    choose(widget, "fine")
    widget.images.restore("percentiles")
    if custom:
        widget.form.widgets["use_m2m"].value = False
        widget.form.widgets["pred_iou_thresh"].value = 0.25
        widget.form.widgets["overlap"].value = "best_score"
        widget.form.widgets["point_grids"].value = (((0.5, 0.5),), ((0.1, 0.2), (0.3, 0.4)))
    line = copied(widget.copy_command)
    program, *words = shlex.split(line)
    assert program == "sam2-automask"
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    ((todo, chosen),) = caught
    assert isinstance(chosen, Preset)
    assert chosen.for_model("bundled") == widget.form.settings
    assert [job.plane for job in todo] == [2]

"""The command line, as a person runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from pycocotools.coco import COCO

from napari_sam2_automask import __version__
from napari_sam2_automask.cli.console import complain, say
from napari_sam2_automask.cli.settings_options import choose_settings, flag_of
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.record.settings_in import settings_from
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.presets import PRESETS

COMMAND = [sys.executable, "-m", "napari_sam2_automask.cli"]
# Everything the untrained model finds is kept: what it finds is noise, but the same noise every time.
ANYTHING = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return the file of an untrained model of the bundled architecture."""
    import torch
    from safetensors.torch import save_file

    from napari_sam2_automask.models import import_sam2

    import_sam2()
    from napari_sam2_automask.models.networks.bundled import build_bundled

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_file({name: value.contiguous() for name, value in build_bundled().state_dict().items()}, path)
    return path


def blobs():
    y, x = np.indices((90, 120))
    pixels = sum(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 60) for cy, cx in [(20, 30), (60, 80), (45, 50)])
    return (pixels * 4000).astype(np.uint16)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "in" / "blobs.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, blobs())
    return path


@pytest.fixture(scope="module")
def folder_run(tmp_path_factory, weights):
    """Run the command over a folder of good images and a bad one; return folder, results and output."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("folder")
    out = folder / "deep" / "out"
    rng = np.random.default_rng(0)
    tifffile.imwrite(folder / "blobs.tif", blobs())
    Image.fromarray(rng.integers(0, 255, (40, 50, 4), np.uint8)).save(folder / "rgba.png")
    Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(folder / "photo.jpg")
    (folder / "a_bad.png").write_text("hello")
    tifffile.imwrite(folder / "stack.tif", rng.integers(0, 99, (3, 40, 50), np.uint8), imagej=True)
    arguments = ["segment", folder, "--out", out, "--model", weights, "--device", "cpu", *ANYTHING]
    return folder, out, arguments, run(*arguments, code=1)


def run(*arguments, code=0):
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_version_and_help():
    assert run("--version").stdout.strip() == f"napari-sam2-automask {__version__}"
    for arguments in (["--help"], ["segment", "--help"], ["models", "--help"], ["demo", "--help"]):
        assert "Usage" in run(*arguments).stdout


def test_the_installed_command_is_this_program():
    command = Path(sys.executable).parent / "sam2-automask"
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert done.stdout.strip().endswith(__version__)


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"], ["presets"], ["models", "list"]])
def test_looking_around_imports_neither_torch_nor_napari(arguments):
    code = (
        "import sys; from napari_sam2_automask import cli\n"
        f"sys.argv[1:] = {arguments}\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'napari', 'qtpy', 'pandas', 'sam2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("info", AmgSettings.fields(), ids=lambda info: info.name)
def test_every_parameter_is_an_option_with_its_explanation(info, segment_help):
    assert re.search(rf"{flag_of(info)}\b", segment_help)
    assert info.help.split(".")[0].replace(" ", "") in re.sub(r"\s", "", segment_help)


@pytest.fixture(scope="module")
def segment_help():
    return run("segment", "--help").stdout


def test_presets_are_listed_with_their_cost():
    text = re.sub(r"\s+", " ", run("presets").stdout)
    for preset in PRESETS.values():
        assert preset.name in text
        assert preset.settings.cost_words[1] in text
    assert "by object" in text


def test_a_name_is_one_line_whatever_it_holds(capsys):
    name = "a\n2 done, 0 failed\x1b[31m\udcff.tif"
    say(f"{name}: 3 objects")
    complain(f"error: {name}")
    found = capsys.readouterr()
    assert found.out == "a\\n2 done, 0 failed\\x1b[31m\\udcff.tif: 3 objects\n"
    assert found.err == "error: a 2 done, 0 failed\\x1b[31m\\udcff.tif\n"


def test_models_are_listed():
    text = run("models").stdout
    for name in ("bundled", "sam2.1-tiny", "sam2.1-small", "sam2.1-base+", "sam2.1-large"):
        assert name in text
    assert text == run("models", "list").stdout


def test_bad_files_are_reported_at_the_end_and_the_rest_is_done(folder_run):
    _, out, _, done = folder_run
    assert "3 done, 0 skipped, 2 failed" in done.stdout
    first, second = done.stderr.strip().splitlines()
    assert "a_bad.png" in first
    assert "stack.tif" in second and "--plane" in second
    assert len(list(out.glob("[!.]*"))) == 12
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(("name", "shape"), [("blobs", (90, 120)), ("rgba", (40, 50)), ("photo", (40, 50))])
def test_the_four_files_of_an_image_agree(folder_run, name, shape, capsys):
    out = folder_run[1]
    labels = tifffile.imread(out / f"{name}.labels.tif")
    table = pd.read_csv(out / f"{name}.table.csv")
    assert labels.shape == shape and labels.dtype == np.uint16
    assert sorted(set(labels[labels > 0])) == table["index"].tolist() != []
    assert [(labels == i).sum() for i in table["index"]] == table["area"].tolist()
    coco = COCO(out / f"{name}.coco.json")
    assert set(table["index"]) <= set(coco.getAnnIds())
    for identity in table["index"]:
        assert coco.annToMask(coco.loadAnns(identity)[0])[labels == identity].all()
    record = json.loads((out / f"{name}.record.json").read_text())
    assert record["objects"] == len(table)
    assert record["settings"]["points_per_side"] == 3
    assert record["preset"] == "custom (from balanced)"
    assert record["model"]["device"] == "cpu" and len(record["model"]["sha256"]) == 64


def test_results_that_are_there_are_skipped(folder_run):
    _, out, arguments, _ = folder_run
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert "0 done, 3 skipped, 2 failed" in run(*arguments, code=1).stdout
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def test_a_record_repeats_the_run(folder_run, tmp_path, weights):
    folder, out, *_ = folder_run
    again = ["segment", folder / "blobs.tif", "--out", tmp_path, "--model", weights, "--device", "cpu"]
    run(*again, "--settings", out / "blobs.record.json")
    assert (tmp_path / "blobs.labels.tif").read_bytes() == (out / "blobs.labels.tif").read_bytes()
    assert (tmp_path / "blobs.table.csv").read_bytes() == (out / "blobs.table.csv").read_bytes()


def test_a_plane_of_a_stack_and_no_objects(folder_run, tmp_path, weights):
    done = run(
        "segment", folder_run[0] / "stack.tif", "--plane", 2, "--out", tmp_path, "--model", weights,
        "--points-per-side", 3, "--pred-iou-thresh", 1, "--contrast-limits", 5, 90.5,
    )  # fmt: skip
    assert re.search(r"no objects \(removed: \d+ by", done.stdout)
    record = json.loads((tmp_path / "stack_plane2.record.json").read_text())
    assert record["plane"] == 2 and record["contrast_limits"] == [5, 90.5]
    assert tifffile.imread(tmp_path / "stack_plane2.labels.tif").max() == 0
    assert len(pd.read_csv(tmp_path / "stack_plane2.table.csv")) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX systems")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_stopped_in_the_middle_nothing_is_half_written(tmp_path, image, weights, name):
    # So many that a busy machine cannot be done with all before the signal comes.
    for k in range(40):
        (image.parent / f"{k:02}.tif").write_bytes(image.read_bytes())
    out = tmp_path / "out"
    arguments = ["segment", str(image.parent), "--out", str(out), "--model", str(weights), *ANYTHING]
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while not list(out.glob("*.labels.tif")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=60)
    complete = list(out.glob("*.labels.tif"))
    assert 1 <= len(complete) < 41
    for path in complete:
        stem = path.name.removesuffix(".labels.tif")
        labels = tifffile.imread(path)
        table = pd.read_csv(out / f"{stem}.table.csv")
        assert [(labels == i).sum() for i in table["index"]] == table["area"].tolist()
        assert json.loads((out / f"{stem}.record.json").read_text())["objects"] == len(table)
    # Labels come last: of the image that was just being written the others may be there.
    begun = {path.name.split(".")[0] for path in out.glob("[!.]*")}
    assert len(begun) - len(complete) in (0, 1)
    if name == "SIGINT":
        assert process.returncode == 130
        assert "Traceback" not in error and "run the same command again" in error
        assert not list(out.glob(".*"))


def test_chosen_settings():
    assert choose_settings(None, None, {}) is PRESETS["balanced"]
    assert choose_settings("fine", None, {"use_m2m": None}) is PRESETS["fine"]
    custom = choose_settings("fine", None, {"use_m2m": False, "crop_n_layers": 0})
    assert custom.name == "custom (from fine)"
    for family in ("bundled", "sam2"):
        expected = PRESETS["fine"].for_model(family)
        expected = expected.replace(use_m2m=False, crop_n_layers=0, prompts="grid", fit_objects=False)
        assert custom.for_model(family) == expected


def test_a_grid_that_is_asked_for_is_not_fitted_to_the_objects():
    for changes, fitted in (
        ({"points_per_side": 9}, False),
        ({"crop_n_layers": 1}, False),
        ({"points_per_side": 9, "fit_objects": True}, True),
        ({"pred_iou_thresh": 0.3}, True),
        ({"points_per_side": 9, "object_diameter": 30.0}, True),
    ):
        assert choose_settings("balanced", None, changes).for_model("bundled").fitted is fitted


def test_settings_from_a_file_can_be_changed(tmp_path):
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"points_per_side": 9}))
    assert choose_settings(None, file, {"crop_n_layers": 1}) == AmgSettings(
        points_per_side=9, crop_n_layers=1
    )
    with pytest.raises(SettingsError, match="crop_n_layers"):
        choose_settings(None, file, {"crop_n_layers": 10})


@pytest.mark.parametrize("form", ["file", "json", "python"])
def test_point_grids(tmp_path, form):
    given = {
        "file": "g.json",
        "json": "[[[0.25, 0.5], [0.75, 0.5]]]",
        "python": "(((0.25, 0.5), (0.75, 0.5)),)",
    }[form]
    if form == "file":
        given = str(tmp_path / given)
        (tmp_path / "g.json").write_text("[[[0.25, 0.5], [0.75, 0.5]]]")
    custom = choose_settings("balanced", None, {"point_grids": given})
    assert custom.settings.point_grids == (((0.25, 0.5), (0.75, 0.5)),)
    assert custom.settings.points_per_side is None
    assert settings_from(json.loads(json.dumps(custom.settings.to_json()))) == custom.settings

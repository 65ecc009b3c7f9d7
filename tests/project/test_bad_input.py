"""Bad input of every kind: one line that says what was wrong and what to do, and nothing lost."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from one_line import check, run

from napari_sam2_automask.api import segment
from napari_sam2_automask.errors import AutomaskError, ImageError, ModelError, SettingsError
from napari_sam2_automask.models import load_model
from napari_sam2_automask.settings.amg import AmgSettings

GOOD = np.tile(np.arange(24, dtype=np.uint8), (16, 1))


class Booby:
    """A pickle that makes a file when it is loaded by trusting code."""

    def __init__(self, trap):
        self.trap = trap

    def __reduce__(self):
        return (Path.touch, (self.trap,))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def tiff(path, pixels, **options):
    tifffile.imwrite(path, pixels, **options)
    return path


def good(folder):
    return tiff(folder / "good.tif", GOOD)


def truncated(path, size):
    return write(path, path.read_bytes()[:size])


def png_of(folder):
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(folder / "a.png")
    return folder / "a.png"


def other_architecture(folder):
    import torch
    from safetensors.torch import save_file

    save_file({"layer1.weight": torch.zeros(3, 3)}, folder / "resnet.safetensors")
    return folder / "resnet.safetensors"


def booby_trap(folder):
    return write(folder / "trap.pt", pickle.dumps({"model": Booby(folder / "sprung")}))


def zip_booby_trap(folder):
    import torch

    torch.save({"model": Booby(folder / "sprung")}, folder / "trap.pt")
    return folder / "trap.pt"


def stack(folder):
    return tiff(folder / "stack.tif", np.zeros((5, 8, 8), np.uint8), photometric="minisblack")


# Images: what the file is -> words that the line has to hold.
BAD_FILES = {
    "missing file": (lambda f: f / "nowhere.tif", ["nowhere.tif", "check the path"]),
    "folder without images": (lambda f: (f / "empty").mkdir() or f / "empty", ["empty", "holds no TIFF"]),
    "file of no bytes": (lambda f: write(f / "a.tif", b""), ["a.tif", "0 bytes"]),
    "text called PNG": (lambda f: write(f / "a.png", "hello world"), ["a.png", "no image"]),
    "text called TIFF": (lambda f: write(f / "a.tif", "hello world"), ["a.tif", "no image"]),
    "TIFF header only": (lambda f: write(f / "a.tif", b"II*\0"), ["a.tif", "damaged"]),
    "TIFF of noise": (lambda f: write(f / "a.tif", b"II*\0" + b"\xff" * 60), ["a.tif", "damaged"]),
    "truncated TIFF": (lambda f: truncated(tiff(f / "a.tif", GOOD), 400), ["a.tif", "cannot read"]),
    "truncated PNG": (lambda f: truncated(png_of(f), 300), ["a.png", "truncated"]),
    "VSI": (lambda f: write(f / "a.vsi", b"II*\0" + bytes(99)), ["a.vsi", "Olympus VSI", "OME-TIFF"]),
    "Imaris": (lambda f: write(f / "a.ims", b"\x89HDF\r\n\x1a\n"), ["a.ims", "Imaris", "OME-TIFF"]),
    "stack without a plane": (stack, ["5 planes", "--plane N", "0 to 4"]),
    "complex TIFF": (lambda f: tiff(f / "a.tif", GOOD.astype(complex)), ["complex", "np.abs"]),
    "all NaN": (lambda f: tiff(f / "a.tif", np.full((9, 9), np.nan, np.float32)), ["no finite value"]),
    "two samples per pixel": (
        lambda f: tiff(f / "a.tif", np.zeros((9, 9, 2), np.uint8), photometric="minisblack", planarconfig=1),
        ["holds 2 planes", "--plane N"],
    ),
}
# Options beside a good image -> words.
BAD_OPTIONS = {
    "points per side of 0": (["--points-per-side", "0"], ["points_per_side", "1 to 256", "0"]),
    "threshold above 1": (["--pred-iou-thresh", "1.5"], ["pred_iou_thresh", "0 to 1", "1.5"]),
    "threshold is NaN": (["--stability-score-thresh", "nan"], ["stability_score_thresh", "0 to 1", "nan"]),
    "crops without end": (["--crop-n-layers", "9"], ["crop_n_layers", "0 to 4", "9"]),
    "unknown preset": (["--preset", "finest"], ["finest", "fine", "balanced"]),
    "unknown model": (["--model", "sam3"], ["sam3", "bundled"]),
    "unknown device": (["--device", "tpu"], ["tpu", "cpu"]),
    "no such settings file": (["--settings", "nowhere.json"], ["nowhere.json"]),
    "no such weights": (["--model", "nowhere.pt"], ["nowhere.pt"]),
    "contrast limits the wrong way": (["--contrast-limits", "9", "3"], ["contrast_limits", "9.0, 3.0"]),
    "broken point grids": (["--point-grids", "[[[0.5, 0.5"], ["point_grids"]),
    "plane that is not there": (["--plane", "3"], ["no plane 3", "choose 0"]),
}
# Files given as settings.
BAD_SETTINGS = {
    "no JSON": ("{", ["no JSON"]),
    "a list": ("[1, 2]", ["no settings"]),
    "unknown names": ('{"points_per_sid": 3}', ["points_per_sid", "points_per_side"]),
    "wrong type": ('{"points_per_side": "many"}', ["points_per_side", "1 to 256", "many"]),
    "a record of the future": (
        '{"format": "napari-sam2-automask record", "format_version": 99}',
        ["99", "update"],
    ),
}
BAD_GRIDS = {
    "points outside": ("[[[0.5, 1.5]]]", ["point_grids", "1.5"]),
    "no points": ("[[]]", ["point_grids", "empty"]),
    "three coordinates": ("[[[0.1, 0.2, 0.3]]]", ["point_grids"]),
}
BAD_WEIGHTS = {
    "no weights": (lambda f: write(f / "w.pt", "hello"), ["w.pt"]),
    "no bytes": (lambda f: write(f / "w.safetensors", b""), ["w.safetensors"]),
    "damaged safetensors": (
        lambda f: write(f / "w.safetensors", b"\x10" + bytes(7) + b'{"a": 3}' * 9),
        ["w.s"],
    ),
    "another architecture": (other_architecture, ["resnet.safetensors"]),
    "pickle with code": (booby_trap, ["trap.pt"]),
    "zipped pickle with code": (zip_booby_trap, ["trap.pt"]),
}
BAD_OUTPUTS = {
    "a file in the way": (lambda f: write(f / "out", "precious"), "out"),
    "a file as parent": (lambda f: write(f / "file", "precious") / "out", "file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_file(name, tmp_path, capsys, monkeypatch):
    make, words = BAD_FILES[name]
    code, lines = run(capsys, monkeypatch, "segment", make(tmp_path), "--out", tmp_path / "out")
    check(code, lines, words)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_option(name, tmp_path, capsys, monkeypatch):
    options, words = BAD_OPTIONS[name]
    monkeypatch.chdir(tmp_path)
    code, lines = run(capsys, monkeypatch, "segment", good(tmp_path), "--out", "out", *options)
    check(code, lines, words)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_settings_file(name, tmp_path, capsys, monkeypatch):
    content, words = BAD_SETTINGS[name]
    file = write(tmp_path / "s.json", content)
    code, lines = run(
        capsys, monkeypatch, "segment", good(tmp_path), "--out", tmp_path / "out", "--settings", file
    )
    check(code, lines, words)


@pytest.mark.parametrize("name", BAD_GRIDS)
def test_point_grids(name, tmp_path, capsys, monkeypatch):
    content, words = BAD_GRIDS[name]
    file = write(tmp_path / "g.json", content)
    code, lines = run(
        capsys, monkeypatch, "segment", good(tmp_path), "--out", tmp_path / "out", "--point-grids", file
    )
    check(code, lines, words)


def test_point_grids_and_points_per_side_exclude_each_other(tmp_path, capsys, monkeypatch):
    file = write(tmp_path / "g.json", "[[[0.5, 0.5]]]")
    code, lines = run(
        capsys, monkeypatch, "segment", good(tmp_path), "--out", tmp_path / "out",
        "--point-grids", file, "--points-per-side", 8,
    )  # fmt: skip
    check(code, lines, ["points_per_side", "point_grids"])


def test_a_preset_and_a_settings_file_exclude_each_other(tmp_path, capsys, monkeypatch):
    file = write(tmp_path / "s.json", "{}")
    code, lines = run(
        capsys, monkeypatch, "segment", good(tmp_path), "--out", tmp_path / "out",
        "--settings", file, "--preset", "fine",
    )  # fmt: skip
    check(code, lines, ["--preset", "--settings"])


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights(name, tmp_path, capsys, monkeypatch):
    make, words = BAD_WEIGHTS[name]
    weights = make(tmp_path)
    before = weights.read_bytes()
    code, lines = run(
        capsys, monkeypatch, "segment", good(tmp_path), "--out", tmp_path / "out", "--model", weights
    )
    check(code, lines, words)
    assert weights.read_bytes() == before
    assert not (tmp_path / "sprung").exists(), "code in the pickle was run"


def test_the_booby_trap_works(tmp_path):
    pickle.loads(booby_trap(tmp_path).read_bytes())
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", BAD_OUTPUTS)
def test_output(name, tmp_path, capsys, monkeypatch):
    make, precious = BAD_OUTPUTS[name]
    out = make(tmp_path)
    code, lines = run(capsys, monkeypatch, "segment", good(tmp_path), "--out", out)
    check(code, lines, ["cannot write", "--out"])
    assert (tmp_path / precious).read_text() == "precious"


def test_unwritable_folder(tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    if os.access(out, os.W_OK):  # root may write everywhere but there
        out = Path("/proc/out")
    code, lines = run(capsys, monkeypatch, "segment", good(tmp_path), "--out", out)
    check(code, lines, ["cannot write", "--out"])


def test_demo_into_a_file(tmp_path, capsys, monkeypatch):
    code, lines = run(capsys, monkeypatch, "demo", "--out", write(tmp_path / "out", "precious"))
    check(code, lines, ["cannot write"])


def test_results_of_another_image(tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    write(out / "good.labels.tif", "precious")
    write(out / "good.record.json", json.dumps({"file": {"sha256": "0" * 64}}))
    code, lines = run(capsys, monkeypatch, "segment", good(tmp_path), "--out", out)
    check(code, lines, ["another image", "--overwrite"])
    assert (out / "good.labels.tif").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment"],
        ["segment", "a.tif"],
        ["segment", "a.tif", "--out"],
        ["segment", "a.tif", "--out", "o", "--no-such-option"],
        ["segment", "a.tif", "--out", "o", "--points-per-side", "many"],
        ["segment", "a.tif", "--out", "o", "--overlap", "sideways"],
        ["no-such-command"],
        ["models", "download"],
    ],
    ids=" ".join,
)
def test_wrong_use_exits_with_2(arguments, capsys, monkeypatch):
    code, lines = run(capsys, monkeypatch, *arguments)
    assert code == 2
    assert not any("Traceback" in line for line in lines)


def test_unknown_model_to_download(capsys, monkeypatch):
    code, lines = run(capsys, monkeypatch, "models", "download", "sam3")
    check(code, lines, ["sam3", "sam2.1-tiny"])


def test_several_bad_files_are_all_named(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.tif", "b.png", "c.jpg"):
        write(folder / name, "hello")
    code, lines = run(
        capsys, monkeypatch, "segment", folder, tmp_path / "gone.tif", "--out", tmp_path / "out"
    )
    assert code == 1
    assert len(lines) == 4
    for name in ("a.tif", "b.png", "c.jpg", "gone.tif"):
        assert sum(name in line for line in lines) == 1


ARRAYS = {
    "no axes": np.zeros(()),
    "one axis": np.zeros(5),
    "empty": np.zeros((0, 5)),
    "stack": np.zeros((4, 5, 6)),
    "complex": np.zeros((4, 5), complex),
    "objects": np.full((4, 5), None),
    "words": np.full((4, 5), "a"),
    "ragged": [[1, 2], [3]],
    "all NaN": np.full((4, 5), np.nan),
    "nothing": None,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array(name):
    with pytest.raises(ImageError) as caught:
        segment(ARRAYS[name])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"points_per_side": 0}, ["points_per_side", "1 to 256", "0"]),
        ({"points_per_side": 2.5}, ["points_per_side", "whole number", "2.5"]),
        ({"pred_iou_thresh": -1}, ["pred_iou_thresh", "0 to 1", "-1"]),
        ({"box_nms_thresh": "high"}, ["box_nms_thresh", "0 to 1", "high"]),
        ({"use_m2m": 1}, ["use_m2m", "true or false"]),
        ({"output_mode": "polygon"}, ["output_mode", "coco_rle", "polygon"]),
        ({"points_per_side": None}, ["points_per_side", "point_grids"]),
    ],
)
def test_settings(values, words):
    with pytest.raises(SettingsError) as caught:
        AmgSettings(**values)
    for word in words:
        assert word in str(caught.value)


def test_every_error_is_one_that_a_program_can_catch():
    for error in (ImageError, ModelError, SettingsError):
        assert issubclass(error, AutomaskError)
    with pytest.raises(ModelError):
        load_model("no such model")

"""Every door that reads a file: pipes, devices and folders are refused in one line, never waited for."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading

import numpy as np
import pytest
import tifffile
from mutations import ODD
from one_line import check, run
from valid_files import KINDS

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask.candidates.file import load_candidates
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.files.coco import from_coco
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.own_results import is_own_result
from napari_sam2_automask.files.pixel_size import scale_in_file
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.models import load_model
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.replay.inputs import read_record
from napari_sam2_automask.settings.preset_file import load_preset

GRAY = np.tile(np.arange(24, dtype=np.uint8), (16, 1))

if sys.platform == "win32":
    pytest.skip("there are no such files there", allow_module_level=True)


@pytest.fixture(autouse=True)
def never_waits():
    """End what waits for a pipe: the test fails then, in place of hanging."""
    over = threading.Event()
    watch = threading.Thread(target=lambda: over.wait(60) or os._exit(70), daemon=True)
    watch.start()
    yield
    over.set()


def pipe(path):
    os.mkfifo(path)


def bound(path):
    one = socket.socket(socket.AF_UNIX)
    one.bind(os.path.relpath(path))  # names of sockets are short
    one.close()


ODD_FILES = {
    "a pipe": pipe,
    "a socket": bound,
    "a folder": lambda path: path.mkdir(),
    "a link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "a link to noise": lambda path: path.symlink_to("/dev/urandom"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
}
RECORD = {
    "format": "napari-sam2-automask record", "format_version": 2, "settings": {},
    "model": {"name": "bundled"}, "image": {"name": "odd", "sha256": "0" * 64},
    "file": {"name": "odd", "path": "odd"},
}  # fmt: skip
# What the command line is told -> the odd file is "odd", all else is sound.
COMMANDS = {
    "segment": ["segment", "odd", "-o", "out"],
    "segment, a plane": ["segment", "odd", "-o", "out", "--plane", "0"],
    "segment, all series": ["segment", "odd", "-o", "out", "--series", "all"],
    "segment, settings": ["segment", "a.tif", "-o", "out", "--settings", "odd"],
    "segment, grids": ["segment", "a.tif", "-o", "out", "--point-grids", "odd"],
    "segment, model": ["segment", "a.tif", "-o", "out", "--model", "odd"],
    "segment, tls": ["segment", "a.tif", "-o", "out", "--scheduler", "tls://h:1", "--tls-ca", "odd",
                     "--tls-cert", "odd", "--tls-key", "odd"],
    "large": ["large", "odd", "-o", "out.zarr"],
    "large, settings": ["large", "a.tif", "-o", "out.zarr", "--settings", "odd"],
    "large, model": ["large", "a.tif", "-o", "out.zarr", "--model", "odd"],
    "sweep": ["sweep", "odd", "-o", "out", "--parameter", "min_area", "--values", "1"],
    "sweep, truth": ["sweep", "a.tif", "-o", "out", "--parameter", "min_area", "--values", "1", "--truth",
                     "odd"],
    "replay": ["replay", "odd", "-o", "out"],
    "replay, image": ["replay", "a.json", "odd", "-o", "out"],
    "replay, where it was": ["replay", "a.json", "-o", "out"],
    "replay, model": ["replay", "good.json", "a.tif", "-o", "out", "--model", "odd"],
    "report": ["report", "odd"],
    "resume": ["runs", "resume", "odd"],
    "status": ["runs", "status", "odd"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", GRAY)
    (tmp_path / "a.json").write_text(json.dumps(RECORD))
    good = RECORD | {"image": {"name": "a.tif"}, "file": {"name": "a.tif"}}
    (tmp_path / "good.json").write_text(json.dumps(good))
    return tmp_path


@pytest.mark.parametrize("kind", ODD_FILES)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, kind, folder, capsys, monkeypatch):
    ODD_FILES[kind](folder / "odd")
    code, lines = run(capsys, monkeypatch, *COMMANDS[command])
    if command == "status" and kind not in ("a link to nothing", "a link to itself"):
        return  # something is there; nothing of it is read
    check(
        code,
        lines,
        ["of the record" if command == "replay, where it was" and "nowhere" in lines[0] else "odd"],
    )
    assert not list(folder.glob("out*/*"))


def scale(path):
    assert scale_in_file(path).size is None
    raise AutomaskError(str(path))


def own(path):
    assert not is_own_result(path)
    raise AutomaskError(str(path))


def remembered(path):
    assert Store(path).get("preset") is None
    raise AutomaskError(str(path))


READERS = (
    images_in, read_image, open_stack, file_hash, scale, own, remembered, load_preset, from_coco,
    load_candidates, Record.read, read_record, load_model, lambda path: FileSource(str(path)).shape,
)  # fmt: skip


@pytest.mark.parametrize("kind", ODD_FILES)
def test_readers(kind, folder):
    ODD_FILES[kind](folder / "odd")
    for read in READERS:
        with pytest.raises(AutomaskError) as error:
            read(folder / "odd")
        assert "odd" in str(error.value) and "\n" not in str(error.value)


TOLD = ("record", "preset", "coco", "points", "choices")


@pytest.mark.parametrize("text", [*ODD, "", "{", "\ufeff", "[1,2", "nan"], ids=lambda text: text[:20])
@pytest.mark.parametrize("kind", TOLD)
def test_json_of_any_other_kind(kind, text, tmp_path):
    path = KINDS[kind].make(tmp_path)
    path.write_bytes(text.encode(errors="surrogatepass"))
    if kind == "choices":  # what cannot be read is forgotten
        KINDS[kind].read(path)
        return
    with pytest.raises(AutomaskError) as error:
        KINDS[kind].read(path)
    assert "\n" not in str(error.value) and path.name in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize("value", ["~nobody-of-this-name/x", "/dev/null", "x" * 5000, "\n"])
@pytest.mark.parametrize("variable", ["SAM2_AUTOMASK_HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"])
def test_variables(variable, value, capsys, monkeypatch):
    monkeypatch.setenv(variable, value)
    code, lines = run(capsys, monkeypatch, "models", "list")
    if variable == "SAM2_AUTOMASK_HOME" and value.startswith("~"):
        check(code, lines, [variable, "nobody", "whole path"])
    else:
        assert code == 0 and not lines

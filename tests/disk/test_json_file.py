"""JSON files: what is wrong with one is said in a line, and what is no plain file is not even opened."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from napari_sam2_automask.disk.json_file import LIMIT, json_bytes, read_json
from napari_sam2_automask.errors import ImageError, OutputError, SettingsError
from napari_sam2_automask.files.coco import from_coco
from napari_sam2_automask.large.output.run_folder import read_manifest
from napari_sam2_automask.replay.inputs import read_record
from napari_sam2_automask.settings.preset_file import load_preset


def read(path):
    return read_json(path, "a recipe", SettingsError)


def message(path):
    with pytest.raises(SettingsError) as caught:
        read(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)
    return str(caught.value)


def file(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    return tmp_path / "x.json"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"ä": "細"}'.encode(), {"ä": "細"}),
        ('{"ä": 1}'.encode("utf-16"), {"ä": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"[Infinity, -Infinity]", [math.inf, -math.inf]),
        (b"[" * 100 + b"]" * 100, eval("[" * 100 + "]" * 100)),
    ],
)
def test_what_it_says(tmp_path, content, value):
    assert read(file(tmp_path, content)) == value


def test_not_a_number_is_one(tmp_path):
    assert math.isnan(read(file(tmp_path, b'{"a": NaN}'))["a"])


def test_what_was_written_is_read(tmp_path):
    assert json_bytes({"a": [1]}, indent=None) == b'{"a": [1]}\n'
    assert read(file(tmp_path, json_bytes({"a": [1, "ä"]}))) == {"a": [1, "ä"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Expecting value"),
        (b'{"a": ', "Expecting value"),
        (b"II*\0\xff\xff", "can't decode byte"),
        (b'{"a": "\xe4"}', "can't decode byte 0xe4"),
        (b"[1] [2]", "Extra data"),
        (b"1" * 5000, "4300"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_json(tmp_path, content, words):
    text = message(file(tmp_path, content))
    assert text.startswith(f"{tmp_path / 'x.json'} is no JSON (") and text.endswith("): give a recipe")
    assert words in text


def test_what_cannot_be_read(tmp_path):
    assert message(tmp_path / "no.json") == (
        f"cannot read no.json (No such file or directory: {tmp_path / 'no.json'}): check the path"
    )
    assert message(tmp_path) == f"cannot read {tmp_path.name} (it is a folder: {tmp_path}): check the path"
    large = file(tmp_path, b"[1]")
    os.truncate(large, LIMIT + 1)
    assert "it has 67,108,865 bytes, at most 67,108,864 are read" in message(large)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
def test_what_is_no_plain_file_is_not_opened(tmp_path):
    """All would wait for ever, or read without end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null")):
        assert f"(it is no regular file: {path}): check the path" in message(path)
        for function, error in (
            (read_record, SettingsError),
            (load_preset, SettingsError),
            (from_coco, ImageError),
        ):
            with pytest.raises(error, match="no regular file"):
                function(path)
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(OutputError, match="no regular file"):
        read_manifest(tmp_path)

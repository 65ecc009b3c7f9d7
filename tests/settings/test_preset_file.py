"""Own presets in files that can be shared."""

from __future__ import annotations

import errno
import json
import os

import pytest

from napari_sam2_automask.errors import OutputError, SettingsError
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.preset_file import load_preset, save_preset
from napari_sam2_automask.settings.presets import PRESETS, Preset

MINE = Preset("mine", "Mine", "For yeast at 20x.", AmgSettings(points_per_side=24, granularity=0.3))


def test_what_is_read_is_what_was_saved(tmp_path):
    assert load_preset(save_preset(MINE, tmp_path / "mine.json")) == MINE
    fine = load_preset(save_preset(PRESETS["fine"], tmp_path / "fine.json", "bundled"))
    assert fine.settings == PRESETS["fine"].for_model("bundled")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "not a preset"),
        ({"version": 2}, "version 2.*update"),
        ({"settings": None}, "no settings"),
        ({"settings": {"points_per_side": 0}}, "points_per_side must be 1 to 256"),
        ({"settings": {"sharpness": 1}}, "'sharpness'"),
    ],
)
def test_other_files_are_named(tmp_path, change, words):
    path = save_preset(MINE, tmp_path / "mine.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SettingsError, match=rf"mine\.json.*{words}"):
        load_preset(path)


def test_no_json_no_file_no_folder(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(SettingsError, match=r"cannot read a\.json"):
        load_preset(path)
    path.write_text("{")
    with pytest.raises(SettingsError, match="no JSON"):
        load_preset(path)
    with pytest.raises(OutputError, match=r"cannot write b\.json"):
        save_preset(MINE, tmp_path / "no" / "b.json")


def test_a_full_disk_costs_no_preset(tmp_path, monkeypatch):
    path = save_preset(MINE, tmp_path / "mine.json")

    def fsync(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match=r"no space left for .*mine\.json"):
        save_preset(PRESETS["fine"], path)
    assert load_preset(path) == MINE and [file.name for file in tmp_path.iterdir()] == ["mine.json"]


def test_a_link_to_a_preset_stays_a_link(tmp_path):
    path = save_preset(MINE, tmp_path / "mine.json")
    link = tmp_path / "link.json"
    link.symlink_to(path)
    save_preset(PRESETS["fine"], link)
    assert link.is_symlink() and load_preset(path).settings == PRESETS["fine"].settings

"""The record of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record import RECORD_VERSION
from napari_sam2_automask.record.entries import Channel
from napari_sam2_automask.record.environment import json_ready, package_versions
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.record.settings_in import settings_from
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.presets import PRESETS

MODEL = {"name": "bundled", "sha256": "0" * 64, "device": "cpu"}


def round_trip(record):
    return json.loads(json.dumps(record, allow_nan=False))


def test_the_record_says_what_was_done_to_what_with_what():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    settings = AmgSettings(points_per_side=8)
    record = round_trip(
        make_record(settings, preset=PRESETS["fine"], model=MODEL, image=image, image_name="cells", plane=3)
    )
    assert record["settings"]["points_per_side"] == 8
    assert record["preset"] == "fine"
    assert record["model"] == MODEL
    assert record["image"] == {
        "name": "cells", "sha256": image_hash(image), "shape": [3, 4], "dtype": "uint16"
    }  # fmt: skip
    assert record["plane"] == 3
    assert {"torch", "sam2", "numpy", "napari-sam2-automask"} <= record["packages"].keys()
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(record["time"]) < timedelta(minutes=1)


def test_a_model_object_describes_itself():
    class Model:
        def description(self):
            return MODEL

    assert make_record(AmgSettings(), model=Model())["model"] == MODEL


def test_what_is_not_known_is_left_open():
    record = make_record(AmgSettings(), contrast_limits=None)
    assert record["preset"] is None and record["model"] is None and record["image"] == {"name": None}
    assert "contrast_limits" not in record


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_settings_come_back_from_a_record_and_from_plain_json(preset):
    settings = preset.settings
    assert settings_from(round_trip(make_record(settings))) == settings
    assert settings_from(round_trip(settings.to_json())) == settings


def test_point_grids_come_back():
    settings = AmgSettings(points_per_side=None, point_grids=(((0.25, 0.5), (0.75, 0.5)),))
    assert settings_from(round_trip(make_record(settings))) == settings


@pytest.mark.parametrize(
    "data",
    [
        [],
        "fine",
        None,
        {"nonsense": 1},
        {"points_per_side": 0},
        {**make_record(AmgSettings()), "format_version": RECORD_VERSION + 1},
        {**make_record(AmgSettings()), "format_version": None},
        {**make_record(AmgSettings()), "settings": [1]},
        {**make_record(AmgSettings()), "settings": {"points_per_side": "many"}},
    ],
)
def test_what_holds_no_settings_is_refused(data):
    with pytest.raises(SettingsError):
        settings_from(data)


@pytest.mark.parametrize("dtype", ["", "(", "u1,u1", "O", "S4", "nothing", "{'names': ["])
def test_a_type_that_is_none_of_numbers_is_refused(dtype):
    channel = {"name": "a", "path": None, "sha256": "", "dtype": "<u2", "contrast_limits": None}
    channel |= {"colours": None}
    assert Channel.model_validate(channel).dtype == "<u2"
    with pytest.raises(ValidationError, match="numbers"):
        Channel.model_validate(channel | {"dtype": dtype})


def test_json_ready_turns_everything_into_json():
    value = {
        1: np.int64(3), "a": np.float32(0.5), "b": np.array([[1, 2]]), "c": (1, {2}),
        "d": Path("x") / "y", "e": float("nan"), "f": np.inf,
        "g": np.bool_(True), "h": None, "i": complex(1, 2),
    }  # fmt: skip
    expected = {
        "1": 3, "a": 0.5, "b": [[1, 2]], "c": [1, [2]],
        "d": "x/y", "e": None, "f": None, "g": True, "h": None, "i": "(1+2j)",
    }  # fmt: skip
    assert round_trip(json_ready(value)) == expected


def test_versions_are_those_installed():
    import numpy

    assert package_versions()["numpy"] == numpy.__version__

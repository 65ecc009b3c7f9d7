"""Records that earlier versions wrote are read and replayed.

`data/records/v1` was written by format version 1, `v2` by version 2 from the same images: a plane of a stack
and the stack linked along z, by the command line, and two mixed channels in an ellipse, by the viewer. The
model was a small network with random weights, which is made again here, so that they outlive the weights that
come with the package.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from places import DATA
from random_networks import as_model, calibrate, small_network

from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.record.record import RECORD_VERSION, Record
from napari_sam2_automask.replay.replaying import replay
from napari_sam2_automask.settings.amg import AmgSettings

FOLDER = DATA / "records"
IMAGES = FOLDER / "v1"
NAMES = [f"v{version}/{name}" for version in (1, 2) for name in ("plane", "linked", "viewer")]


@pytest.fixture(scope="module")
def model():
    """Return the network that the records name."""
    network = small_network(3, 128)
    plane = tifffile.imread(IMAGES / "cells.tif")[1]
    calibrate(network, to_model_view(plane, contrast_limits=(100.0, 3000.0)), covered=0.02)
    return replace(as_model(network), family="sam2")


def read(name):
    return json.loads((FOLDER / f"{name}.record.json").read_text())


def settings_in(record):
    """Yield the settings that a record and those of its planes hold."""
    for one in (record, *record.get("planes", [])):
        yield from (one[key] for key in ("settings", "proposal") if key in one)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_it_says_is_lost(name):
    written = read(name)
    assert written["format_version"] == int(name[1])
    again = Record.of(written).to_json()
    assert again.pop("format_version") == RECORD_VERSION
    for plane in again.get("planes", []):
        assert plane.pop("format_version") in (int(name[1]), RECORD_VERSION)
    del written["format_version"]
    for plane in written.get("planes", []):
        del plane["format_version"]
    default = json.loads(json.dumps(AmgSettings().to_json()))
    for now, before in zip(settings_in(again), settings_in(written), strict=True):
        for added in now.keys() - before.keys():  # settings that there were not
            assert now.pop(added) == default[added]
    assert json.loads(json.dumps(again)) == written


@pytest.mark.parametrize("name", NAMES)
def test_it_is_replayed(name, model, monkeypatch, tmp_path):
    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: model)
    given = tmp_path / "given"
    shutil.copytree(IMAGES, given)
    record = shutil.copy(FOLDER / f"{name}.record.json", given)
    done = replay(Path(record), tmp_path)
    before, now = tifffile.imread(FOLDER / f"{name}.labels.tif"), tifffile.imread(done.labels)
    assert before.shape == now.shape and now.any()
    # The fit of the random network differs in its last bits from processor to processor.
    assert (before == now).mean() > 0.99
    assert done.objects == pytest.approx(read(name)["objects"], abs=1)
    assert json.loads(next(tmp_path.glob("*.record.json")).read_text())["format_version"] == RECORD_VERSION
    assert np.unique(now).size > 5

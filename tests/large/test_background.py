from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from large_images import cells

from napari_sam2_automask.errors import OutputError, SettingsError
from napari_sam2_automask.large import background
from napari_sam2_automask.large.output.omezarr import open_levels
from napari_sam2_automask.large.output.run_folder import run_folder
from napari_sam2_automask.large.spec import LargeSpec
from napari_sam2_automask.settings.amg import AmgSettings


@pytest.fixture
def spec(tmp_path):
    np.save(tmp_path / "image.npy", cells((96, 220), seed=1, large=0)[0])
    # Few points, and nothing filtered: what is found does not matter here.
    settings = AmgSettings(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    image, output = str(tmp_path / "image.npy"), str(tmp_path / "a.zarr")
    return LargeSpec(image, output, settings, tile=96, overlap=32, device="cpu", threads=1)


def wait(spec, wanted, seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = background.status(spec.output)
        if wanted(found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"still {found}")


def test_a_run_is_started_watched_stopped_and_picked_up_again(spec):
    assert background.status(spec.output).state == "unknown"
    background.start(spec)
    assert background.status(spec.output).state == "running"
    with pytest.raises(OutputError, match="under way already"):
        background.start(spec)
    wait(spec, lambda s: s.stage == "tiles")
    background.stop(spec.output)
    stopped = wait(spec, lambda s: s.state != "running")
    assert stopped.state == "stopped" and stopped.stage == "tiles" and stopped.done < stopped.total
    background.resume(spec.output)
    assert wait(spec, lambda s: s.state != "running").state == "finished"
    levels, _ = open_levels(Path(spec.output))
    assert (levels[0] if isinstance(levels, list) else levels).shape == (96, 220)
    assert not run_folder(Path(spec.output)).exists()


def test_no_module_of_the_folder_is_taken_for_a_library(spec, tmp_path, monkeypatch):
    # A folder of images may come from anybody.
    for name in ("json", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.npy").write_bytes(b"no image")
    background.start(spec)
    assert "cannot be read" in wait(spec, lambda s: s.state != "running").message
    assert not (tmp_path / "ran").exists()


def test_a_run_that_fails_says_why(spec, tmp_path):
    (tmp_path / "image.npy").write_bytes(b"no image")
    background.start(spec)
    found = wait(spec, lambda s: s.state != "running")
    assert found.state == "failed" and "image.npy cannot be read" in found.message
    log = (tmp_path / "a.zarr.run" / "log.txt").read_text()
    assert log.startswith("error: ") and "Traceback" not in log


def test_there_is_nothing_to_resume_where_nothing_was_started(tmp_path):
    with pytest.raises(OutputError, match="no run to go on with"):
        background.resume(tmp_path / "a.zarr")


def test_a_run_survives_json(spec):
    assert LargeSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    with pytest.raises(SettingsError, match="unknown: 'overlapp'"):
        LargeSpec.from_json(spec.to_json() | {"overlapp": 3})
    with pytest.raises(SettingsError, match="missing: image"):
        LargeSpec.from_json({"output": "a", "settings": {}})


def test_on_a_cluster_the_device_must_be_named(spec):
    with pytest.raises(SettingsError, match="device must be named"):
        dataclasses.replace(spec, device="auto", scheduler="tcp://127.0.0.1:9").run()


def test_describing_and_watching_a_run_loads_no_torch():
    code = (
        "import sys, napari_sam2_automask.large.background, napari_sam2_automask.large.run;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'napari', 'qtpy', 'pandas', 'distributed')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

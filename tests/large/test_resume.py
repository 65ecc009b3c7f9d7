from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from large_images import cells
from large_run import SIZES, Cheap
from places import KITS

from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.large.output.omezarr import RECORD, read_attributes
from napari_sam2_automask.large.output.publish import publish
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = KITS / "large_run.py"


def digest(folder: Path) -> str:
    """Return a hash of all the labels' files, names and contents, and of the table."""
    found = hashlib.sha256()
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for path in [*files, folder.with_name(folder.stem + ".objects.csv")]:
        found.update(path.relative_to(folder.parent).as_posix().replace(folder.stem, "x", 1).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.npy"
    np.save(path, cells((400, 420), seed=8, large=2)[0])
    return path


def start(image, output, log, seconds=0.02):
    command = [sys.executable, str(SCRIPT), str(image), str(output), str(log), str(seconds)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)


def test_a_killed_run_goes_on_where_it_stopped_and_gives_the_same_bytes(image, tmp_path):
    whole = segment_large(FileSource(str(image)), tmp_path / "whole.zarr", Cheap(), **SIZES)
    tiles = len(Grid((400, 420), 128, 32))
    output, log = tmp_path / "killed.zarr", tmp_path / "log"
    chance = random.Random(3)
    kills = 0
    while kills < 5:
        process = start(image, output, log)
        folder = tmp_path / "killed.zarr.run"
        # Importing takes most of the time and is no interesting moment: wait for the run to begin.
        while not (folder / "owner.json").exists() and process.poll() is None:
            time.sleep(0.01)
        (folder / "owner.json").unlink(missing_ok=True)
        time.sleep(chance.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            break
        kills += 1
    process = start(image, output, log)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert kills >= 3
    assert digest(output) == digest(whole.path)
    assert read_attributes(output)[RECORD]["disagreement"] > 0
    # Each kill costs at most the tile that was being done.
    assert tiles <= len(log.read_text().splitlines()) <= tiles + kills
    assert not (tmp_path / "killed.zarr.run").exists()


def test_a_second_run_on_the_same_output_is_refused_while_the_first_goes_on(image, tmp_path):
    output, log = tmp_path / "out.zarr", tmp_path / "log"
    process = start(image, output, log, seconds=0.5)
    try:
        while not log.exists() and process.poll() is None:
            time.sleep(0.05)
        with pytest.raises(OutputError, match=rf"another run is writing .*process {process.pid} on "):
            segment_large(FileSource(str(image)), output, Cheap(), **SIZES)
    finally:
        process.kill()
        process.communicate()
    # A dead process holds nothing.
    assert not segment_large(FileSource(str(image)), output, Cheap(), **SIZES).failed


def test_a_chunk_cut_off_by_a_kill_is_not_published(tmp_path):
    labels = tmp_path / "labels"
    (labels / "c").mkdir(parents=True)
    (labels / "c" / "0").write_bytes(b"whole")
    (labels / "c" / "0.0123abcd.partial").write_bytes(b"ha")
    publish(labels, tmp_path / "out.zarr")
    assert [path.name for path in (tmp_path / "out.zarr" / "c").iterdir()] == ["0"]

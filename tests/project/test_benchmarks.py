"""The benchmarks can be started, and what they measure is where they look for it."""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest
from places import ROOT

FOLDER = ROOT / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*/*.py"))


@pytest.fixture(autouse=True)
def as_a_script(monkeypatch):
    """Let modules be found as they are when a script of the folder is run."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT))
    for folder in {path.parent for path in FOLDER.glob("*/*.py")}:
        monkeypatch.syspath_prepend(str(folder))
    yield
    for name in set(sys.modules) - before:
        if name in SCRIPTS or name.startswith("benchmarks"):
            del sys.modules[name]


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_can_be_started(name):
    module = importlib.import_module(name)
    assert module.__doc__


def test_the_stages_are_there():
    sides = importlib.import_module("sides")
    stopwatch = importlib.import_module("stopwatch")
    for stages in (sides._OURS, sides._META):
        for stage, functions in stages.items():
            for owner, name in functions:
                spent = {stage: 0.0}
                with stopwatch.timed(spent, stage, owner, name):
                    pass


def test_results_are_compared_apart_from_times_and_paths(tmp_path):
    files = importlib.import_module("compare_files")
    for side, area in (("old", "12"), ("new", "12.0")):
        folder = tmp_path / side / "step"
        folder.mkdir(parents=True)
        record = {"time": side, "file": str(folder / "image.tif"), "nested": [{"seconds": len(side)}]}
        (folder / "same.json").write_text(json.dumps(record))
        (folder / "other.json").write_text(json.dumps({**record, "objects": [1, len(side + area)]}))
        (folder / "table.csv").write_text(f"index,area\n1,{area}\n")
        np.save(folder / "labels.npy", np.arange(6) % (3 if side == "old" else 4))
        (folder / f"{side}.txt").write_text("")
    same = {str(tmp_path / side): "FOLDER" for side in ("old", "new")}
    found = files.compare(tmp_path / "old", tmp_path / "new", same)
    assert found.files == {"step": 4}
    assert found.differences == [
        "step/labels.npy: 3 of 6 pixels differ",
        "step/new.txt: the old checkout wrote no such file",
        "step/old.txt: the new checkout wrote no such file",
        "step/other.json: objects[1]: 5 became 7",
        "step/table.csv: column area: 1 of 1 rows, such as 12 became 12.0, the same numbers",
    ]
    assert files.summed_up(
        ["a.csv: 3 rows became 4", "b.csv: 10 rows became 2", "c.json: x: 1 became 2"]
    ) == [
        "a.csv: 3 rows became 4 (and 1 more like it)",
        "c.json: x: 1 became 2",
    ]

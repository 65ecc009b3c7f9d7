"""The benchmarks can be started, and what they measure is where they look for it."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from contextlib import nullcontext

import numpy as np
import psutil
import pytest
import torch
from fake_gpu import FakeGPU
from parity_kit import small_network
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


class _Parsed(Exception):
    """The command line was understood."""


def test_without_a_gpu_it_says_what_it_would_do_with_one(monkeypatch, capsys):
    gpu = importlib.import_module("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    gpu.main()
    lines = capsys.readouterr().out.splitlines()
    assert "no CUDA device" in lines[0] and len(lines) == len(gpu.PARTS) + 1
    parse = argparse.ArgumentParser.parse_args

    def understood(self, *args, **kwargs):
        parse(self, *args, **kwargs)
        raise _Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", understood)
    for line in lines[1:]:
        script, *arguments = line.split("python ")[1].split()
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with pytest.raises(_Parsed):
            importlib.import_module(script.rsplit("/", 1)[1].removesuffix(".py")).main()


def test_a_part_has_the_time_that_is_left_and_what_it_said_is_kept(tmp_path, capsys):
    gpu = importlib.import_module("gpu")
    script = tmp_path / "slow.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600 if sys.argv[1] == 'slow' else 0)\n"
        "child.kill()\n"
    )
    assert gpu.run(gpu.Part("quick", str(script), "quick", 60, writes=False), tmp_path, 60)
    assert not gpu.run(gpu.Part("slow", str(script), "slow", 60, writes=False), tmp_path, 5)
    assert not gpu.run(gpu.Part("late", str(script), "slow", 60, writes=False), tmp_path, -1)
    said = capsys.readouterr().out
    assert "quick ended with 0" in said and "slow was ended, its time was over" in said
    assert "late: no time was left" in said
    child = int((tmp_path / "slow.txt").read_text())
    assert str(child) in said
    deadline = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid):
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class _Graph:
    """Stands for a recording of what was started."""

    replays = 0

    def replay(self):
        _Graph.replays += 1


def test_the_ways_of_encoding_start_on_the_device(monkeypatch):
    encoder = importlib.import_module("gpu_encoder")
    monkeypatch.setattr(encoder, "_wait", lambda device: None)
    for name in ("Stream", "current_stream"):
        stream = type("Stream", (), {"wait_stream": lambda self, other: None})
        monkeypatch.setattr(torch.cuda, name, stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", _Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda recorded: nullcontext())
    # Rounding to half precision is started too, as on a card.
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    _Graph.replays = 0
    started = {}
    network = small_network(0)
    with FakeGPU() as gpu:
        network = gpu.network(network)
        inputs = torch.empty(1, 3, network.image_size, network.image_size, device="cuda")
        ways = encoder.ways(network, inputs)
        ways["as it is"]()()  # makes the encodings of positions, which are kept
        for title in ("as it is", "perceptrons in half precision", "as a graph"):
            gpu.operations = 0
            first, each, found = encoder.timed(ways[title], 2, "cuda")
            started[title] = gpu.operations
            assert found.device.type == "cuda" and first > 0 and each > 0
        assert encoder.crops(network, 4, 2, "cuda") > 0
    # Three calls, or three to warm up and one to record, whose replays start nothing one by one.
    assert _Graph.replays == 3
    assert started["as a graph"] == pytest.approx(4 / 3 * started["as it is"], rel=0.02)
    assert set(ways) >= {"compiled", "compiled, in half precision", "as a graph, in half precision"}

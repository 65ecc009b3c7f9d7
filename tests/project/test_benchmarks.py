"""The benchmarks can be started, and what they measure is where they look for it."""

from __future__ import annotations

import importlib
import sys

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

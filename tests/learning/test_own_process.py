"""Learning in a process of its own: what comes back, stopping, and a process that dies."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from learned_models import QUICK_PLAN, discs

from napari_sam2_automask import Cancelled, load_model
from napari_sam2_automask.errors import LearningError, ModelError
from napari_sam2_automask.learning import own_process
from napari_sam2_automask.learning.own_process import LearningTask, learn_in_own_process
from napari_sam2_automask.models import find_entry, own_path


def task(name: str, **more) -> LearningTask:
    image, labels = discs()
    view = np.repeat(image[..., None], 3, -1)
    return LearningTask(
        (view,), (labels,), (True,), ({3: 3.0, 77: 3.0},), ("discs",), name, plan=QUICK_PLAN, **more
    )


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path))
    return tmp_path


def test_stopped_in_the_middle_the_best_so_far_is_among_the_models():
    steps = []

    def told(progress) -> None:
        if progress.stage == "learn":
            steps.append((progress.done, progress.total))
            if progress.best > progress.before:
                raise Cancelled

    learned = learn_in_own_process(task("discs", steps=40, threads=1), told)
    assert steps[0] == (0, 40) and steps == sorted(steps)
    assert learned.path == own_path("discs") and learned.objects == 9
    assert 0 < learned.steps < 40 and learned.after > learned.before
    card = load_model("discs", device="cpu").card
    assert (card.steps, card.objects, card.before) == (learned.steps, 9, learned.before)
    assert "9 objects" in find_entry("discs").purpose
    assert [path.name for path in learned.path.parent.iterdir()] == ["discs.safetensors"]


def test_what_cannot_be_is_said_in_its_own_words():
    own_path("taken").parent.mkdir(parents=True)
    own_path("taken").touch()
    with pytest.raises(ModelError, match="there is a model 'taken' already"):
        learn_in_own_process(task("taken"))
    nothing = replace(task("discs"), labels=(np.zeros((96, 96), np.int32),))
    with pytest.raises(LearningError, match="no object is labelled"):
        learn_in_own_process(nothing)


def test_a_process_that_dies_is_said_with_what_to_do(monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *arguments, **more) -> None:
            super().__init__(*arguments, **more)
            started.append(self)

    monkeypatch.setattr(own_process.subprocess, "Popen", Watched)
    with pytest.raises(LearningError, match=r"the process that learned ended.*the same name"):
        learn_in_own_process(task("discs"), lambda progress: started[0].kill())
    assert not own_path("discs").exists()

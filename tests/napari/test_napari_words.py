"""What is said before, during and after a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ome_sets import SHAPE, write_set

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.layers.snapshot import ImageSource
from napari_sam2_automask._napari.run.controller import Finished, explain
from napari_sam2_automask._napari.run.costs import cost_text, expected_seconds, remember_rates
from napari_sam2_automask._napari.run.ended_words import finished_text
from napari_sam2_automask._napari.run.outcome import Outcome, PlaneResult
from napari_sam2_automask._napari.run.progress_words import Tracker, duration
from napari_sam2_automask._napari.run.request import Request
from napari_sam2_automask._napari.run.run_request import run_request
from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.progress import Progress, no_progress
from napari_sam2_automask.settings.amg import AmgSettings


class Clock:
    """Shows the time that the test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def test_the_time_left_counts_points_and_passes_at_their_own_pace():
    clock = Clock()
    tracker = Tracker(no_progress, clock)
    tracker(Progress("encoder", 0, 5))
    assert tracker.state.seconds_left is None
    clock.now = 10  # the first pass took 10 s
    tracker(Progress("points", 0, 100))
    clock.now = 12  # 20 points took 2 s
    tracker(Progress("points", 20, 100))
    assert tracker.state.text == "20 of 100 points"
    assert (tracker.state.done, tracker.state.total) == (20, 100)
    assert tracker.state.seconds_left == pytest.approx(8 + 4 * 10)
    tracker(Progress("encoder", 1, 5))
    assert tracker.state.text == "Encoding image 2 of 5"
    assert (tracker.state.done, tracker.state.total) == (20, 100)
    assert tracker.spent == {"encoder": 10, "points": 2}


def test_a_download_counts_megabytes():
    clock = Clock()
    tracker = Tracker(no_progress, clock)
    tracker(Progress("download", 0, 100_000_000))
    clock.now = 4
    tracker(Progress("download", 20_000_000, 100_000_000))
    assert tracker.state.text == "Getting model, 20 of 100 MB"
    assert tracker.state.seconds_left == pytest.approx(16)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.84, "0.8 s"), (3, "3 s"), (9.97, "10 s"), (59.4, "59 s"), (125, "2 min 5 s"), (4200, "1 h 10 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_expected_time_is_a_guess_until_it_was_measured():
    store, settings = Store(), AmgSettings(points_per_side=10, crop_n_layers=1, use_m2m=True)
    assert "guess" in cost_text(settings, "bundled", "auto", 1, store)
    # 2 planes of 5 passes and 2 x 500 prompts each.
    remember_rates(settings, "bundled", "auto", {"encoder": 20.0, "points": 4.0}, 2, store)
    assert expected_seconds(settings, "bundled", "auto", store) == (pytest.approx(10 + 2), True)
    once = AmgSettings(points_per_side=10)
    assert expected_seconds(once, "bundled", "auto", store) == (pytest.approx(2 + 0.2), True)
    text = cost_text(once, "bundled", "auto", 3, store)
    assert text == "1 encoder pass, 100 point prompts on each of 3 planes: about 6.6 s here"
    assert "guess" in cost_text(settings, "bundled", "cuda", 1, store)


def test_a_fitted_run_is_expected_to_take_as_long_as_the_last_one():
    store, settings = Store(), AmgSettings(fit_objects=True)
    assert "guess" in cost_text(settings, "bundled", "auto", 1, store)
    remember_rates(settings, "bundled", "auto", {"encoder": 2.0, "points": 4.0, "select": 1.0}, 2, store)
    assert expected_seconds(settings, "bundled", "auto", store) == (pytest.approx(3.5), True)
    assert "size of the objects" in cost_text(settings, "bundled", "auto", 1, store)
    assert "guess" in cost_text(AmgSettings(), "bundled", "auto", 1, store)


def source(shape=(4, 5)):
    return ImageSource(
        "cells",
        np.ones(shape),
        False,
        shape,
        (len(shape) - 2, len(shape) - 1),
        (0,) * (len(shape) - 2),
        (0, 1),
    )


def finished(objects, complete=True, removed=None, **more):
    table = pd.DataFrame({"index": np.arange(objects)})
    outcome = Outcome(np.zeros((4, 5)), table, {}, {}, removed or {}, complete, False, 2.5, "cpu")
    return Finished(Request(source(), AmgSettings()), None, None, "", outcome, "", not complete, {}, **more)


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (finished(1), "1 object in 2.5 s on cpu."),
        (finished(1234), "1,234 objects in 2.5 s on cpu."),
        (
            finished(2, removed={"beyond memory": 1500}),
            "2 objects in 2.5 s on cpu. 1,500 masks did not fit into candidate_memory and were left out: "
            "raise it to keep them.",
        ),
        (finished(3, complete=False), "Cancelled: 3 objects found so far, in a layer named (partial)."),
        (finished(0, complete=False), "Cancelled before any object was found."),
        (
            finished(0, removed={"stability": 3, "predicted IoU": 2000, "box NMS": 0}),
            "No objects in 'cells'. Masks removed by each filter: predicted IoU 2,000, stability 3. "
            "Lower those thresholds.",
        ),
        (finished(0), "No objects in 'cells': the model found no mask. Is the contrast right?"),
    ],
)
def test_the_end_in_a_sentence(end, text):
    assert finished_text(end) == text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SettingsError("points_per_side must be 1 to 256"), "points_per_side must be 1 to 256"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            "Not enough memory",
        ),
        (MemoryError(), "Not enough memory"),
        (ModuleNotFoundError("No module named 'sam2'", name="sam2"), "'sam2' is missing"),
        (ZeroDivisionError("two\nlines"), "ZeroDivisionError: two lines"),
    ],
)
def test_errors_in_one_line(error, words):
    assert words in explain(error)
    assert "\n" not in explain(error)


def test_a_plane_that_is_black_because_its_file_is_missing_is_refused(tmp_path):
    def segmenter(plane, request, progress):
        return PlaneResult(np.ones(plane.shape, np.uint16), pd.DataFrame({"index": [1]}))

    path, gone, _ = write_set(tmp_path)
    shown = np.stack([np.full(SHAPE, value, np.uint8) for value in (10, 0, 12)])
    layer = replace(source(shown.shape), data=shown, path=str(path))
    black = Request(layer, AmgSettings(), indices=((1,),))
    assert run_request(black, segmenter, lambda _: None).complete  # black in the file
    gone.unlink()
    with pytest.raises(ImageError, match=r"plane 1 \(C 1\): c1.ome.tif, which should hold it, is missing"):
        run_request(black, segmenter, lambda _: None)
    assert run_request(replace(black, indices=((0,), (2,))), segmenter, lambda _: None).complete


def test_progress_counts_over_planes():
    seen = []

    def segmenter(plane, request, progress):
        progress(Progress("encoder", 0, 2))
        progress(Progress("points", 5, 10))
        return PlaneResult(np.ones((4, 5), np.uint16), pd.DataFrame({"index": [1]}))

    request = Request(source((3, 4, 5)), AmgSettings(), indices=((0,), (1,), (2,)))
    outcome = run_request(request, segmenter, seen.append)
    assert [(p.done, p.total) for p in seen if p.stage == "encoder"] == [(0, 6), (2, 6), (4, 6)]
    assert [(p.done, p.total) for p in seen if p.stage == "points"] == [(5, 30), (15, 30), (25, 30)]
    assert outcome.data.max(axis=(1, 2)).tolist() == [1, 2, 3]
    assert outcome.table["index"].tolist() == [1, 2, 3]
    assert outcome.table["axis_0"].tolist() == [0, 1, 2]

"""What is said before, during and after a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ome_sets import SHAPE, write_set

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.layers.image_source import ImageSource
from napari_sam2_automask._napari.run.controller import Finished, explain
from napari_sam2_automask._napari.run.costs import cost_of, remember_rates
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
    tracker = Tracker(no_progress, clock, after=0.5)
    tracker(Progress("encoder", 0, 5))
    assert tracker.state.seconds_left is None
    clock.now = 10  # the first pass took 10 s
    tracker(Progress("points", 0, 100))
    clock.now = 12  # 20 points took 2 s
    tracker(Progress("points", 20, 100))
    assert tracker.state.text == "20 of 100 points"
    assert tracker.state.seconds_left == pytest.approx(8 + 4 * 10 + 0.5 * 10)
    assert (tracker.state.done, tracker.state.total) == (round(100 * 12 / 65), 100)
    tracker(Progress("encoder", 1, 5))
    assert tracker.state.text == "Encoding image 2 of 5"
    clock.now = 16  # 4 s of the second pass
    tracker(Progress("encoder", 1, 5))
    assert tracker.state.seconds_left == pytest.approx(8 + 4 * 10 - 4 + 5)
    assert tracker.spent == {"encoder": 14, "points": 2}


class Simulated:
    """A run of the engine as its reports tell it: the stages that a person waits for, with their seconds."""

    def __init__(self, **given):
        self.load, self.fit, self.encoder, self.points, self.select = 2.0, 0.0, 0.5, 10.0, 2.0
        self.passes, self.planes, self.count, self.after = 1, 1, 1000, 0.2
        vars(self).update(given)

    def told(self):
        """Run; return (seconds gone, share of the bar, seconds left as told or None)."""
        clock, told = Clock(), []
        tracker = Tracker(no_progress, clock, after=self.after)
        passes = self.passes * self.planes

        def spend(seconds, stage, done, total, steps=20, last=None):
            for k in range(steps):
                now = done if last is None else done + (last - done) * k // steps
                tracker(Progress(stage, now, total))
                state = tracker.state
                told.append((clock.now, state.done / max(1, state.total), state.seconds_left))
                clock.now += seconds / steps

        spend(self.load, "load", 0, 1)
        for plane in range(self.planes):
            if self.fit:
                spend(self.fit, "fit", plane, self.planes)
            for k in range(self.passes):
                n = plane * self.passes + k
                spend(self.encoder, "encoder", n, passes)
                first, last = (self.count * m // passes for m in (n, n + 1))
                spend(self.points / passes, "points", first, self.count, last=last)
                tracker(Progress("points", last, self.count))
            spend(0.7 * self.select, "select", 0, 500, last=500)
            spend(0.3 * self.select, "paint", 0, 1)
        return told, clock.now


@pytest.mark.parametrize(
    "run",
    [
        Simulated(),
        Simulated(fit=2.0, points=30.0, select=20.0, after=0.35),
        Simulated(encoder=4.0, passes=21, points=20.0, select=3.0),
        Simulated(encoder=1.0, passes=5, planes=4, points=20.0, fit=1.0, select=1.0),
        Simulated(points=600.0, select=60.0),
    ],
)
def test_the_time_left_is_right_within_a_factor_of_two(run):
    told, whole = run.told()
    said = [(now, bar, left) for now, bar, left in told if left is not None and now >= 0.05 * whole]
    assert said and said[0][0] < 0.5 * whole
    for now, _, left in said:
        rest, close = whole - now, max(2.0, 0.025 * whole)  # a moment before the end nobody minds
        assert rest / 2 <= max(close, left) and left <= max(close, 2 * rest), (now, left, whole)
    bars = [bar for _, bar, _ in told]
    assert bars == sorted(bars)
    for now, bar, _ in said:  # and the bar runs with the time
        assert abs(bar - now / whole) < 0.25


def test_of_a_short_run_no_time_is_told():
    told, _ = Simulated(points=2.0, select=0.2).told()
    assert all(left is None for _, _, left in told)


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
    [
        (0.84, "0.8 s"),
        (3, "3 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (125, "2 min 5 s"),
        (180, "3 min"),
        (4200, "1 h 10 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


SMALL, LARGE = (120, 160), (2000, 1920)


def test_the_expected_time_is_a_guess_until_it_was_measured():
    store, settings = Store(), AmgSettings(points_per_side=10, crop_n_layers=1, use_m2m=True)
    assert "guess" in cost_of(settings, "bundled", "auto", store, SMALL).text
    # 2 planes of 5 passes and 500 prompts with three masks each, every mask asked again.
    remember_rates(settings, "bundled", "auto", {"encoder": 20.0, "points": 4.0}, 2, store)
    cost = cost_of(settings, "bundled", "auto", store, SMALL)
    assert (cost.low, cost.high) == (pytest.approx(10 + 2), pytest.approx(10 + 2))
    once = AmgSettings(points_per_side=10)
    cost = cost_of(once, "bundled", "auto", store, SMALL, planes=3, pictures=2)
    assert cost.text == "about 15 s for 3 planes in each of 2 channels"
    assert cost.details == "1 encoder pass, 100 point prompts."
    assert cost_of(once.replace(renderings="raw+gamma"), "bundled", "auto", store, SMALL).low == (
        pytest.approx(2 * (2 + 0.1))
    )
    assert "guess" in cost_of(settings, "bundled", "cuda", store, SMALL).text


def test_the_cost_of_a_fit_knows_the_image():
    store, settings = Store(), AmgSettings(fit_objects=True, points_per_diameter=3)
    small, large = (cost_of(settings, "bundled", "auto", store, shape) for shape in (SMALL, LARGE))
    assert small.text != large.text and small.high < large.high / 4
    assert " to " in large.text and large.low < large.high
    assert "size of the objects" in large.details
    # With a size of objects it is one number, and the smaller they are the larger.
    costs = [
        cost_of(settings.replace(object_diameter=width), "bundled", "auto", store, LARGE).low
        for width in (30.0, 60.0, 200.0)
    ]
    assert costs == sorted(costs, reverse=True) and costs[0] > 5 * costs[-1]
    # A run tells the pace, and the width of the objects in that image.
    spent = {"fit": 1.0, "encoder": 2.0, "points": 4.0, "select": 1.0}
    remember_rates(settings, "bundled", "auto", spent, 1, store, shape=LARGE, width=60.0)
    again = cost_of(settings, "bundled", "auto", store, LARGE, width=60.0)
    assert again.text == "about 8 s" and "up to" in again.details
    assert cost_of(settings, "bundled", "auto", store, SMALL).text == "about 1 s"
    assert "guess" in cost_of(AmgSettings(), "bundled", "auto", store, SMALL).text


def test_the_cost_of_a_run_at_objects_is_that_of_a_few_points_each():
    store, objects = Store(), AmgSettings(fit_objects=True, prompts="objects")
    grid = objects.replace(prompts="grid", points_per_diameter=3)
    unknown = cost_of(objects, "bundled", "auto", store, LARGE)
    assert unknown.details == (
        "As many encoder passes as the size of the objects asks for, up to 4 point prompts an object."
    )
    assert "guess" in unknown.text and unknown.high < cost_of(grid, "bundled", "auto", store, LARGE).high
    # 2,000 x 1,920 pixels hold 34 x 32 objects 60 pixels wide, of which 0.35 are there, 4 prompts for each.
    spent = {"fit": 2.0, "encoder": 10.0, "points": 10.43, "select": 1.0}
    remember_rates(objects, "bundled", "auto", spent, 1, store, shape=LARGE, width=60.0)
    again = cost_of(objects, "bundled", "auto", store, LARGE, width=60.0)
    assert again.low == again.high == pytest.approx(23.43, rel=0.01) and "guess" not in again.text
    assert cost_of(objects, "bundled", "auto", store, LARGE, width=120.0).high < again.low
    assert "guess" in cost_of(grid, "bundled", "auto", store, LARGE).text


def test_a_look_at_objects_without_a_fit_is_one_pass():
    store, settings = Store(), AmgSettings(prompts="objects", points_per_diameter=1)
    cost = cost_of(settings, "bundled", "auto", store, LARGE)
    assert cost.details == "1 encoder pass, up to 3 point prompts an object."
    remember_rates(settings, "bundled", "auto", {"encoder": 1.0, "points": 3.0}, 1, store, shape=LARGE)
    measured = cost_of(settings, "bundled", "auto", store, LARGE)
    assert "guess" not in measured.text and measured.low < 4 < measured.high
    assert "guess" in cost_of(AmgSettings(), "bundled", "auto", store, LARGE).text


def test_a_run_of_minutes_is_hinted_at():
    store, settings = Store(), AmgSettings(fit_objects=True, object_diameter=12.0)
    assert "This view" in cost_of(settings, "bundled", "auto", store, LARGE).hint
    assert not cost_of(settings, "bundled", "auto", store, SMALL).hint
    assert not cost_of(settings, "bundled", "auto", store, (0, 0)).hint


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
            "2 objects in 2.5 s on cpu. 1,500 masks did not fit into Memory for candidates and were left "
            "out: raise it to keep them.",
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
        (SettingsError("points_per_side must be 1 to 256"), "Points per side must be 1 to 256"),
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

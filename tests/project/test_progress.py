"""Progress that is passed on, not too often."""

from __future__ import annotations

import pytest

from napari_sam2_automask import progress
from napari_sam2_automask.progress import Cancelled, Progress, Throttled


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_reports_that_come_too_soon_are_left_out_and_the_last_is_told_later(clock):
    told = []
    throttled = Throttled(told.append, 0.05, Progress("points", 0, 9))
    for done, passed in ((1, 0), (2, 0.04), (3, 0.009), (4, 0.002), (5, 0.01)):
        clock[0] += passed
        throttled.report(Progress("points", done, 9))
    assert [state.done for state in told] == [1, 4]
    throttled.tick()
    clock[0] += 0.05
    throttled.tick()
    throttled.tick()
    assert [state.done for state in told] == [1, 4, 5]
    throttled.tell(Progress("points", 9, 9))
    throttled.tell(Progress("select", 0, 1))
    assert told[3:] == [Progress("points", 9, 9), Progress("select", 0, 1)] and throttled.state == told[-1]


def test_a_tick_before_any_report_tells_where_it_begins(clock):
    told = []
    throttled = Throttled(told.append, 0.05, Progress("encoder", 0, 3))
    for _ in range(9):
        throttled.tick()
        clock[0] += 0.01
    assert told == [Progress("encoder", 0, 3)] * 2


def test_the_time_that_the_receiver_takes_does_not_count(clock):
    told = []

    def slow(state):
        told.append(state.done)
        clock[0] += 1

    throttled = Throttled(slow, 0.05, Progress("points", 0, 9))
    for done in range(3):
        throttled.report(Progress("points", done, 9))
        clock[0] += 0.03
    assert told == [0, 2]


def test_what_the_receiver_raises_passes_through(clock):
    def stop(state):
        raise Cancelled

    with pytest.raises(Cancelled):
        Throttled(stop, 0.05, Progress("points", 0, 9)).tick()

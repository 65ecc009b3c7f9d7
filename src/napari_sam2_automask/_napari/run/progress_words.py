"""Progress reports to words: a fraction, what is being done, how long it will still take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.progress import Progress, ProgressCallback

__all__ = ["Tracker", "TrackerState", "duration"]


@dataclass(frozen=True, slots=True)
class TrackerState:
    """What a progress bar shows.

    Attributes
    ----------
    text : str
        What is being done, with counts.
    done, total : int
        How far; `total` 0 means that it cannot be counted yet.
    seconds_left : float or None
        The estimated time left; None while there is nothing to estimate from.
    """

    text: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


class Tracker:
    """Follows the progress of one run, on the thread of that run; `state` may be read from any thread.

    Parameters
    ----------
    forward : callable
        Gets every report on; may raise to cancel.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    state : TrackerState
        The state to show.
    spent : dict of str to float
        Seconds spent in each stage so far.
    """

    def __init__(self, forward: ProgressCallback, clock: Callable[[], float] = time.perf_counter) -> None:
        self._forward = forward
        self._clock = clock
        self._last = clock()
        self._stage = ""
        self._points = (0, 0)
        self._passes = (0, 0)
        self.state = TrackerState("Starting")
        self.spent: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        now = self._clock()
        # The time since the last report was spent in the stage that was going on then.
        if self._stage:
            self.spent[self._stage] = self.spent.get(self._stage, 0.0) + now - self._last
        self._last, self._stage = now, progress.stage
        self.state = self._describe(progress)
        self._forward(progress)

    @property
    def points(self) -> tuple[int, int]:
        """Point prompts done and in all."""
        return self._points

    def _describe(self, progress: Progress) -> TrackerState:
        stage, done, total = progress.stage, progress.done, progress.total
        if stage == "points":
            self._points = (done, total)
            return TrackerState(f"{done:,} of {total:,} points", done, total, self._left())
        if stage == "encoder":
            self._passes = (done + 1, total)
            # Between crops the points done stay on show: a bar that jumps back helps nobody.
            count = f" {min(done + 1, total)} of {total}" if total > 1 else ""
            return TrackerState(f"Encoding image{count}", *self._points, self._left())
        if stage == "download":  # also while a file at hand is checked
            text = f"Getting model, {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
            rate = self.spent.get("download", 0.0) / done if done else None
            return TrackerState(text, done, total, None if rate is None else rate * (total - done))
        words = {"load": "Loading model", "select": "Filtering masks", "paint": "Painting labels"}
        return TrackerState(words.get(stage, stage.capitalize()), *self._points)

    def _left(self) -> float | None:
        """Estimate what is left of points and of encoder passes, each from its own pace so far."""
        (done, total), (passed, passes) = self._points, self._passes
        if done <= 0:
            return None
        left = self.spent.get("points", 0.0) * (total - done) / done
        if passed:
            left += self.spent.get("encoder", 0.0) * max(0, passes - passed) / passed
        return left


def duration(seconds: float) -> str:
    """Return a length of time in words: ``"8 s"``, ``"2 min 5 s"``, ``"1 h 10 min"``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

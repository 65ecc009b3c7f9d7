"""Progress reports to words: a fraction, what is being done, how long it will still take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.progress import Progress, ProgressCallback

__all__ = ["Tracker", "TrackerState", "after_points", "duration"]

#: How long filtering and painting take, as a multiple of the time that points take: of a million pixels, at
#: least and at most; and what follows the filtering, as a multiple of that.
AFTER, LEAST, MOST, REST = 0.35, 0.1, 1.0, 0.4
#: Share of the points of which the pace tells nothing yet.
FIRST = 0.02
#: Seconds up to which a run is so short that nobody wants to know how long it will still take.
SHORT = 5.0
#: The stages of a run of which it is known how much there is.
COUNTED = ("points", "encoder", "fit", "select")
WORDS = {
    "load": "Loading model",
    "fit": "Looking how large objects are",
    "select": "Filtering masks",
    "paint": "Painting labels",
}


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

    Time and not points is what the bar of a long run shows: a pass of the encoder can weigh as much as a
    thousand points, and filtering what was found follows.

    Parameters
    ----------
    forward : callable
        Gets every report on; may raise to cancel.
    clock : callable
        Returns seconds.
    after : float
        How long filtering and painting take, as a multiple of the time that points take.

    Attributes
    ----------
    state : TrackerState
        The state to show.
    spent : dict of str to float
        Seconds spent in each stage so far.
    """

    def __init__(
        self,
        forward: ProgressCallback,
        clock: Callable[[], float] = time.perf_counter,
        *,
        after: float = LEAST,
    ) -> None:
        self._forward = forward
        self._clock = clock
        self._last = clock()
        self._stage = ""
        self._after = after
        self._counts = dict.fromkeys(COUNTED, (0, 0))
        self._before: dict[str, float] = {}
        self._filtered_before = self._painted_before = 0.0
        self._share = 0.0
        self._long = False
        self.state = TrackerState("Starting")
        self.spent: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        now = self._clock()
        # The time since the last report was spent in the stage that was going on then.
        if self._stage:
            self.spent[self._stage] = self.spent.get(self._stage, 0.0) + now - self._last
        self._last, self._stage = now, progress.stage
        if progress.stage in COUNTED:
            counts = progress.done, progress.total
            if self._counts[progress.stage] != counts:
                self._before[progress.stage] = self.spent.get(progress.stage, 0.0)
            self._counts[progress.stage] = counts
        if progress.stage == "points":  # what is filtered from now on is of the last plane
            self._filtered_before = self.spent.get("select", 0.0)
            self._painted_before = self.spent.get("paint", 0.0)
        self.state = self._describe(progress)
        self._forward(progress)

    def _describe(self, progress: Progress) -> TrackerState:
        stage, done, total = progress.stage, progress.done, progress.total
        if stage == "download":  # also while a file at hand is checked
            text = f"Getting model, {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
            whole = self.spent.get("download", 0.0) / done * total if done else 0.0
            if whole > SHORT:
                return TrackerState(text, done, total, whole * (total - done) / total)
            return TrackerState(text)  # of a file at hand: a moment, and no part of the run
        if stage == "plane":
            return TrackerState(f"Plane {done + 1:,} of {total:,}" if total > 1 else "Starting", done, total)
        if stage == "points":
            text = f"{done:,} of {total:,} points"
        elif stage == "encoder":
            text = "Encoding image" + (f" {min(done + 1, total)} of {total}" if total > 1 else "")
        else:
            text = WORDS.get(stage, stage.capitalize())
        left = self._left()
        asked, points = self._counts["points"]
        share = asked / max(1, points)
        if left is not None:
            worked = self._worked()
            self._long = self._long or worked + left > SHORT
            if self._long:
                share = worked / (worked + left)
        # A bar that goes back helps nobody.
        self._share = max(self._share, share)
        return TrackerState(text, round(self._share * points), points, left if self._long else None)

    def _worked(self) -> float:
        """Return the seconds spent on what is counted or follows from it."""
        return sum(seconds for stage, seconds in self.spent.items() if stage not in ("load", "download"))

    def _left(self) -> float | None:
        """Estimate what is left of points and of encoder passes, each from its own pace so far, and after."""
        done, total = self._counts["points"]
        if done <= FIRST * total:
            return None
        asking = self.spent.get("points", 0.0) * total / done
        left = asking * (total - done) / total
        left += self._passes_left("encoder") + self._passes_left("fit")
        return left + self._after_left(asking, done / total)

    def _after_left(self, asking: float, share: float) -> float:
        """Estimate what is left of filtering and painting, with a share of all points asked."""
        filtered, painted = (self.spent.get(stage, 0.0) for stage in ("select", "paint"))
        whole = max(self._after * asking, (filtered + painted) / share)  # of all planes
        left = whole - filtered - painted
        if share < 1:
            return left
        done, total = self._counts["select"]
        filtered -= self._filtered_before
        painted -= self._painted_before
        if self._stage == "select" and done > FIRST * total:
            left = filtered * (total / done * (1 + REST) - 1)
        elif self._stage == "paint":
            left = filtered * REST - painted
        # Where it takes longer than expected, nobody knows how much longer.
        return max(left, (filtered + painted) / 16)

    def _passes_left(self, stage: str) -> float:
        """Estimate the seconds left of a stage of which each report tells that one more has begun."""
        begun, total = self._counts[stage]
        spent, before = self.spent.get(stage, 0.0), self._before.get(stage, 0.0)
        if self._stage != stage:  # the one that has begun is finished
            return spent / (begun + 1) * max(0, total - begun - 1)
        each = before / begun if begun else 0.0
        return each * (total - begun) - min(spent - before, each)


def after_points(pixels: int) -> float:
    """Return how long filtering and painting take in a picture, as a multiple of what its points take."""
    return min(max(AFTER * pixels / 1e6, LEAST), MOST)


def duration(seconds: float) -> str:
    """Return a length of time in words: ``"8 s"``, ``"2 min 5 s"``, ``"1 h 10 min"``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s".replace(" min 0 s", " min")
    return f"{whole // 3600} h {whole % 3600 // 60} min"

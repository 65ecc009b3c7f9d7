"""Progress and cancelling for long work, with no user interface in sight.

A long computation takes a callable and reports a :class:`Progress` to it often. The callable cancels the
work by raising :class:`Cancelled`; what was done so far travels with that exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

__all__ = ["Cancelled", "Progress", "ProgressCallback", "Throttled", "no_progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A counted state of some long work.

    Attributes
    ----------
    stage : str
        What is being done: ``"fit"``, ``"encoder"``, ``"points"``, ``"select"``, ``"paint"``, ``"learn"`` or
        ``"download"``.
    done, total : int
        How much of it is done and how much there is: point prompts over all crops for ``"points"``,
        encoder passes for ``"encoder"``, steps for ``"learn"``, bytes for ``"download"``. Points that
        need not be asked are counted in step with those that are, so that the count of a crop runs with time.
    """

    stage: str
    done: int
    total: int


ProgressCallback: TypeAlias = Callable[[Progress], None]


class Cancelled(Exception):
    """Raised by a progress callable to stop the work.

    Attributes
    ----------
    candidates : Candidates or None
        What was found before the work stopped, filled in by ``propose`` while the exception passes.
    """

    def __init__(self, message: str = "cancelled", candidates: Any = None) -> None:
        super().__init__(message)
        self.candidates = candidates


def no_progress(progress: Progress) -> None:
    """Take a progress report and do nothing with it."""


class Throttled:
    """Passes progress on, not more often than anyone can see.

    Parameters
    ----------
    callback : callable
        The receiver; what it raises passes through.
    every : float
        Seconds between two reports.
    state : Progress
        What `tick` passes on before anything was reported.

    Attributes
    ----------
    state : Progress
        What was reported last.
    """

    def __init__(self, callback: ProgressCallback, every: float, state: Progress) -> None:
        self._callback, self._every = callback, every
        self._told = -math.inf
        self.state = state

    def tell(self, state: Progress) -> None:
        """Pass a report on at once."""
        self.state = state
        self._callback(state)
        self._told = monotonic()

    def report(self, state: Progress) -> None:
        """Pass a report on, unless there was one a moment ago: then the next `tick` may."""
        self.state = state
        self.tick()

    def tick(self) -> None:
        """Repeat the last report where nothing is counted, so that the receiver can cancel.

        May be called thousands of times a second.
        """
        if monotonic() - self._told >= self._every:
            self.tell(self.state)

"""How long a window's thread is busy in one go, while something is done in a window; for other benchmarks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Turns"]


class Turns:
    """Turns of the window's loop, and how long its thread was busy in each.

    Attributes
    ----------
    kind : str
        What is being done.
    own, wall : list of (float, str)
        Milliseconds of the thread's own time and by the clock, and what was being done.
    """

    def __init__(self) -> None:
        self.kind = ""
        self.own: list[tuple[float, str]] = []
        self.wall: list[tuple[float, str]] = []

    def do(self, step: Callable[[], Any]) -> None:
        """Do something on the window's thread, and note how long it took."""
        own, wall = time.thread_time(), time.perf_counter()
        step()
        self.own.append((1e3 * (time.thread_time() - own), self.kind))
        self.wall.append((1e3 * (time.perf_counter() - wall), self.kind))

    def turn(self) -> None:
        """Let the window do what there is to do now."""
        self.do(lambda: QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 1))
        time.sleep(0.001)

    def until(self, there: Callable[[], bool], seconds: float = 120) -> None:
        """Let the window do what there is to do until something holds."""
        deadline = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < deadline, f"waited too long after {self.kind}"
            self.turn()

    def wait(self, seconds: float) -> None:
        """Let the window do what there is to do for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def forget(self) -> None:
        """Forget what was noted so far."""
        self.own.clear()
        self.wall.clear()

    def tell(self, what: str) -> None:
        """Print how long the thread was busy in one go."""
        print(what)
        for name, times in (("own time", self.own), ("by the clock", self.wall)):
            values = np.array([ms for ms, _ in times])
            worst = ", ".join(f"{ms:.0f} ({kind})" for ms, kind in sorted(times, reverse=True)[:8])
            print(
                f"{name:>14}: 99 % under {np.percentile(values, 99):5.1f} ms, {int((values > 50).sum())} of "
                f"{len(values):,} above 50 ms, longest {worst}"
            )

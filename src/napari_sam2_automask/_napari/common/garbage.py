"""Python's full garbage collections, kept out of a run.

A full collection looks at every object that there is, with the interpreter's lock held: some 100 ms for a
viewer alone, 200 ms with PyTorch beside it. Importing PyTorch sets off four of them, because it makes so many
objects that stay. During a run they wait; young objects, nearly all of the garbage, are collected as always.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CollectionsWait"]

#: The longest time that full collections wait, in seconds: a long run must not gather garbage for hours.
LONGEST = 60.0
_NEVER = 1 << 30


class CollectionsWait:
    """Lets full collections wait between :meth:`begin` and :meth:`end`; on the main thread.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._before: tuple[int, int, int] = (0, 0, 0)

    def begin(self) -> None:
        """Let them wait from now on, unless somebody else has seen to that already."""
        young, middle, old = gc.get_threshold()
        if self._since is None and old < _NEVER:
            self._since, self._before = self._clock(), (young, middle, old)
            gc.set_threshold(young, middle, _NEVER)

    def check(self) -> None:
        """Let them happen again if they have waited long enough."""
        if self._since is not None and self._clock() - self._since > LONGEST:
            self.end()

    def end(self) -> None:
        """Let them happen again."""
        if self._since is None:
            return
        self._since = None
        if gc.get_threshold() == (*self._before[:2], _NEVER):  # nobody has set others meanwhile
            gc.set_threshold(*self._before)

"""Python's full garbage collections, kept out of a run and out of mending.

A full collection looks at every object that there is, with the interpreter's lock held: some 150 ms for a
viewer alone, 200 ms with PyTorch beside it. Importing PyTorch sets off four of them, because it makes so many
objects that stay. During a run they wait; young objects, nearly all of the garbage, are collected as always.
Mending may go on for hours, in which nothing can wait: then they leave out what was there before, and look at
all when nothing is done for a while.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CollectionsWait", "QuietCollections"]

#: The longest time that full collections wait, in seconds: a long run must not gather garbage for hours.
LONGEST = 60.0
_NEVER = 1 << 30
#: Milliseconds without an action after which all objects are looked at, and seconds until that is due again.
IDLE, AGAIN = 5_000, 300.0

# Who mends: objects are frozen for all of them, as Python knows one way only.
_mending: set[int] = set()


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


class QuietCollections(QObject):
    """Between :meth:`begin` and :meth:`end` full collections look at new objects only, but for idle moments.

    Parameters
    ----------
    parent : QObject
        Whose end is theirs.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    idle : QTimer
        Runs out when nothing was done for a while.
    """

    def __init__(self, parent: QObject, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(parent)
        self._clock = clock
        self._looked: float | None = None
        self.idle = QTimer(self)
        self.idle.setSingleShot(True)
        self.idle.setInterval(IDLE)
        self.idle.timeout.connect(self._look)
        key = id(self)
        self.destroyed.connect(lambda: _end(key))

    @property
    def begun(self) -> bool:
        """Whether they look at new objects only, or will after the next idle moment."""
        return id(self) in _mending

    def begin(self) -> None:
        """Leave out all objects that are there now, until the first idle moment."""
        _mending.add(id(self))
        self._looked = None
        gc.freeze()
        self.idle.start()

    def note(self, done: object = None) -> None:
        """Take note that something was done: it is no idle moment."""
        if self.begun and (self._looked is None or self._clock() - self._looked > AGAIN):
            self.idle.start()

    def thaw(self, event: object = None) -> None:
        """Leave out nothing until the next idle moment, since what was large is wanted no more."""
        if self.begun:
            gc.unfreeze()
            self._looked = None
            self.idle.start()

    def end(self) -> None:
        """Leave out nothing any more."""
        self.idle.stop()
        _end(id(self))

    def _look(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._looked = self._clock()


def _end(key: int) -> None:
    if key in _mending:
        _mending.remove(key)
        if not _mending:
            gc.unfreeze()

"""Progress and cancelling for long work, with no user interface in sight.

A long computation takes a callable and reports a :class:`Progress` to it often. The callable cancels the
work by raising :class:`Cancelled`; what was done so far travels with that exception.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Cancelled", "Progress", "ProgressCallback", "no_progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A counted state of some long work.

    Attributes
    ----------
    stage : str
        What is being done: ``"encoder"``, ``"points"``, ``"select"``, ``"paint"`` or ``"download"``.
    done, total : int
        How much of it is done and how much there is: point prompts over all crops for ``"points"``,
        encoder passes for ``"encoder"``, bytes for ``"download"``.
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

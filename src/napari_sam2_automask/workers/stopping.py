"""Tell the tasks that are under way in this process that their run was stopped."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING

from napari_sam2_automask.progress import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_automask.progress import Progress

__all__ = ["belongs_to", "check_stopped", "stop"]

_run: ContextVar[str] = ContextVar("sam2_automask_run", default="")
_stopped: set[str] = set()


@contextlib.contextmanager
def belongs_to(run: str) -> Iterator[None]:
    """Let what this thread does within a ``with`` block belong to a run, known by its name."""
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


def stop(run: str) -> None:
    """Let tasks of a run that are under way in this process stop at their next report of progress."""
    _stopped.add(run)


def check_stopped(progress: Progress) -> None:
    """Raise `Cancelled` if the run that this thread works for was stopped; takes a report of progress."""
    if _run.get() in _stopped:
        raise Cancelled("the run was stopped")

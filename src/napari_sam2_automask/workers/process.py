"""Within a process that works: one model, loaded once, its share of the cores, and whether to stop."""

from __future__ import annotations

import contextlib
import os
import signal
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_sam2_automask.progress import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import Progress

__all__ = ["belongs_to", "check_stopped", "dask_setup", "model_of", "stop", "use_threads"]

_run: ContextVar[str] = ContextVar("sam2_automask_run", default="")
_stopped: set[str] = set()


@lru_cache(maxsize=1)
def model_of(source: str, device: str) -> Model:
    """Load a model, once for all tasks of this process.

    Parameters
    ----------
    source, device : str
        As for `load_model`.
    """
    from napari_sam2_automask.models import load_model

    return load_model(source, device=device)


def use_threads(threads: int) -> None:
    """Let torch, and libraries that are loaded later, use so many threads in this process."""
    # For libraries that start their threads later than this.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


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


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C in this process; Dask calls this on the main thread of each process that it starts here.

    A terminal sends Ctrl-C to all of them, but it is for the process that directs them: that one tells the
    workers, and they end their tasks in order.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

"""Within a process that works: one model, loaded once, its share of the cores, and whether to stop."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cloudpickle

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.workers.executor import FATAL, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import Progress

__all__ = [
    "Failed",
    "attempt",
    "belongs_to",
    "check_stopped",
    "model_of",
    "pack_task",
    "stop",
    "threads_for",
    "use_threads",
    "value_or_error",
]

_run: ContextVar[str] = ContextVar("sam2_automask_run", default="")
_stopped: set[str] = set()
# A task is a few hundred bytes; more than this means that it carries pixels.
_TASK_BYTES = 1 << 20


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


def threads_for(workers: int) -> int:
    """Return how many threads each of several processes on this machine should use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // workers)


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


def pack_task(task: Callable[[Any], Any]) -> bytes:
    """Return a task as bytes for another process, also one that is defined in a script or a notebook.

    Raises
    ------
    SettingsError
        If it carries pixels.
    """
    packed: bytes = cloudpickle.dumps(task)
    if len(packed) > _TASK_BYTES:
        raise SettingsError(
            "an image in memory would be sent to the workers with every tile; save it as a TIFF, Zarr or "
            ".npy file that all of them can read, and give its path"
        )
    return packed


@dataclass(frozen=True, slots=True)
class Failed:
    """What happened to a task on a worker, as text: some exceptions cannot be sent, some hold the pixels."""

    text: str
    fatal: type[AutomaskError] | None = None


def attempt(task: Callable[[Any], Any], index: Any, run: str) -> Any:
    """Run a task on a worker; return what it returns, or what went wrong as `Failed`."""
    try:
        with belongs_to(run):
            return task(index)
    except FATAL as error:
        return Failed(str(error), type(error))
    except Exception as error:
        return Failed(describe(error))


def value_or_error(answer: Any) -> tuple[Any, str | None]:
    """Return what a task returned, and what went wrong if anything did; raise what is `FATAL`."""
    if not isinstance(answer, Failed):
        return answer, None
    if answer.fatal is not None:
        raise answer.fatal(answer.text)
    return None, answer.text

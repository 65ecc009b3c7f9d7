"""The one thread on which models run, and the handle of one piece of work on it.

One persistent thread, because OpenMP keeps a pool of workers for each thread that calls it and because
`torch.inference_mode` and the number of threads belong to the thread that sets them. Plain Python threads
and a polled handle instead of Qt workers: these swallow RuntimeError, and torch's out-of-memory error is one.
Nothing here touches Qt, so work may outlive every window without harm.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import traceback
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_sam2_automask.progress import Cancelled, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.progress import ProgressCallback

__all__ = [
    "InferenceThread",
    "Run",
    "inference_thread",
    "learning_thread",
    "table_thread",
    "torch_threads",
]

T = TypeVar("T")

#: How much the inference thread steps back behind the viewer, in units of `nice`. A little is enough: the
#: viewer's thread sleeps most of the time. More would starve the run where other programs compute.
NICE = 3
#: How long leaving the process waits for a cancelled run, in seconds.
EXIT_WAIT = 1.5


class Run(Generic[T]):
    """One piece of work: submitted, running, then finished with a result or an error.

    The main thread polls it; every attribute may be read at any time from any thread.

    Attributes
    ----------
    latest : Progress or None
        The last progress that the work reported.
    traceback : str
        Where the error came from, as text; empty without an error.
    """

    def __init__(self, work: Callable[[ProgressCallback], T]) -> None:
        self._work: Callable[[ProgressCallback], T] | None = work
        self._cancel = threading.Event()
        self._finished = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self.latest: Progress | None = None
        self.traceback = ""

    def cancel(self) -> None:
        """Ask the work to stop; it does at its next progress report."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._cancel.is_set()

    @property
    def finished(self) -> bool:
        """Whether :meth:`result` answers at once."""
        return self._finished.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the work is finished or `timeout` seconds have passed; return whether it is."""
        return self._finished.wait(timeout)

    def result(self) -> T:
        """Return what the work returned, or raise what it raised. Only once finished."""
        if not self.finished:
            raise RuntimeError("the run has not finished")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def _report(self, progress: Progress) -> None:
        self.latest = progress
        if self._cancel.is_set():
            raise Cancelled

    def _execute(self) -> None:
        """Do the work on the calling thread. Every exception is kept, none escapes."""
        work, self._work = self._work, None
        try:
            if self._cancel.is_set() or work is None:
                raise Cancelled
            self._result = work(self._report)
        except BaseException as error:
            # The frames hold arrays, models and, through closures, layers: an out-of-memory error that kept
            # them alive would keep the memory full.
            self.traceback = "".join(traceback.format_exception(error))
            self._error = error
            linked: BaseException | None = error
            while linked is not None:
                linked.__traceback__ = None
                linked = linked.__cause__ or linked.__context__
        finally:
            del work
            self._finished.set()


class InferenceThread:
    """A persistent thread that does one :class:`Run` after the other.

    The thread starts with the first run. It is a daemon as a last resort: leaving the process cancels all
    runs and waits for `EXIT_WAIT` seconds, then goes on without it.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Run[object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pending: list[Run[object]] = []

    def submit(self, work: Callable[[ProgressCallback], T]) -> Run[T]:
        """Queue `work`, a callable that takes a progress callback; return its handle at once."""
        run: Run[T] = Run(work)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._loop, name="sam2-automask", daemon=True)
                self._thread.start()
            self._pending.append(run)  # type: ignore[arg-type]
        self._queue.put(run)  # type: ignore[arg-type]
        return run

    def cancel_all(self) -> None:
        """Cancel the current run and all queued ones."""
        with self._lock:
            for run in self._pending:
                run.cancel()

    def stop(self, timeout: float = EXIT_WAIT) -> bool:
        """Cancel everything and join the thread; return whether it ended within `timeout` seconds."""
        self.cancel_all()
        thread = self._thread
        if thread is None or not thread.is_alive():
            return True
        self._queue.put(None)
        thread.join(timeout)
        return not thread.is_alive()

    def _loop(self) -> None:
        _step_back()
        while (run := self._queue.get()) is not None:
            run._execute()
            with self._lock:
                self._pending.remove(run)
            del run  # an idle thread holds on to nothing


def _step_back() -> None:
    """Lower the calling thread's priority, so that the viewer gets a core whenever it wants one.

    On Linux priorities belong to threads, and those that torch starts from here inherit it. Elsewhere the
    call would slow the whole process, so it is not made.
    """
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError:  # forbidden in some sandboxes; the run is right without it
            return


def torch_threads(cores: int | None = None) -> int:
    """Return how many threads torch gets: all cores where ours step back for the viewer, else all but one."""
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)
    return max(1, cores if sys.platform == "linux" else cores - 1)


@cache
def inference_thread() -> InferenceThread:
    """Return the process's inference thread; at exit it is cancelled and joined."""
    thread = InferenceThread()
    atexit.register(thread.stop)
    return thread


@cache
def table_thread() -> InferenceThread:
    """Return the thread that measures objects, so that tables do not wait for a run; no model runs there."""
    thread = InferenceThread()
    atexit.register(thread.stop)
    return thread


@cache
def learning_thread() -> InferenceThread:
    """Return the thread that waits for a process that learns; no model runs there."""
    thread = InferenceThread()
    atexit.register(thread.stop)
    return thread

"""A process that does what a pipe tells it and answers by another: nobody but who started it can reach it.

A message is the name of a run and either a task or nothing, which stops that run. The first answer says that
the process is up; the others are what `attempt` returns, in the order of the tasks.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO

import cloudpickle

from napari_sam2_automask.models.runtime.process_guards import wait_patiently
from napari_sam2_automask.workers.executor import describe
from napari_sam2_automask.workers.process import Failed, attempt, stop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["pack_work", "take_pipes", "volunteer", "work"]


def pack_work(task: bytes, index: Any) -> bytes:
    """Return what a message holds for a task, packed by `pack_task`, and what it is given."""
    packed: bytes = cloudpickle.dumps((task, index))
    return packed


def work() -> None:
    """Do the tasks that come by standard input until that is closed: then this process ends at once."""
    # A terminal sends Ctrl-C to all processes, but it is for the one that directs them: that one tells the
    # others, and they end their tasks in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wait_patiently()
    volunteer()
    asked, told = take_pipes()
    waiting: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
    Thread(target=_listen, args=(asked, waiting), daemon=True).start()
    answer = pickle.dumps(None)
    while True:
        try:
            told.write(answer)
            told.flush()
        except OSError:
            os._exit(1)
        run, packed = waiting.get()
        answer = _packed_answer(attempt(_do, packed, run))


def volunteer() -> None:
    """Let Linux end this process first if memory runs out: what it does is tried again."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes of standard input and output; what tasks print goes to standard error from here on."""
    asked, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(nothing, 1)
    os.close(nothing)
    return asked, told


def _listen(asked: BinaryIO, waiting: SimpleQueue[tuple[str, bytes]]) -> None:
    """Take messages also while a task is under way."""
    while True:
        try:
            run, packed = pickle.load(asked)
        except Exception:
            # Who started this process has closed the pipe, or is dead.
            os._exit(0)
        if packed is None:
            stop(run)
        else:
            waiting.put((run, packed))


def _do(packed: bytes) -> Any:
    task, index = pickle.loads(packed)
    return _task(task)(index)


@lru_cache(maxsize=1)
def _task(packed: bytes) -> Callable[[Any], Any]:
    task: Callable[[Any], Any] = pickle.loads(packed)
    return task


def _packed_answer(answer: Any) -> bytes:
    try:
        return pickle.dumps(answer)
    except Exception as error:
        return pickle.dumps(Failed(describe(error)))

"""A process on this machine and the pipes to it, as the one that directs it holds them."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from napari_sam2_automask.workers import piped_process
from napari_sam2_automask.workers.executor import KILLED

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LEAVE", "Died", "Run", "Worker", "starting"]

#: Seconds that tasks under way have to stop; then their processes are ended.
LEAVE = 0.6
# The paths that modules are found on are taken over; the script that started this process is not run again.
_START = f"import sys; sys.path[:] = sys.argv[1:]; from {piped_process.__name__} import work; work()"
_one_at_a_time = Lock()


@dataclass(eq=False)
class Run:
    """A run: its name for the processes, and whether it was stopped."""

    name: str = field(default_factory=lambda: uuid4().hex)
    stopped: bool = False


class Died(Exception):
    """A process died while it had a task; `was_up` tells whether it had come up at all."""

    def __init__(self, reason: str, was_up: bool) -> None:
        super().__init__(reason)
        self.reason, self.was_up = reason, was_up

    @property
    def text(self) -> str:
        """What the error of the task is."""
        return f"{KILLED}: the process that did it ended ({self.reason})\n"


class Worker:
    """A process and the pipes to it; when it has died, another is started for the next task."""

    def __init__(self, threads: int) -> None:
        # Whatever the tasks load must not start a thread for every core in each of the processes.
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        self._threads = dict.fromkeys(names, str(threads))
        self._process: subprocess.Popen[bytes] | None = None
        self._doing: Run | None = None
        self._up = self._closed = False
        # Held while a message is written, and while is decided whether one is.
        self._lock = Lock()

    def start(self) -> None:
        """Start the process; it gets ready meanwhile."""
        command = [sys.executable, "-P", "-c", _START, *map(str, sys.path)]
        with starting():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | self._threads,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._up = False

    def do(self, run: Run, packed: bytes) -> Any:
        """Return the process's answer; raise `Died` if there is none."""
        try:
            with self._lock:
                if self._closed or run.stopped:
                    raise Died("before it began", was_up=True)
                if self._process is None:
                    self.start()
                process, self._doing = self._process, run
                self._write(run, packed)
            assert process is not None and process.stdout is not None
            if not self._up:
                pickle.load(process.stdout)
                self._up = True
            return pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            was_up = self._up
            raise Died(self.end(monotonic() + LEAVE) or str(error), was_up) from None
        finally:
            self._doing = None

    def stop(self, run: Run) -> None:
        """Let no task of a run begin, and tell the one under way, if there is one, to stop."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            run.stopped = True
            if self._doing is run:
                self._write(run, None)

    def kill(self, run: Run) -> None:
        """End the process if it still does a task of a run."""
        process = self._process
        if process is not None and self._doing is run:
            process.kill()

    def close(self) -> None:
        """Let the process end, by closing the pipe that it listens to."""
        with self._lock, contextlib.suppress(OSError):
            self._closed = True
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()

    def end(self, until: float) -> str:
        """Wait for the process, whose pipe is closed, till some moment, then end it; say how it ended."""
        process, self._process = self._process, None
        if process is None:
            return ""
        try:
            process.wait(max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
        with contextlib.suppress(OSError), process:
            pass
        return f"exit code {process.returncode}"

    def _write(self, run: Run, packed: bytes | None) -> None:
        assert self._process is not None and self._process.stdin is not None
        pickle.dump((run.name, packed), self._process.stdin)
        self._process.stdin.flush()


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Keep Ctrl-C from a process that starts, until it can ignore it."""
    # One at a time: none gets the pipes of another.
    with _one_at_a_time:
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        # The new process takes over what is held back here; here it comes when it is held back no more.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

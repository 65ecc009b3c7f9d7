"""Tasks in processes on this machine that nobody else can reach: they are told by pipes, no port is open."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.settings.numbers import WORKERS
from napari_sam2_automask.workers.executor import Outcome, Tries, Try
from napari_sam2_automask.workers.piped_process import pack_work
from napari_sam2_automask.workers.piped_worker import LEAVE, Died, Run, Worker
from napari_sam2_automask.workers.process import pack_task, threads_for, value_or_error

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["ProcessExecutor"]

# Tasks taken for each process, with the one it does: none waits while who asked is busy with an outcome.
_AHEAD = 2
# Seconds between two looks for Ctrl-C, which Windows does not tell to who waits.
_LOOK = 0.2


class ProcessExecutor:
    """Runs tasks in processes of their own on this machine, for the length of a ``with`` block.

    They are connected with this process by pipes, which no other process can open, and end with it, whatever
    ends it. A process that dies costs what it was doing; that is tried again, the last time alone. Tasks are
    taken a few ahead of need, however many there are.

    Parameters
    ----------
    workers : int
        How many processes.

    Raises
    ------
    SettingsError
        If `workers` is out of its range.
    """

    def __init__(self, workers: int) -> None:
        workers = WORKERS.check(workers, "workers")
        threads = threads_for(workers)
        self._workers = [Worker(threads) for _ in range(workers)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        # A thread waits for each process.
        self._pool = ThreadPoolExecutor(workers, "sam2-automask-workers")
        # Whether any process has ever come up.
        self._works = False

    def __enter__(self) -> Self:
        try:
            for worker in self._workers:
                worker.start()
                self._idle.put(worker)
        except OSError as error:
            self.__exit__()
            raise AutomaskError(f"no process can be started ({error}): give fewer --workers") from error
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.close()
        until = monotonic() + LEAVE
        for worker in self._workers:
            worker.end(until)
        self._pool.shutdown(cancel_futures=True)

    def run(
        self, task: Callable[[Any], Any], indices: Iterable[Any], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome; what failed is tried again at the end.

        When the generator is left, tasks that wait are cancelled and those under way are told to stop, see
        `process.check_stopped`; what does not within a second is ended with its process.

        Raises
        ------
        SettingsError
            If the task carries pixels.
        AutomaskError
            If processes end before they can do anything; and what is `FATAL`.
        """
        run, packed, tries = Run(), pack_task(task), Tries(indices)
        running: dict[Future[Any], Try] = {}

        def feed() -> None:
            while len(running) < _AHEAD * len(self._workers) and (given := tries.take(len(running))):
                running[self._pool.submit(self._do, run, packed, given.index)] = given

        try:
            feed()
            while running:
                for future in wait(running, _LOOK, FIRST_COMPLETED).done:
                    given, answer = running.pop(future), future.result()
                    killed = isinstance(answer, Died)
                    value, error = (None, answer.text) if killed else value_or_error(answer)
                    if outcome := tries.ended(given, value, error, killed):
                        yield outcome
                    feed()
        finally:
            self._stop(run, running)

    def _do(self, run: Run, task: bytes, index: Any) -> Any:
        """Return the answer to a task, or that its process died; called in a thread of the pool."""
        worker = self._idle.get()
        try:
            answer = worker.do(run, pack_work(task, index))
            self._works = True
        except Died as death:
            if not (death.was_up or self._works):
                raise AutomaskError(
                    f"the processes for --workers end as soon as they are started ({death.reason}): do "
                    "without --workers, or mend the installation"
                ) from death
            return death
        finally:
            self._idle.put(worker)
        return answer

    def _stop(self, run: Run, running: Iterable[Future[Any]]) -> None:
        busy = [future for future in running if not future.cancel()]
        if not busy:
            return
        for worker in self._workers:
            worker.stop(run)
        if wait(busy, LEAVE).not_done:
            for worker in self._workers:
                worker.kill(run)
            wait(busy, LEAVE)

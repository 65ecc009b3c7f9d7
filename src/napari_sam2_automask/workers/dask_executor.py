"""Tasks on the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from napari_sam2_automask.workers.executor import KILLED, Outcome, Tries, Try
from napari_sam2_automask.workers.process import attempt, pack_task, stop, value_or_error

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from distributed import Client

__all__ = ["DaskExecutor"]

# Tasks handed to the scheduler ahead of need, for each worker thread: enough that none waits, few enough that
# the scheduler's memory does not grow with the image.
_AHEAD = 4
# Seconds in which workers that listen have been told that their run is stopped.
_TOLD = 0.3
# The scheduler has given a task to several workers by the time that it says that they died of it. It blames
# every task that a worker has when it dies: the last try is alone.
_DEATHS = 2


class DaskExecutor:
    """Runs tasks on Dask workers; all must see the files that they work on under the same path.

    Large results go to files; what a task returns is small. A worker that dies costs what it was doing; the
    scheduler gives that to another one. A task whose worker dies again and again counts as failed. Tasks are
    handed over a few ahead of need, however many there are.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster, see `clusters`.
    resources : mapping of str to float, optional
        What each heavy task takes of a worker's resources, such as ``{"GPU": 1}`` for workers started with
        ``dask worker --resources GPU=1``: then one task at a time runs on each, and only there.
    """

    def __init__(self, client: Client, resources: dict[str, float] | None = None) -> None:
        self.client: Any = client
        self.resources = resources

    def run(
        self, task: Callable[[Any], Any], indices: Iterable[Any], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome; what failed is tried again at the end.

        When the generator is left, tasks that wait are cancelled and those under way are told to stop, see
        `process.check_stopped`.
        """
        # Any: it is typed in part only.
        distributed: Any = import_module("distributed")
        pack_task(task)
        resources = self.resources if heavy else None
        tries = Tries(indices, _DEATHS)
        running: dict[Any, Try] = {}
        finished: Any = distributed.as_completed(loop=self.client.loop)
        name = uuid4().hex

        def feed() -> None:
            ahead = _AHEAD * max(1, sum(self.client.nthreads().values()))
            while len(running) < ahead and (given := tries.take(len(running))):
                future = self.client.submit(attempt, task, given.index, name, pure=False, resources=resources)
                running[future] = given
                finished.add(future)

        try:
            feed()
            for future in finished:
                given = running.pop(future)
                if outcome := tries.ended(given, *_result(future)):
                    yield outcome
                future.release()
                feed()
        finally:
            # Whatever stopped the run, the cluster must not go on with it.
            if running:
                # A worker that is busy starting up may not answer for a while; nobody waits for it.
                teller = Thread(target=self._stop, args=(name, list(running)), daemon=True)
                teller.start()
                teller.join(_TOLD)

    def _stop(self, name: str, running: list[Any]) -> None:
        with contextlib.suppress(Exception):
            self.client.cancel(running)
            self.client.run(stop, name, on_error="ignore")


def _result(future: Any) -> tuple[Any, str | None, bool]:
    """Return what a task returned, what went wrong if anything did, and whether its workers died of it."""
    if future.status == "finished":
        return *value_or_error(future.result()), False
    error = future.exception() if future.status == "error" else None
    killed = type(error).__name__ == KILLED
    text = f"{type(error).__name__}: {error}\n" if error else f"the task was {future.status}\n"
    return None, text, killed

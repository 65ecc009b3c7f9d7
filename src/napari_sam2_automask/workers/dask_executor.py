"""Tasks on the workers of a Dask cluster, which may be processes on this machine."""

from __future__ import annotations

import contextlib
import pickle
from collections import deque
from dataclasses import dataclass
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.workers.executor import ATTEMPTS, FATAL, Outcome, describe
from napari_sam2_automask.workers.process import belongs_to, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from distributed import Client

    from napari_sam2_automask.errors import AutomaskError

__all__ = ["DaskExecutor"]

# Tasks handed to the scheduler ahead of need, for each worker thread: enough that none waits, few enough that
# the scheduler's memory does not grow with the image.
_AHEAD = 4
# A task is a few hundred bytes; more than this means that it carries pixels.
_TASK_BYTES = 1 << 20
# Seconds in which workers that listen have been told that their run is stopped.
_TOLD = 0.3


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
        `stopping.check_stopped`.
        """
        # Any: it is typed in part only.
        distributed: Any = import_module("distributed")
        _check_size(task)
        resources = self.resources if heavy else None
        again: deque[tuple[Any, tuple[str, ...]]] = deque()
        # The scheduler blames every task that a worker has when it dies: the last try is for one at a time.
        suspects: deque[tuple[Any, tuple[str, ...]]] = deque()
        fresh = ((i, ()) for i in indices)
        running: dict[Any, tuple[Any, tuple[str, ...]]] = {}
        finished: Any = distributed.as_completed(loop=self.client.loop)
        name = uuid4().hex

        def feed() -> None:
            ahead = _AHEAD * max(1, sum(self.client.nthreads().values()))
            while len(running) < ahead:
                given = next(fresh, None) or (again.popleft() if again else None)
                if given is None and suspects and not running:
                    given = suspects.popleft()
                if given is None:
                    return
                index, errors = given
                future = self.client.submit(_attempt, task, index, name, pure=False, resources=resources)
                running[future] = index, errors
                finished.add(future)

        try:
            feed()
            for future in finished:
                index, errors = running.pop(future)
                value, error, killed = _result(future)
                if error is None:
                    yield Outcome(index, errors, value=value)
                elif len(errors) + 1 >= (2 if killed else ATTEMPTS):
                    yield Outcome(index, (*errors, error), done=False)
                else:
                    (suspects if killed else again).append((index, (*errors, error)))
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


@dataclass(frozen=True, slots=True)
class _Failed:
    """What happened to a task on a worker, as text: some exceptions cannot be sent, some hold the pixels."""

    text: str
    fatal: type[AutomaskError] | None = None


def _attempt(task: Callable[[Any], Any], index: Any, run: str) -> Any:
    """Run a task on a worker; return what it returns, or what went wrong."""
    try:
        with belongs_to(run):
            return task(index)
    except FATAL as error:
        return _Failed(str(error), type(error))
    except Exception as error:
        return _Failed(describe(error))


def _result(future: Any) -> tuple[Any, str | None, bool]:
    """Return what a task returned, what went wrong if anything did, and whether its workers died of it."""
    if future.status == "finished":
        value = future.result()
        if not isinstance(value, _Failed):
            return value, None, False
        if value.fatal is not None:
            raise value.fatal(value.text)
        return None, value.text, False
    error = future.exception() if future.status == "error" else None
    # The scheduler has given the task to several workers by then, and all of them died.
    killed = type(error).__name__ == "KilledWorker"
    text = f"{type(error).__name__}: {error}\n" if error else f"the task was {future.status}\n"
    return None, text, killed


def _check_size(task: Callable[[Any], Any]) -> None:
    if len(pickle.dumps(task)) > _TASK_BYTES:
        raise SettingsError(
            "an image in memory would be sent to the workers with every tile; save it as a TIFF, Zarr or "
            ".npy file that all of them can read, and give its path"
        )

"""The tasks of a run on the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import os
import pickle
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import AutomaskError, OutputError, SettingsError
from napari_sam2_automask.large.work import ATTEMPTS, Outcome, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from distributed import Client

__all__ = ["DaskExecutor", "connect", "local_cluster", "threads_for"]

# Tasks handed to the scheduler ahead of need, for each worker thread: enough that none waits, few enough that
# the scheduler's memory does not grow with the image.
_AHEAD = 4
# A task is a few hundred bytes; more than this means that it carries pixels.
_TASK_BYTES = 1 << 20


class DaskExecutor:
    """Runs tasks on Dask workers; all must see the run's folder, and the image, under the same path.

    A task returns nothing and sends nothing: results go to the folder. A worker that dies costs what it was
    doing; the scheduler gives that to another one. A task whose worker dies again and again counts as failed.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster, see `connect` and `local_cluster`.
    resources : mapping of str to float, optional
        What each tile takes of a worker's resources, such as ``{"GPU": 1}`` for workers started with
        ``dask worker --resources GPU=1``: then one tile at a time runs on each, and only there.
    """

    def __init__(self, client: Client, resources: dict[str, float] | None = None) -> None:
        self.client: Any = client
        self.resources = resources

    def run(
        self, task: Callable[[int], None], indices: Iterable[int], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome; what failed is tried again at the end."""
        _check_size(task)
        resources = self.resources if heavy else None
        waiting: deque[tuple[int, tuple[str, ...]]] = deque((i, ()) for i in indices)
        running: dict[Any, tuple[int, tuple[str, ...]]] = {}
        finished: Any = _distributed().as_completed(loop=self.client.loop)

        def feed() -> None:
            ahead = _AHEAD * max(1, sum(self.client.nthreads().values()))
            while waiting and len(running) < ahead:
                index, errors = waiting.popleft()
                future = self.client.submit(_attempt, task, index, pure=False, resources=resources)
                running[future] = index, errors
                finished.add(future)

        try:
            feed()
            for future in finished:
                index, errors = running.pop(future)
                error, final = _error(future)
                if error is None:
                    yield Outcome(index, errors)
                elif final or len(errors) + 1 >= ATTEMPTS:
                    yield Outcome(index, (*errors, error), done=False)
                else:
                    waiting.append((index, (*errors, error)))
                future.release()
                feed()
        finally:
            # Whatever stopped the run, the cluster must not go on with it.
            with contextlib.suppress(Exception):
                self.client.cancel(list(running))


def _attempt(task: Callable[[int], None], index: int) -> tuple[str, str] | None:
    """Run a task on a worker; return None, or whose fault it is and what happened.

    Exceptions are turned to text here, since some cannot be sent and some would take the pixels with them.
    """
    try:
        task(index)
    except OutputError as error:
        return "run", str(error)
    except Exception as error:
        return "task", describe(error)
    return None


def _error(future: Any) -> tuple[str | None, bool]:
    """Return what went wrong, None for nothing, and whether trying again is of no use."""
    if future.status == "finished":
        whose, text = future.result() or ("", None)
        if whose == "run":
            raise OutputError(text)
        return text, False
    error = future.exception() if future.status == "error" else None
    # The scheduler has given the task to several workers by then, and all of them died.
    killed = type(error).__name__ == "KilledWorker"
    return f"{type(error).__name__}: {error}\n" if error else f"the task was {future.status}\n", killed


def _check_size(task: Callable[[int], None]) -> None:
    if len(pickle.dumps(task)) > _TASK_BYTES:
        raise SettingsError(
            "an image in memory would be sent to the workers with every tile; save it as a TIFF, Zarr or "
            ".npy file that all of them can read, and give its path"
        )


@contextlib.contextmanager
def connect(address: str, timeout: float = 30.0) -> Iterator[Client]:
    """Connect to a Dask scheduler, for the length of a ``with`` block.

    Parameters
    ----------
    address : str
        Such as ``"tcp://10.0.0.1:8786"``.
    timeout : float
        Seconds to wait for it.

    Yields
    ------
    distributed.Client
        Connected; the cluster goes on after it is closed.

    Raises
    ------
    AutomaskError
        If there is no scheduler, it has no workers, or Dask's distributed package is not installed.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise AutomaskError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        if not client.nthreads():
            raise AutomaskError(f"the Dask scheduler at {address} has no workers; start some and run again")
        yield client


@contextlib.contextmanager
def local_cluster(workers: int, memory_limit: str | float | None = "auto") -> Iterator[Client]:
    """Start worker processes on this machine, each of one thread, for the length of a ``with`` block.

    Parameters
    ----------
    workers : int
        How many processes.
    memory_limit : str, float or None
        Of each worker, such as ``"4GB"``; a worker that takes more is restarted.

    Yields
    ------
    distributed.Client
        Connected to them.

    Raises
    ------
    SettingsError
        If `workers` is less than 1.
    AutomaskError
        If Dask's distributed package is not installed.
    """
    if workers < 1:
        raise SettingsError(f"workers is {workers}; use 1 or more")
    distributed = _distributed()
    # Whatever the tasks load must not start a thread for every core in each of the processes.
    threads = {name: str(threads_for(workers)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with warnings.catch_warnings():
        # That making its folders took a second on a busy machine is nobody's concern.
        warnings.filterwarnings("ignore", message="Creating scratch directories")
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=memory_limit,
            dashboard_address=None,
            env=threads,
        )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


def threads_for(workers: int) -> int:
    """Return how many threads each of several processes on this machine should use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // workers)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise AutomaskError(
            "this needs Dask's distributed package: pip install 'napari-sam2-automask[distributed]'"
        ) from error
    return distributed

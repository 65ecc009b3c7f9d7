"""The workers that tasks run on: those of a Dask cluster, or processes on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import warnings
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.workers import process
from napari_sam2_automask.workers.dask_executor import DaskExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

__all__ = ["connect", "local_cluster", "threads_for", "workers_of"]

# Seconds that the workers of this machine have to stop; after 0.8 of them they are killed.
_LEAVE = 0.6
# Seconds that a cluster without workers is given: one that lost them starts others.
_COMING = 10.0


@contextlib.contextmanager
def workers_of(workers: int, scheduler: str = "", gpus: bool = False) -> Iterator[DaskExecutor | None]:
    """Start or find the workers that a person asked for, for the length of a ``with`` block.

    Parameters
    ----------
    workers : int
        Processes on this machine; 1 is this process alone.
    scheduler : str
        Address of a Dask scheduler, used instead of processes on this machine.
    gpus : bool
        Give each heavy task one ``GPU`` of a Dask worker's resources.

    Yields
    ------
    DaskExecutor or None
        None for this process alone.

    Raises
    ------
    AutomaskError
        If the workers cannot be had, see `connect` and `local_cluster`.
    """
    if scheduler:
        with connect(scheduler) as client:
            if gpus and not _offered(client, "GPU"):
                raise AutomaskError(
                    f"no worker of the Dask scheduler at {scheduler} has a GPU to give: start them with "
                    "`dask worker --resources GPU=1`"
                )
            yield DaskExecutor(client, {"GPU": 1.0} if gpus else None)
    elif workers == 1:
        yield None
    else:
        with local_cluster(workers) as client:
            yield DaskExecutor(client)


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
        with contextlib.suppress(TimeoutError):
            client.wait_for_workers(1, timeout=_COMING)
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
        # That making its folders took a second on a busy machine, or that another cluster has the usual port,
        # is nobody's concern.
        warnings.filterwarnings("ignore", message="Creating scratch directories")
        warnings.filterwarnings("ignore", message=r"\s*Port \d+ is already in use")
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=memory_limit,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,  # what is lost is done again; what fails is reported
            env=threads,
            preload=[process.__name__],
        )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        try:
            yield client
        except BaseException:
            # Their tasks were told to stop; a worker that is loading a model does not hear it.
            cluster.sync(_end, list(cluster.workers.values()))
            raise


async def _end(nannies: list[Any]) -> None:
    """End worker processes within about a second."""
    await asyncio.gather(*(nanny.close(timeout=_LEAVE) for nanny in nannies), return_exceptions=True)


def _offered(client: Any, resource: str) -> bool:
    """Tell whether a worker has some of a resource."""
    return any(offered.get(resource, 0) > 0 for offered in client.run(_resources_of).values())


def _resources_of(dask_worker: Any) -> dict[str, float]:
    return dict(dask_worker.state.total_resources)


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

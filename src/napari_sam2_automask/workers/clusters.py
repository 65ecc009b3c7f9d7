"""The workers that tasks run on: those of a Dask cluster, or processes on this machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.workers.dask_executor import DaskExecutor
from napari_sam2_automask.workers.process_executor import ProcessExecutor
from napari_sam2_automask.workers.tls import TlsFiles, check_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from napari_sam2_automask.workers.executor import Executor

__all__ = ["connect", "workers_of"]

_NO_TLS = TlsFiles()
# Seconds that a cluster without workers is given: one that lost them starts others.
_COMING = 10.0


@contextlib.contextmanager
def workers_of(
    workers: int, scheduler: str = "", gpus: bool = False, tls: TlsFiles = _NO_TLS
) -> Iterator[Executor | None]:
    """Start or find the workers that a person asked for, for the length of a ``with`` block.

    Parameters
    ----------
    workers : int
        Processes on this machine; 1 is this process alone.
    scheduler : str
        Address of a Dask scheduler, used instead of processes on this machine.
    gpus : bool
        Give each heavy task one ``GPU`` of a Dask worker's resources.
    tls : TlsFiles
        For a scheduler at a ``tls://`` address.

    Yields
    ------
    Executor or None
        None for this process alone.

    Raises
    ------
    AutomaskError
        If the workers cannot be had, see `connect` and `ProcessExecutor`.
    """
    if scheduler:
        with connect(scheduler, tls=tls) as client:
            if gpus and not _offered(client, "GPU"):
                raise AutomaskError(
                    f"no worker of the Dask scheduler at {scheduler} has a GPU to give: start them with "
                    "`dask worker --resources GPU=1`"
                )
            yield DaskExecutor(client, {"GPU": 1.0} if gpus else None)
    elif workers == 1:
        yield None
    else:
        with ProcessExecutor(workers) as executor:
            yield executor


@contextlib.contextmanager
def connect(address: str, timeout: float = 30.0, tls: TlsFiles = _NO_TLS) -> Iterator[Client]:
    """Connect to a Dask scheduler, for the length of a ``with`` block.

    It is trusted: who can connect to it can run code on it and on its workers, and it can run code in this
    process. At a ``tls://`` address that is whoever has a certificate of the same authority; at any other,
    everybody who can reach the port.

    Parameters
    ----------
    address : str
        Such as ``"tls://10.0.0.1:8786"``.
    timeout : float
        Seconds to wait for it.
    tls : TlsFiles
        For a ``tls://`` address.

    Yields
    ------
    distributed.Client
        Connected; the cluster goes on after it is closed.

    Raises
    ------
    SettingsError
        If the address and the TLS files do not fit each other, see `check_address`.
    AutomaskError
        If there is no scheduler, it has no workers, or Dask's distributed package is not installed.
    """
    check_address(address, tls)
    distributed = _distributed()
    security = {"tls_ca_file": tls.ca, "tls_client_cert": tls.cert, "tls_client_key": tls.key}
    protected = distributed.Security(require_encryption=True, **security) if any(tls) else None
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False, security=protected)
    except Exception as error:  # Dask asserts, too, that there is such a host
        reason = str(error) or "it cannot be found"
        raise AutomaskError(f"no Dask scheduler answers at {address}: {reason}") from error
    with client:
        with contextlib.suppress(TimeoutError):
            client.wait_for_workers(1, timeout=_COMING)
        if not client.nthreads():
            raise AutomaskError(f"the Dask scheduler at {address} has no workers; start some and run again")
        yield client


def _offered(client: Any, resource: str) -> bool:
    """Tell whether a worker has some of a resource."""
    return any(offered.get(resource, 0) > 0 for offered in client.run(_resources_of).values())


def _resources_of(dask_worker: Any) -> dict[str, float]:
    return dict(dask_worker.state.total_resources)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise AutomaskError(
            "--scheduler needs Dask's distributed package: pip install 'napari-sam2-automask[distributed]'"
        ) from error
    return distributed

"""Loaded by worker processes of this machine as they start: Ctrl-C is for the process that directs them.

A terminal sends it to all of them. Who directs tells the workers, and they end their tasks in order.
"""

from __future__ import annotations

import signal

__all__ = ["dask_setup"]


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C in this process; Dask calls this, on the main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

"""Time spent in functions, and the peak of the memory, while a run lasts."""

from __future__ import annotations

import os
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Peak", "now", "timed", "use_processor_time"]

_clock = time.perf_counter


def use_processor_time() -> None:
    """Measure processor time of this process instead of wall time, for a busy machine."""
    global _clock
    _clock = time.process_time


def now() -> float:
    """Return seconds of the clock in use."""
    return _clock()


class timed:
    """Adds up the time spent in a function while the context lasts.

    Parameters
    ----------
    spent : dict
        Seconds by stage, added up over threads.
    stage : str
        Where to add.
    owner, name : str
        Path of the module or class that holds the function, and the function's name there.
    """

    def __init__(self, spent: dict[str, float], stage: str, owner: str, name: str) -> None:
        self._spent, self._stage, self._owner, self._name = spent, stage, _resolve(owner), name

    def __enter__(self) -> None:
        self._function: Callable[..., Any] = vars(self._owner)[self._name]
        setattr(self._owner, self._name, self._measure)

    def __exit__(self, *_: object) -> None:
        setattr(self._owner, self._name, self._function)

    @property
    def _measure(self) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            start = now()
            try:
                return self._function(*args, **kwargs)
            finally:
                self._spent[self._stage] = self._spent.get(self._stage, 0.0) + now() - start

        return measured


def _resolve(path: str) -> Any:
    """Return a module or a class by its path."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        module, name = path.rsplit(".", 1)
        return getattr(import_module(module), name)


class Peak:
    """Largest memory in use while the context lasts, beyond that at its beginning.

    Parameters
    ----------
    device : str
        The resident size of the process for "cpu", what torch has allocated for "cuda".
    """

    def __init__(self, device: str = "cpu") -> None:
        self._on_gpu = device != "cpu"

    def __enter__(self) -> Peak:
        if self._on_gpu:
            import torch

            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
        self._stop = threading.Event()
        self._start = self._peak = _resident()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self._peak = max(self._peak, _resident())

    @property
    def bytes(self) -> int:
        """Bytes."""
        if self._on_gpu:
            import torch

            return torch.cuda.max_memory_allocated() - self._before
        return self._peak - self._start


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""Batches of prompts on several threads of a CPU, a core or a few for each.

A batch is some hundreds of short operations. Splitting each of them over the cores makes the cores wait for
each other after every one; where another program wants a core too, that takes most of the time. Batches know
nothing of each other, so whole batches are given to threads instead.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# More threads than this would wait for Python's interpreter lock.
_MOST = 4
# Seconds between two calls of `tick`.
_PATIENCE = 0.05


class _Stopped(Exception):
    """Ends a batch whose result nobody wants any more."""


def in_order(
    work: Callable[[Item, Callable[[], None]], Result],
    items: Iterable[Item],
    cores: int,
    tick: Callable[[], None],
) -> Iterator[Result]:
    """Yield the results of a function for some items, in their order.

    Parameters
    ----------
    work : callable
        Takes an item and a function to be called often, which may raise to stop. Runs in inference mode.
    items : iterable
        Taken a few ahead of the results.
    cores : int
        Cores to use; with one, everything happens on the calling thread.
    tick : callable
        Called on the calling thread, often; may raise to stop, as may leaving the generator. Then all
        threads have ended when control returns.

    Yields
    ------
    Result
        The first exception of `work` is raised in its place.
    """
    if cores == 1:
        for item in items:
            yield work(item, tick)
        return
    stop = Event()

    def check() -> None:
        if stop.is_set():
            raise _Stopped

    workers = min(cores, _MOST)
    pool = ThreadPoolExecutor(workers, "sam2-automask", torch.set_num_threads, (cores // workers,))
    before = torch.get_num_threads()
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(torch.inference_mode()(work), item, check))
            if len(waiting) > workers:
                yield _result(waiting.popleft(), tick)
        while waiting:
            yield _result(waiting.popleft(), tick)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        # The number of threads is each thread's own, but new threads take over what was set last.
        torch.set_num_threads(before)


def _result(future: Future[Result], tick: Callable[[], None]) -> Result:
    while not wait([future], _PATIENCE).done:
        tick()
    tick()
    return future.result()

"""Doing many independent tasks: what fails is tried again, what fails for good is set aside."""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam2_automask.errors import ModelError, OutputError
from napari_sam2_automask.progress import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

__all__ = ["ATTEMPTS", "FATAL", "Executor", "Outcome", "Serial", "describe"]

#: How often a task is tried.
ATTEMPTS = 3
#: Errors that are not a task's but the run's: every other task would meet them, too.
FATAL = (OutputError, ModelError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    index
        What the task was given: a number, or anything else that says what to do.
    errors : tuple of str
        What went wrong at each attempt, the last line of each first; empty if it succeeded at once.
    done : bool
        Whether it succeeded in the end.
    value
        What the task returned.
    """

    index: Any
    errors: tuple[str, ...] = ()
    done: bool = True
    value: Any = None


class Executor(Protocol):
    """Runs tasks, in any order, anywhere."""

    def run(
        self, task: Callable[[Any], Any], indices: Iterable[Any], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome as it comes; `heavy` ones need the model.

        Indices are taken as they are needed. One of the `FATAL` errors is not a task's failure but the run's:
        it is raised.
        """
        ...


class Serial:
    """Runs tasks one after the other in this process."""

    def run(
        self, task: Callable[[Any], Any], indices: Iterable[Any], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome; what failed is tried again at the end."""
        again: deque[tuple[Any, tuple[str, ...]]] = deque()
        for index, errors in chain(((i, ()) for i in indices), popping(again)):
            try:
                value = task(index)
            except (*FATAL, Cancelled):
                raise
            except Exception as error:
                errors = (*errors, describe(error))
                if len(errors) < ATTEMPTS:
                    again.append((index, errors))
                else:
                    yield Outcome(index, errors, done=False)
            else:
                yield Outcome(index, errors, value=value)


def popping(queue: deque[Any]) -> Iterator[Any]:
    """Yield what is in a queue from the left, also what is added meanwhile, until it is empty."""
    while queue:
        yield queue.popleft()


def describe(error: BaseException) -> str:
    """Return the message of an error, then where it came from."""
    return "".join([f"{type(error).__name__}: {error}\n", *traceback.format_tb(error.__traceback__)])

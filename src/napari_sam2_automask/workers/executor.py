"""Doing many independent tasks: what fails is tried again, what fails for good is set aside."""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam2_automask.errors import ModelError, OutputError
from napari_sam2_automask.progress import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["ATTEMPTS", "FATAL", "KILLED", "Executor", "Outcome", "Serial", "Tries", "Try", "describe"]

#: How often a task is tried.
ATTEMPTS = 3
#: Errors that are not a task's but the run's: every other task would meet them, too.
FATAL = (OutputError, ModelError)
#: How the error of a task begins whose workers died of it, as Dask calls it.
KILLED = "KilledWorker"


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
        tries = Tries(indices)
        while given := tries.take():
            value, wrong = None, None
            try:
                value = task(given.index)
            except (*FATAL, Cancelled):
                raise
            except Exception as error:
                wrong = describe(error)
            if outcome := tries.ended(given, value, wrong):
                yield outcome


@dataclass(frozen=True, slots=True)
class Try:
    """What a task is given, and what went wrong when it was tried before."""

    index: Any
    errors: tuple[str, ...] = ()


class Tries:
    """What is to be tried next: what is new, then what failed; last, one by one, what workers died of.

    Parameters
    ----------
    indices : iterable
        What tasks are given; taken as they are needed.
    deaths : int
        How often a task is tried that workers die of. The last time it is alone, since a worker may have died
        of what others did.
    """

    def __init__(self, indices: Iterable[Any], deaths: int = ATTEMPTS) -> None:
        self._fresh = (Try(index) for index in indices)
        self._again: deque[Try] = deque()
        self._alone: deque[Try] = deque()
        self._deaths = deaths

    def take(self, running: int = 0) -> Try | None:
        """Return what is to be started next while so many others run; None if nothing is for now."""
        given = next(self._fresh, None)
        if given is None and self._again:
            return self._again.popleft()
        if given is None and self._alone and not running:
            return self._alone.popleft()
        return given

    def ended(self, given: Try, value: Any, error: str | None, killed: bool = False) -> Outcome | None:
        """Return the outcome of a try that returned a value or met an error; None if it is tried again."""
        if error is None:
            return Outcome(given.index, given.errors, value=value)
        errors = (*given.errors, error)
        most = self._deaths if killed else ATTEMPTS
        if len(errors) >= most:
            return Outcome(given.index, errors, done=False)
        last = killed and len(errors) == most - 1
        (self._alone if last else self._again).append(Try(given.index, errors))
        return None


def describe(error: BaseException) -> str:
    """Return the message of an error, then where it came from."""
    return "".join([f"{type(error).__name__}: {error}\n", *traceback.format_tb(error.__traceback__)])

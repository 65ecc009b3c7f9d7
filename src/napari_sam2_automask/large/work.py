"""Doing many independent tasks: what fails is tried again, what fails for good is set aside."""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.progress import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["ATTEMPTS", "Executor", "Outcome", "Serial"]

#: How often a task is tried.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    index : int
        The task.
    errors : tuple of str
        What went wrong at each attempt, the last line of each first; empty if it succeeded at once.
    done : bool
        Whether it succeeded in the end.
    """

    index: int
    errors: tuple[str, ...] = ()
    done: bool = True


class Executor(Protocol):
    """Runs tasks, in any order, anywhere."""

    def run(
        self, task: Callable[[int], None], indices: Iterable[int], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome as it comes; `heavy` ones need the model.

        An `OutputError` is not a task's failure but the run's: it is raised.
        """
        ...


class Serial:
    """Runs tasks one after the other in this process."""

    def run(
        self, task: Callable[[int], None], indices: Iterable[int], *, heavy: bool = False
    ) -> Generator[Outcome]:
        """Run a task for each index and yield each outcome; what failed is tried again at the end."""
        waiting: deque[tuple[int, tuple[str, ...]]] = deque((i, ()) for i in indices)
        while waiting:
            index, errors = waiting.popleft()
            try:
                task(index)
            except (OutputError, Cancelled):
                raise
            except Exception as error:
                errors = (*errors, describe(error))
                if len(errors) < ATTEMPTS:
                    waiting.append((index, errors))
                else:
                    yield Outcome(index, errors, done=False)
            else:
                yield Outcome(index, errors)


def describe(error: BaseException) -> str:
    """Return the message of an error, then where it came from."""
    return "".join([f"{type(error).__name__}: {error}\n", *traceback.format_tb(error.__traceback__)])

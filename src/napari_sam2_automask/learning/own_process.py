"""Learning in a process of its own, so that who asked for it stays free: started, told to stop, waited for.

What goes over the pipes is pickled, as between the processes of `workers`: nobody but who started the process
can reach it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.progress import Cancelled, Progress, ProgressCallback, no_progress
from napari_sam2_automask.workers.piped_worker import starting
from napari_sam2_automask.workers.process import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.learning.course import Plan

__all__ = ["Learned", "LearningTask", "learn_in_own_process", "step_back"]

#: How often it is looked whether learning is to stop, in seconds.
_EVERY = 0.1
#: Windows' classes of processes that step back behind others, and that have no window.
_QUIET = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)


@dataclass(frozen=True, slots=True, eq=False)
class LearningTask:
    """What is to be learned, and what the model is to be called among those of this computer.

    Attributes
    ----------
    images : tuple of (Y, X, 3) uint8 arrays
        What the model sees of each image.
    labels : tuple of (Y, X) int arrays
        The labels of each.
    complete : tuple of bool or (Y, X) bool arrays
        Where each is labelled completely.
    weights : tuple of mappings of int to float
        How much objects of each count; what is not there does not matter.
    names : tuple of str
        What messages call the images.
    name : str
        Of the model.
    base : str
        What is learned from: a name or a file.
    minutes : float
        About how long it may take.
    device : str
        ``"auto"`` takes CUDA where there is one, and else the CPU.
    threads : int
        Of torch; 0 for as many as it likes.
    steps : int or None
        In place of `minutes`.
    plan : Plan or None
        How much a step does.
    """

    images: tuple[NDArray[Any], ...]
    labels: tuple[NDArray[Any], ...]
    complete: tuple[NDArray[Any] | bool, ...]
    weights: tuple[Mapping[int, float], ...]
    names: tuple[str, ...]
    name: str
    base: str = "bundled"
    minutes: float = 5.0
    device: str = "cpu"
    threads: int = 0
    steps: int | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """A model that was learned, and lies among those of this computer.

    Attributes
    ----------
    path : Path
        Its file; its name is that of the file.
    images, objects, steps : int
        What it was learned from, and how long.
    measure : str
        ``"accuracy"`` or ``"iou"``, see `Card`.
    before, after : float
        On what was held back.
    """

    path: Path
    images: int
    objects: int
    steps: int
    measure: str
    before: float
    after: float


def learn_in_own_process(task: LearningTask, progress: ProgressCallback = no_progress) -> Learned:
    """Learn and put the model among those of this computer; returns when that is done.

    The process steps back behind all others. It goes on to its end when this one dies, with the best so far.

    Parameters
    ----------
    task : LearningTask
        What is to be learned.
    progress : callable
        As for `learn`, and called ten times a second whatever happens; once it has raised `Cancelled`, the
        best so far is taken.

    Raises
    ------
    AutomaskError
        As `learn` and `save_model`; or a `LearningError` if the process died.
    Cancelled
        If `progress` raised it before anything was learned.
    """
    with starting():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_sam2_automask.learning"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            creationflags=_QUIET,
        )
    told: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(process, told), daemon=True).start()
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it died: that is told as its end
        pickle.dump(task, process.stdin)
        process.stdin.flush()
    answer = _wait(process, told, progress)
    with contextlib.suppress(OSError), process:
        pass
    if isinstance(answer, Learned):
        return answer
    if isinstance(answer, Cancelled):
        raise answer
    if isinstance(answer, Failed):
        if answer.fatal is not None:
            raise answer.fatal(answer.text)
        raise RuntimeError(answer.text)
    raise LearningError(
        f"the process that learned ended (exit code {process.returncode}), as it does where memory runs out: "
        "close other programs, and learn again under the same name, which goes on from the last score"
    )


def _listen(process: subprocess.Popen[bytes], told: SimpleQueue[Any]) -> None:
    """Take what the process tells; None at its end."""
    assert process.stdout is not None
    try:
        message: Any = Progress("load", 0, 1)
        while isinstance(message, Progress):
            message = pickle.load(process.stdout)
            told.put(message)
    except (EOFError, OSError, pickle.UnpicklingError):
        told.put(None)


def _wait(process: subprocess.Popen[bytes], told: SimpleQueue[Any], progress: ProgressCallback) -> Any:
    """Return what the process says at last; None if it died."""
    latest = Progress("load", 0, 1)
    while True:
        try:
            message = told.get(timeout=_EVERY)
        except Empty:
            message = latest
        if not isinstance(message, Progress):
            return message
        latest = message
        try:
            progress(latest)
        except Cancelled:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()  # which it takes for the wish to end


def step_back() -> None:
    """Let all other processes go first. Windows is told so when the process is started."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.nice(19)

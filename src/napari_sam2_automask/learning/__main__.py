"""``python -m napari_sam2_automask.learning``: learn what standard input says; see `own_process`."""

from __future__ import annotations

import contextlib
import pickle
import signal
import traceback
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_sam2_automask.errors import AutomaskError, ModelError
from napari_sam2_automask.learning.lessons import lessons_of
from napari_sam2_automask.learning.own_process import Learned, LearningTask, step_back
from napari_sam2_automask.models.catalogue.registry import own_path
from napari_sam2_automask.models.runtime.process_guards import wait_patiently
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.workers.piped_process import take_pipes, volunteer
from napari_sam2_automask.workers.process import Failed, use_threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.progress import Progress

# Reports more often than this are nothing to anybody, in seconds.
_EVERY = 0.1


class _Teller:
    """Passes reports on, and raises `Cancelled` once nobody waits for the end any more."""

    def __init__(self, pipe: BinaryIO) -> None:
        self.stopped = Event()
        self._pipe, self._stage, self._at = pipe, "", 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._stage or progress.stage == "learn" or monotonic() - self._at > _EVERY:
            self._stage, self._at = progress.stage, monotonic()
            self.tell(progress)
        if self.stopped.is_set():
            raise Cancelled("stopped before anything was learned: nothing was kept")

    def tell(self, message: Any) -> None:
        # Who asked may have died; what was learned is kept all the same.
        with contextlib.suppress(OSError):
            self._pipe.write(pickle.dumps(message))
            self._pipe.flush()

    def listen(self, asked: BinaryIO) -> None:
        """Wait until the pipe is closed."""
        with contextlib.suppress(OSError):
            asked.read()
        self.stopped.set()


def _learned(task: LearningTask, teller: _Teller) -> Learned:
    target = own_path(task.name)
    if target.exists():
        raise ModelError(f"there is a model {task.name!r} already: choose another name")
    weights = [_there(*both) for both in zip(task.weights, task.labels, strict=True)]
    # What cannot be learned from is said before torch is loaded, which takes seconds.
    lessons_of(task.images, task.labels, task.complete, weights, task.names, rgb=True)
    if task.threads:
        use_threads(task.threads)
    import torch

    from napari_sam2_automask.learning.checkpoint import unfinished_path
    from napari_sam2_automask.learning.learning import learn
    from napari_sam2_automask.models.keeping import save_model

    device = task.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = learn(
        task.images,
        task.labels,
        task.base,
        task.minutes,
        steps=task.steps,
        complete=task.complete,
        weights=weights,
        name=task.name,
        names=task.names,
        rgb=True,
        device=device,
        checkpoint=unfinished_path(target),
        plan=task.plan,
        progress=teller,
    )
    card = model.card
    assert card is not None
    save_model(model, target)
    return Learned(target, card.images, card.objects, card.steps, card.measure, card.before, card.after)


def _there(weights: Mapping[int, float], labels: NDArray[Any]) -> dict[int, float]:
    """Return how much those objects count that are there."""
    there = np.unique(labels)
    return {label: weight for label, weight in weights.items() if label in there}


def main() -> None:
    """Learn, and tell how it went."""
    # A terminal sends Ctrl-C to all processes, but it is for the one that asked for this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wait_patiently()
    step_back()
    volunteer()
    asked, told = take_pipes()
    teller = _Teller(told)
    try:
        task: LearningTask = pickle.load(asked)
    except EOFError:  # who started this died at once
        return
    Thread(target=teller.listen, args=(asked,), daemon=True).start()
    try:
        answer: Any = _learned(task, teller)
    except Cancelled as cancelled:
        answer = cancelled
    except AutomaskError as error:
        answer = Failed(str(error), type(error))
    except Exception as error:
        traceback.print_exc()
        answer = Failed(f"{type(error).__name__}: {error}")
    teller.tell(answer)


if __name__ == "__main__":
    main()

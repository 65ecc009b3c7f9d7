"""A run as the widget sees it: started, polled, finished. Lives on the main thread, knows no widget.

Polled, not signalled: the inference thread touches no Qt object, so a window that is destroyed in the middle
of a run cannot be called into, and progress that comes faster than anyone can read is never queued.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.common.garbage import CollectionsWait
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.run.progress_words import Tracker, TrackerState, after_points
from napari_sam2_automask._napari.run.run_request import run_request
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.progress import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels

    from napari_sam2_automask._napari.common.inference_thread import InferenceThread, Run
    from napari_sam2_automask._napari.run.outcome import Outcome, Segmenter
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.progress import ProgressCallback

__all__ = ["Controller", "Finished", "explain"]

#: What messages of torch, CUDA and the C library say when memory runs out.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "alloc_failed")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Finished:
    """How a run ended.

    Attributes
    ----------
    request : Request
        What was asked for.
    image, previous : layers
        The image that was segmented and the layer that the result may replace, as they were at the start.
    key : str
        See `result.request_key`.
    outcome : Outcome or None
        The result, if there is any.
    error : str
        One line that says what went wrong; empty if nothing did.
    cancelled : bool
        Whether a person stopped it.
    spent : dict of str to float
        Seconds by stage.
    """

    request: Request
    image: Image
    previous: Labels | None
    key: str
    outcome: Outcome | None
    error: str
    cancelled: bool
    spent: dict[str, float]


class Controller:
    """Runs one request at a time on the inference thread.

    Parameters
    ----------
    thread : InferenceThread
        Where the work is done.
    segmenter : Segmenter
        What segments a plane.
    """

    def __init__(self, thread: InferenceThread, segmenter: Segmenter) -> None:
        self._thread = thread
        self._segmenter = segmenter
        self._run: Run[Outcome] | None = None
        self._about: tuple[Request, Any, Any, str] | None = None
        self._tracker: Tracker | None = None
        self._collections = CollectionsWait()

    @property
    def running(self) -> bool:
        """Whether a run was started and :meth:`poll` has not yet returned its end."""
        return self._run is not None

    @property
    def cancelling(self) -> bool:
        """Whether the current run was asked to stop."""
        return self._run is not None and self._run.cancelled

    @property
    def state(self) -> TrackerState:
        """What a progress bar shows now."""
        return self._tracker.state if self._tracker is not None else TrackerState("Waiting for another run")

    def start(self, request: Request, image: Image, key: str, previous: Labels | None) -> None:
        """Start a run. Only while none is running."""
        if self.running:
            raise RuntimeError("a run is going on")
        self._about = (request, image, previous, key)
        self._tracker = None
        self._collections.begin()
        self._run = self._thread.submit(partial(_work, request, self._segmenter, self._set_tracker))

    def cancel(self) -> None:
        """Ask the current run to stop and keep what it has found."""
        if self._run is not None:
            self._run.cancel()

    def end(self) -> None:
        """Take note that the result is in the viewer: full garbage collections need not wait any more."""
        if not self.running:
            self._collections.end()

    def close(self) -> None:
        """Cancel, and forget the run: its result is nobody's any more."""
        self.cancel()
        self._collections.end()
        self._run = self._about = self._tracker = None

    def poll(self) -> Finished | None:
        """Return how the run ended, once; None while it goes on."""
        run, about = self._run, self._about
        self._collections.check()
        if run is None or about is None or not run.finished:
            return None
        spent = dict(self._tracker.spent) if self._tracker is not None else {}
        self._run = self._about = self._tracker = None
        request, image, previous, key = about
        outcome, error, cancelled = None, "", run.cancelled
        try:
            outcome = run.result()
        except Cancelled:
            cancelled = True
        except BaseException as problem:
            error = explain(problem)
            if not isinstance(problem, AutomaskError):
                logger.error("a run failed: %s\n%s", error, run.traceback)
        return Finished(request, image, previous, key, outcome, error, cancelled, spent)

    def _set_tracker(self, tracker: Tracker) -> None:
        self._tracker = tracker


def _work(
    request: Request, segmenter: Segmenter, announce: Callable[[Tracker], None], progress: ProgressCallback
) -> Outcome:
    box = request.region.box if request.region is not None else (0, 0, *request.source.plane_shape)
    tracker = Tracker(progress, after=after_points((box[2] - box[0]) * (box[3] - box[1])))
    announce(tracker)
    return run_request(request, segmenter, tracker)


def explain(error: BaseException) -> str:
    """Return one line that says what went wrong and what to do."""
    if isinstance(error, AutomaskError):
        return plain(error)
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return "Not enough memory: choose fewer points per batch or crop layers, or a smaller model."
    if isinstance(error, ModuleNotFoundError):
        return f"The package {error.name!r} is missing: install napari-sam2-automask again."
    name = type(error).__name__
    where = " (the full report is in the log)" if sys.stderr is not None else ""
    return f"The run failed with {name}: {text or 'no explanation'}{where}. Please report this."

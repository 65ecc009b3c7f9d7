"""An object that the model is asked for: what was clicked and drawn so far, and what it answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.inference_thread import inference_thread
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.run.controller import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.painting.live import Box, Point

__all__ = ["Asking"]

#: How often an answer is looked for, in milliseconds.
POLL_INTERVAL = 15


class Asking(QObject):
    """Prompts for one object, in the pixels of the part of the image that was segmented.

    Every new prompt asks the model again with all of them; the newest answer counts.

    Attributes
    ----------
    points : list of (float, float)
        Clicks, y and x.
    on : list of bool
        Whether each is on the object, or beside it.
    label : int
        The object that is to be shaped anew; 0 for a new one.
    placed : Placed or None
        What the model answered last.
    score : float
        The predicted IoU of that.
    answered : Qt signal
        An answer has come.
    failed : Qt signal
        Emits why there is none, in a sentence.
    """

    answered, failed = Signal(), Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._run: Run[Any] | None = None
        self._again = False
        self._follower: LiveLayer | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)
        self.points: list[Point] = []
        self.on: list[bool] = []
        self.box: Box | None = None
        self.label, self.score = 0, 0.0
        self.placed: Placed | None = None
        self._mask: Placed | None = None

    @property
    def begun(self) -> bool:
        """Whether there is any prompt."""
        return bool(self.points) or self.box is not None

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return self._run is not None

    def point(self, follower: LiveLayer, points: Sequence[Point], *, on: bool = True) -> None:
        """Add points on the object, or beside it, and ask."""
        self.points += points
        self.on += [on] * len(points)
        self._ask(follower)

    def around(self, follower: LiveLayer, box: Box) -> None:
        """Draw a box around the object, and ask."""
        self.box = box
        self._ask(follower)

    def reshape(self, label: int, mask: Placed) -> None:
        """Begin with an object that is there."""
        self.stop()
        self.label, self._mask = label, mask

    def stop(self) -> None:
        """Forget all prompts; an answer that is on its way counts no more."""
        if self._run is not None:
            self._run.cancel()
        self._run, self._again = None, False
        self._timer.stop()
        self._forget()

    def _forget(self) -> None:
        self.points, self.on, self.box = [], [], None
        self.label, self.score = 0, 0.0
        self.placed, self._mask = None, None

    def _ask(self, follower: LiveLayer) -> None:
        self._follower = follower
        if self._run is not None:
            self._again = True  # as soon as the answer before has come
            return
        ask = follower.live.ask
        if ask is None:
            self.stop()
            self.failed.emit("The model of this result cannot be asked: run again first.")
            return
        points, on, box, mask = tuple(self.points), tuple(self.on), self.box, self._mask
        self._again = False
        self._run = inference_thread().submit(lambda progress: ask(points, on, box, mask))
        self._timer.start()

    def _poll(self) -> None:
        run = self._run
        if run is None or not run.finished:
            return
        self._run = None
        self._timer.stop()
        if self._again and self._follower is not None:
            self._ask(self._follower)
            return
        try:
            self.placed, self.score = run.result()
        except Exception as error:
            self.placed = None
            self.failed.emit(explain(error))
        else:
            self.answered.emit()

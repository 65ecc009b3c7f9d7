"""Small errands off the main thread, such as looking at files, and what to do with what they bring back."""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.inference_thread import InferenceThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.common.inference_thread import Run

__all__ = ["Errands"]

#: How often it is looked whether one is done, in milliseconds.
POLL_INTERVAL = 50


@cache
def _thread() -> InferenceThread:
    """Return a thread beside the one of the models, which may be busy for hours."""
    thread = InferenceThread()
    atexit.register(thread.stop)
    return thread


class Errands(QObject):
    """Sends errands to a thread; their ends are told on the main thread, in order.

    Parameters
    ----------
    parent : QObject
        Nothing is told any more when it is gone.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: list[tuple[Run[Any], Callable[[Any], None], Callable[[BaseException], None]]] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether one has not come back yet."""
        return bool(self._waiting)

    def send(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Have `work` done elsewhere; `then` gets what it returned, or `failed` what it raised."""
        self._waiting.append((_thread().submit(lambda progress: work()), then, failed))
        self._timer.start()

    def close(self) -> None:
        """Tell nothing any more; what was begun is finished."""
        self._timer.stop()
        self._waiting.clear()

    def _look(self) -> None:
        while self._waiting and self._waiting[0][0].finished:
            run, then, failed = self._waiting.pop(0)
            try:
                value = run.result()
            except BaseException as error:
                failed(error)
            else:
                then(value)
        if not self._waiting:
            self._timer.stop()

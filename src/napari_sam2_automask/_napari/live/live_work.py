"""Has a layer follow settings and mends on a thread of its own, so that the window never waits."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain, why_run
from napari_sam2_automask.errors import AutomaskError, NewRunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.live.live_layer import Act, Answer, LiveLayer
    from napari_sam2_automask.mending.mends import Mends
    from napari_sam2_automask.settings.amg import AmgSettings

    T = TypeVar("T")

__all__ = ["LiveWork"]

# One for all layers: there is one set of sliders at a time, and an action is short.
_thread = ThreadPoolExecutor(1, "sam2-automask-live")


class _Task(NamedTuple):
    """An action, or settings to follow."""

    act: Act | None
    settings: AmgSettings | None = None


class LiveWork(QObject):
    """Brings settings and mends to a layer: done and painted by another thread, shown by the main thread.

    Of settings that come while others are worked on, the last ones are next; every mend is done. What a
    person painted in the layer meanwhile is taken over before whatever is next.

    Attributes
    ----------
    shown : Qt signal
        Emits the settings in force once the layer shows what was done.
    mended : Qt signal
        Emits what was done (`Done`) once the layer shows it; not for settings.
    refused : Qt signal
        Emits settings that the candidates cannot answer, and why in a sentence; the layer stays as it is.
    failed : Qt signal
        Emits why a mend cannot be done, in a sentence; the layer stays as it is.
    """

    shown = Signal(object)
    mended = Signal(object)
    refused = Signal(object, str)
    failed = Signal(str)
    _done = Signal(object, object)
    _looked = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: LiveLayer | None = None
        self._working: _Task | None = None
        self._waiting: list[_Task] = []
        self._done.connect(self._take)
        self._looked.connect(lambda then, found: then(found))

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self._working is not None

    def begin(self, layer: LiveLayer | None) -> None:
        """Work for another layer from now on, or for none."""
        self._layer, self._waiting, self._working = layer, [], None

    def follow(self, settings: AmgSettings, *, join: bool = False) -> None:
        """Show settings as soon as can be; one step of the history with the last ones, if `join`."""
        if self._waiting and self._waiting[-1].settings is not None:
            self._waiting.pop()
        self._add(_Task(lambda mends: mends.settle(settings, join=join), settings))

    def mend(self, act: Act) -> None:
        """Do an action, after those that were asked for before.

        Parameters
        ----------
        act : callable
            Takes the `Mends` of the layer and returns what was done, such as ``Mends.undo`` or
            ``lambda mends: mends.remove(3)``; called by another thread.
        """
        self._add(_Task(act))

    def look(self, ask: Callable[[Mends], T], then: Callable[[T | AutomaskError], None]) -> None:
        """Ask something of the mends that changes nothing, such as a preview.

        Parameters
        ----------
        ask : callable
            Takes the `Mends`; called by the other thread.
        then : callable
            Takes the answer, or the AutomaskError that was raised; called by the main thread.
        """
        layer = self._layer
        if layer is None:
            return

        def work() -> None:
            try:
                found: T | AutomaskError = ask(layer.mends)
            except AutomaskError as error:
                found = error
            with suppress(RuntimeError):  # the window may be gone
                self._looked.emit(then, found)

        _thread.submit(work)

    def take_edits(self) -> None:
        """Take over what a person painted, if anything."""
        if self._layer is not None and self._working is None and not self._waiting:
            edits = self._layer.edits()
            if edits is not None:
                self._begin(_Task(None), edits)

    def _add(self, task: _Task) -> None:
        if self._layer is None:
            return
        self._waiting.append(task)
        if self._working is None:
            self._next()

    def _next(self) -> None:
        if self._waiting and self._layer is not None:
            task = self._waiting.pop(0)
            self._begin(task, self._layer.edits())

    def _begin(self, task: _Task, edits: Act | None) -> None:
        layer = self._layer
        assert layer is not None
        self._working = task
        self._future = _thread.submit(layer.ask(edits, task.act))
        self._future.add_done_callback(lambda work: self._tell(layer, work))

    def _tell(self, layer: LiveLayer, work: Future[Answer]) -> None:
        """Hand an answer to the main thread; the window may be gone."""
        with suppress(RuntimeError):
            self._done.emit(layer, work)

    def _take(self, layer: LiveLayer, work: Future[Answer]) -> None:
        task = self._working
        if layer is not self._layer or task is None or work is not self._future:
            return
        self._working = None
        try:
            answer = work.result()
        except Exception:
            self._next()  # what else was asked for is done all the same
            raise
        put = layer.put(answer)
        if not put and not self._waiting:
            self._waiting.append(_Task(None))  # which takes the edits over, and shows all
        self._next()
        if isinstance(answer.error, NewRunError) and task.settings is not None:
            self.refused.emit(task.settings, why_run(answer.error))
        elif answer.error is not None:
            self.failed.emit(plain(answer.error))
        elif put:
            self.shown.emit(answer.settings)
        if answer.done is not None and task.settings is None:
            self.mended.emit(answer.done)

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

    from napari_sam2_automask._napari.live.answer import Answer
    from napari_sam2_automask._napari.live.live_layer import Act, LiveLayer
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.settings.amg import AmgSettings

    T = TypeVar("T")

__all__ = ["LiveWork", "settling"]

BESIDE = (
    "This result is of a part of the image, and nothing can be painted beside it: run on the whole image to "
    "mend there."
)

# One for all layers: there is one set of sliders at a time, and an action is short.
_thread = ThreadPoolExecutor(1, "sam2-automask-live")


class _Task(NamedTuple):
    """An action, or settings to follow."""

    layer: LiveLayer
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
        Emits why a mend cannot be done, in a sentence; the layer stays as it is. Also of what was painted
        beside the part of a plane that was segmented, which goes again.
    passed : Qt signal
        Emits a plane of a stack (`LiveLayer`) in which something was done after another one was shown.
    """

    shown = Signal(object)
    mended = Signal(object)
    refused = Signal(object, str)
    failed = Signal(str)
    passed = Signal(object)
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
        """Work for another layer from now on, or for none; what was asked for before is not done."""
        self._drop()
        self._layer = layer

    def go_on(self, layer: LiveLayer | None) -> None:
        """Work for another plane of a stack, or for none for now; what was asked for before is done."""
        self.take_edits()
        self._layer = layer

    def _drop(self) -> None:
        for task in (*self._waiting, *([] if self._working is None else [self._working])):
            task.layer.waiting -= 1
        self._waiting, self._working = [], None

    def follow(self, settings: AmgSettings, *, join: bool = False) -> None:
        """Show settings as soon as can be; one step of the history with the last ones, if `join`."""
        layer = self._layer
        if layer is None:
            return
        if self._waiting and self._waiting[-1].settings is not None and self._waiting[-1].layer is layer:
            self._waiting.pop().layer.waiting -= 1
        self._add(_Task(layer, settling(settings, join=join), settings))

    def mend(self, act: Act) -> None:
        """Do an action, after those that were asked for before.

        Parameters
        ----------
        act : callable
            Takes the `Mends` of the layer and returns what was done, such as ``Mends.undo`` or
            ``lambda mends: mends.remove(3)``; called by another thread.
        """
        if self._layer is not None:
            self.mend_in(self._layer, act)

    def mend_in(self, layer: LiveLayer, act: Act | None) -> None:
        """Do an action in any plane of a stack."""
        self._add(_Task(layer, act))

    def run(self, work: Callable[[], T], then: Callable[[T | AutomaskError], None]) -> None:
        """Have something made by the other thread, after what it was given before; see `look`."""
        self._send(work, then)

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
        if layer is not None:
            self._send(lambda: ask(layer.mends), then)

    def _send(self, ask: Callable[[], T], then: Callable[[T | AutomaskError], None]) -> None:
        def work() -> None:
            try:
                found: T | AutomaskError = ask()
            except AutomaskError as error:
                found = error
            with suppress(RuntimeError):  # the window may be gone
                self._looked.emit(then, found)

        _thread.submit(work)

    def take_edits(self) -> None:
        """Take over what a person painted, if anything; what waits takes it over anyway."""
        layer = self._layer
        if layer is not None and not any(task.layer is layer for task in self._waiting):
            self._add(_Task(layer, None))

    def _add(self, task: _Task) -> None:
        task.layer.waiting += 1
        self._waiting.append(task)
        if self._working is None:
            self._next()

    def _next(self) -> None:
        while self._waiting and self._working is None:
            task = self._waiting.pop(0)
            edits = task.layer.edits()
            if edits is not None or task.act is not None or task.layer.behind or task.layer.is_part:
                self._begin(task, edits)
                return
            task.layer.waiting -= 1

    def _begin(self, task: _Task, edits: Act | None) -> None:
        layer = task.layer
        self._working = task
        self._future = _thread.submit(layer.ask(edits, task.act))
        self._future.add_done_callback(lambda work: self._tell(layer, work))

    def _tell(self, layer: LiveLayer, work: Future[Answer]) -> None:
        """Hand an answer to the main thread; the window may be gone."""
        with suppress(RuntimeError):
            self._done.emit(layer, work)

    def _take(self, layer: LiveLayer, work: Future[Answer]) -> None:
        task = self._working
        if task is None or work is not self._future:
            return
        self._working = None
        try:
            answer = work.result()
            put = layer.put(answer)
        except Exception:
            layer.waiting -= 1
            self._next()  # what else was asked for is done all the same
            raise
        layer.waiting -= 1
        if answer.beside:
            layer.clear_beside()
            self.failed.emit(BESIDE)
        if not put and not any(waits.layer is layer for waits in self._waiting):
            self._add(_Task(layer, None))  # which takes the edits over, and shows all
        self._next()
        if layer is not self._layer:
            self.passed.emit(layer)
            return
        if isinstance(answer.error, NewRunError) and task.settings is not None:
            self.refused.emit(task.settings, why_run(answer.error))
        elif answer.error is not None:
            self.failed.emit(plain(answer.error))
        elif put:
            self.shown.emit(answer.settings)
        if answer.done is not None and task.settings is None:
            self.mended.emit(answer.done)


def settling(settings: AmgSettings, *, join: bool = False) -> Act:
    """Return the action that selects by settings; none where they are in force by the time it is its turn.

    A step of the history that changes nothing would be one that undo takes back to no effect.
    """

    def act(mends: Mends) -> Done | None:
        return None if mends.settings == settings else mends.settle(settings, join=join)

    return act

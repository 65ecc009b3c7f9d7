"""Has a layer follow settings on a thread of its own, so that the window never waits; the newest count."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import why_run
from napari_sam2_automask.errors import NewRunError

if TYPE_CHECKING:
    from napari_sam2_automask._napari.live.live_layer import Answer, LiveLayer
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["LiveWork"]

# One for all layers: there is one set of sliders at a time, and an update is short.
_thread = ThreadPoolExecutor(1, "sam2-automask-live")


class LiveWork(QObject):
    """Brings settings to a layer: chosen and painted by another thread, shown by the main thread.

    Of settings that come while others are worked on, the last ones are next. If a person edits the layer
    meanwhile, the same settings are worked on again, with what was edited locked.

    Attributes
    ----------
    shown : Qt signal
        Emits settings once the layer shows them.
    refused : Qt signal
        Emits settings that the candidates cannot answer, and why in a sentence; the layer stays as it is.
    """

    shown = Signal(object)
    refused = Signal(object, str)
    _done = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: LiveLayer | None = None
        self._working: AmgSettings | None = None
        self._wanted: AmgSettings | None = None
        self._done.connect(self._take)

    @property
    def busy(self) -> bool:
        """Whether settings are being worked on."""
        return self._working is not None

    def begin(self, layer: LiveLayer | None) -> None:
        """Work for another layer from now on, or for none."""
        self._layer, self._wanted, self._working = layer, None, None

    def follow(self, settings: AmgSettings) -> None:
        """Show settings as soon as can be."""
        if self._layer is None:
            return
        if self._working is not None:
            self._wanted = settings
            return
        self._working = settings
        layer = self._layer
        _thread.submit(layer.ask(settings)).add_done_callback(lambda work: self._tell(layer, work))

    def _tell(self, layer: LiveLayer, work: Future[Answer]) -> None:
        """Hand an answer to the main thread; the window may be gone."""
        with suppress(RuntimeError):
            self._done.emit(layer, work)

    def _take(self, layer: LiveLayer, work: Future[Answer]) -> None:
        settings = self._working
        if layer is not self._layer or settings is None:
            return
        self._working = None
        try:
            put = layer.put(work.result())
        except NewRunError as error:
            self._next()
            self.refused.emit(settings, why_run(error))
            return
        if not put and self._wanted is None:
            self._wanted = settings
        self._next()
        if put:
            self.shown.emit(settings)

    def _next(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.follow(wanted)

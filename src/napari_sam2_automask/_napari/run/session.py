"""From the press of Run to the layer: starts runs, polls them, puts results into the viewer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.inference_thread import inference_thread
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.layers.layer_choice import VIEW_KEY
from napari_sam2_automask._napari.run.controller import Controller, explain
from napari_sam2_automask._napari.run.costs import remember_rates
from napari_sam2_automask._napari.run.earlier_results import EarlierResults
from napari_sam2_automask._napari.run.ended_words import finished_text
from napari_sam2_automask._napari.run.place_result import (
    find_previous,
    place_outcome,
    previous_of,
    request_key,
)
from napari_sam2_automask._napari.run.run_request import model_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.outcome import Segmenter
    from napari_sam2_automask._napari.run.panel import RunPanel
    from napari_sam2_automask._napari.run.request import Request

__all__ = ["RunSession"]

#: How often a run is looked at, in milliseconds.
POLL_INTERVAL = 80


class RunSession(QObject):
    """The runs of one widget.

    Parameters
    ----------
    viewer : Viewer
        Where results go.
    panel : RunPanel
        The button and the progress bar.
    segmenter : Segmenter
        What segments a plane.
    store : Store
        Where the time that runs take is remembered.
    make_request : callable
        Returns what Run would do with an image layer now (with the chosen one if given None), and that layer;
        raises `AutomaskError`.

    Attributes
    ----------
    last : Finished or None
        How the last run ended.
    wanted : Qt signal
        A person pressed Run.
    ended : Qt signal
        A run has ended, however.
    placed : Qt signal
        A result is in the viewer; emits the `Finished`, the `Outcome` and the layer.
    """

    wanted = Signal()
    ended = Signal()
    placed = Signal(object, object, object)

    def __init__(
        self,
        viewer: Viewer,
        panel: RunPanel,
        segmenter: Segmenter,
        store: Store,
        make_request: Callable[[Image | None], tuple[Request, Image]],
    ) -> None:
        super().__init__(panel)
        self._viewer, self._panel, self._store = viewer, panel, store
        self._make_request = make_request
        self.controller = Controller(inference_thread(), segmenter)
        self.last: Finished | None = None
        self._view: tuple[Run[Any], Request] | None = None
        self._polling = self._starting = False
        self._ending: tuple[Finished, Labels | None] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)
        self._then = QTimer(self)
        self._then.setSingleShot(True)
        self._then.timeout.connect(self._end)
        self._earlier = EarlierResults(viewer, self)
        self._earlier.hidden.connect(self._say_hidden)
        panel.pressed.connect(self._on_button)

    @property
    def running(self) -> bool:
        """Whether a run is going on, or its result is just being put into the viewer."""
        return self.controller.running or self._ending is not None

    def start(self, image: Image | None = None) -> bool:
        """Start a run of an image, the chosen one if left out; return whether it has started."""
        if self.running or self._starting:
            return False
        try:
            request, image = self._make_request(image)
            key = request_key(request, image)
            previous = find_previous(self._viewer, key)
            if previous is not None:
                request = replace(request, previous=previous_of(previous, request))
        except Exception as error:
            self._fail(explain(error))
            return False
        # Before the work starts: napari redraws the window for its progress bar, and both want a core.
        self._starting = True
        try:
            self._panel.show_running(request.source.name)
        finally:
            self._starting = False
        self.controller.start(request, image, key, previous)
        self._timer.start()
        return True

    def say(self, text: str) -> None:
        """Say something where the end of a run is told."""
        self._panel.status.setText(text)

    def cancel(self) -> None:
        """Stop the run and keep what it found, as the button does."""
        if self.controller.running:
            self.controller.cancel()
            self._panel.show_cancelling()

    def show_model_view(self) -> None:
        """Have what the model sees of the current plane made off the main thread, and add it as a layer."""
        try:
            request, _ = self._make_request(None)
        except Exception as error:
            self._fail(explain(error))
            return
        self._view = inference_thread().submit(partial(model_views, request)), request
        self._timer.start()

    def close(self) -> None:
        """Cancel everything; nothing is put into the viewer any more."""
        self._timer.stop()
        self._then.stop()
        self._ending = None
        self._draw(True)
        self._earlier.close()
        self._panel.close_activity()
        if self._view is not None:
            self._view[0].cancel()
            self._view = None
        self.controller.close()

    def _on_button(self) -> None:
        if self.running:
            self.cancel()
        else:
            self.wanted.emit()

    def _poll(self) -> None:
        # napari's progress bar processes events on each update, and so may call this again within itself.
        if self._polling:
            return
        self._polling = True
        try:
            self._poll_view()
            finished = self.controller.poll()
            if finished is not None:
                self._begin_end(finished)
            elif self.controller.running and not self.controller.cancelling:
                self._panel.show_state(self.controller.state)
            if not self.controller.running and self._view is None:
                self._timer.stop()
        finally:
            self._polling = False

    def _begin_end(self, finished: Finished) -> None:
        """Put a result into the viewer; what else there is to do waits until the viewer has drawn breath.

        napari takes long for a new layer (see benchmarks/viewer/heartbeat.py), and all in one piece, so
        nothing is added to it here, not even the drawing of the window.
        """
        outcome, request = finished.outcome, finished.request
        layer = None
        if outcome is not None and len(outcome.table) and not finished.error:
            self._draw(False)
            try:
                layer = place_outcome(self._viewer, request, outcome, finished.key, finished.previous)
            except Exception as error:
                finished = replace(finished, error=explain(error))
        self._ending = finished, layer
        self._then.start(0)

    def _end(self) -> None:
        """Say how a run has ended, to the person and to the widget."""
        self._draw(True)
        if self._ending is None:
            return
        finished, layer = self._ending
        outcome, request = finished.outcome, finished.request
        if finished.error:
            self._fail(finished.error)
        else:
            if layer is not None:
                self._earlier.cover(layer, finished)
                self.placed.emit(finished, outcome, layer)
            if outcome is not None and outcome.complete and request.start is None:
                planes = len(request.indices) * request.pictures
                box = request.region and request.region.box
                rows, columns = (box[2] - box[0], box[3] - box[1]) if box else request.source.plane_shape
                remember_rates(
                    request.settings,
                    request.model,
                    request.device,
                    finished.spent,
                    planes,
                    self._store,
                    shape=(rows, columns),
                    width=float(outcome.record.get("object_diameter") or 0.0),
                )
            text = finished_text(finished, image_present=finished.image in self._viewer.layers)
            self._panel.show_idle(text)
            if outcome is not None and outcome.complete and layer is None:
                show_info(text)
        self._ending, self.last = None, finished
        self.controller.end()
        self.ended.emit()

    def _say_hidden(self, count: int) -> None:
        if not self.running:
            hidden = "the earlier result" if count == 1 else f"{count} earlier results"
            self.say(f"{self._panel.status.text()} Hidden: {hidden}.")

    def _draw(self, enabled: bool) -> None:
        """Let the window draw itself, or not for now."""
        window = self._panel.window()
        if window is not None and window.updatesEnabled() != enabled:
            window.setUpdatesEnabled(enabled)

    def _poll_view(self) -> None:
        if self._view is None or not self._view[0].finished:
            return
        (run, request), self._view = self._view, None
        try:
            views = run.result()
        except Exception as error:
            self._fail(explain(error))
            return
        place = request.source.plane_transform(request.indices[0])
        selection = self._viewer.layers.selection
        before = set(selection)
        for name, view in views:
            title = f"{name} - model view"
            self._viewer.add_image(view, name=title, rgb=True, metadata={VIEW_KEY: True}, **place)
        # Something to look at: whoever works on a layer goes on with it.
        selection.clear()
        selection.update(before)

    def _fail(self, message: str) -> None:
        self._panel.show_idle(message)
        show_error(message)

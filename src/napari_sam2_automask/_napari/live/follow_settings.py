"""A result that follows the settings: begun with a run's end, told into the layer when the sliders rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.inference_thread import inference_thread
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.live.level_images import levels_shown, on_layers
from napari_sam2_automask._napari.live.level_layers import LevelLayers, anyone_edited
from napari_sam2_automask._napari.live.live_layer import LiveLayer, retell
from napari_sam2_automask.painting.table import Facts, object_table
from napari_sam2_automask.progress import Progress
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.outcome import Outcome
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Following"]

#: How often a table that is being made is looked for, in milliseconds.
POLL_INTERVAL = 40


class _Making(NamedTuple):
    """A table, and levels, that are being made; `tell` if the sliders were moved since the run."""

    run: Run[Any]
    follower: LiveLayer
    settings: AmgSettings
    tell: bool


class Following(QObject):
    """Keeps the last result, its features and its record in step with the settings.

    Parameters
    ----------
    viewer : Viewer
        Where layers for its levels go.
    panel : LivePanel
        What moves the settings.

    Attributes
    ----------
    levels : LevelLayers
        The layers of its levels, if all levels are kept.
    finished : Finished or None
        The run that is followed.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    told : Qt signal
        Features and record of the layer fit what it shows.
    lost : Qt signal
        The layer was removed from the viewer, and nothing is followed any more.
    """

    told, lost = Signal(), Signal()

    def __init__(self, viewer: Viewer, panel: LivePanel) -> None:
        super().__init__(panel)
        self._viewer, self._panel = viewer, panel
        self.connections: list[tuple[Any, Any]] = [(viewer.layers.events.removed, self._on_removed)]
        for event, callback in self.connections:
            event.connect(callback)
        self.levels = LevelLayers(viewer, self)
        self.finished: Finished | None = None
        self._making: list[_Making] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)
        panel.settled.connect(self._make)

    def begin(self, finished: Finished, outcome: Outcome, layer: Labels) -> None:
        """Let a result follow the settings from now on."""
        self.end()
        if outcome.live is None:
            return
        self.finished = finished
        settings = finished.request.settings
        follower = LiveLayer(outcome.live, layer, finished.request.window, settings)
        self._panel.begin(follower, settings)
        if settings.overlap == ALL_LEVELS:
            self._make(settings, tell=False)

    def end(self) -> None:
        """Follow nothing any more; the levels of the run that was followed come all the same."""
        self._give_up()
        self.finished = None
        self._panel.end()

    def close(self) -> None:
        """Follow nothing any more, and put nothing more into the viewer."""
        self.end()
        self._timer.stop()
        self._making.clear()
        self.levels.stop()

    def _on_removed(self, event: Any = None) -> None:
        """End with the layer: what shows about a result goes when the result does."""
        follower = self._panel.live_layer
        if follower is not None and follower.layer not in self._viewer.layers:
            self.end()
            self.lost.emit()

    def _give_up(self) -> None:
        """Let go of tables that no longer fit what shows."""
        for making in self._making:
            if making.tell:
                making.run.cancel()
        self._making = [making for making in self._making if not making.tell]

    def _make(self, settings: AmgSettings, tell: bool = True) -> None:
        """Have the table, and the levels, made by another thread, from what the layer shows now."""
        follower, finished = self._panel.live_layer, self.finished
        if follower is None or finished is None:
            return
        request, source = finished.request, finished.request.source
        labels = follower.window(np.asarray(follower.layer.data)).copy()
        index, region = request.indices[0], request.region
        layered = settings.overlap == ALL_LEVELS
        masks = {row + 1: placed for row, placed in follower.masks.items()}
        locked, written = follower.locked, self.levels.written(follower.layer)
        shape = follower.layer.data.shape

        def make(progress: Any) -> Any:
            from napari_sam2_automask.pipeline import measure_channels_of

            image = source.plane(index)
            image = image if region is None else region.cut(image)
            levels = None
            if layered:
                levels = levels_shown(masks, labels, locked, lambda: progress(Progress("levels", 0, 1)))
            table = object_table(
                labels if levels is None else levels,
                Facts.of_candidates(follower.candidates, settings, masks),
                image=image if source.channels is None else None,
                pixel_size=source.pixel_size if source.unit else None,
                unit=source.unit,
            )
            shown = labels if levels is None else levels.labels
            measure_channels_of(request.picture(image), table, shown, settings)
            table = table if region is None else region.shifted(table)
            images = [] if levels is None else on_layers(levels, table, shape, request.window)
            return table, images, anyone_edited(written)

        self._give_up()
        self._making.append(_Making(inference_thread().submit(make), follower, settings, tell))
        self._timer.start()

    def _poll(self) -> None:
        if not self._making:
            self._timer.stop()
        elif self._making[0].run.finished:  # made one after the other
            self._take(self._making.pop(0))

    def _take(self, making: _Making) -> None:
        """Put a table and levels that are ready into the viewer."""
        run, follower, settings, tell = making
        try:
            table, images, edited = run.result()
        except Exception:  # an image that cannot be read any more: the labels are right without their table
            return
        follower.layer.features = table
        self.levels.show(follower.layer, images, edited=edited)
        if tell and self.finished is not None:
            retell(follower, self.finished, settings)
            self.told.emit()

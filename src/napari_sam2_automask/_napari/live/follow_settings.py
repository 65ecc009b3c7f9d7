"""A result that follows the settings: begun with a run's end, told into the layer when the sliders rest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.inference_thread import table_thread
from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.live.level_images import levels_shown, on_layers
from napari_sam2_automask._napari.live.level_layers import LevelLayers, anyone_edited
from napari_sam2_automask._napari.live.live_layer import LiveLayer, retell
from napari_sam2_automask._napari.live.live_table import table_of
from napari_sam2_automask.mending.actions import Settle
from napari_sam2_automask.mending.segmented import mended_record
from napari_sam2_automask.progress import Progress
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.live.live_layer import Act, Answer
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.outcome import Outcome
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Following"]

#: How often a table that is being made is looked for, in milliseconds.
POLL_INTERVAL = 20


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
        """Let a result follow the settings from now on, with the mends of an earlier one of its place."""
        if outcome.live is None:
            self.end()
            return
        before = self._panel.live_layer if self.finished is not None else None
        carried = before if before is not None and _same_place(self.finished, finished) else None
        self.end()
        self.finished = finished
        settings = finished.request.settings
        follower = LiveLayer(outcome.live, layer, finished.request.window, settings)
        follower.table = partial(self._table, follower, finished)
        self._panel.begin(follower, settings)
        if carried is not None:
            self._panel.mend(carrying(carried))
        if settings.overlap == ALL_LEVELS:
            self._make(settings, tell=False)

    def mended(self) -> tuple[Request, dict[str, Any]] | None:
        """Return the run that is followed, and what a person did to its result; None for nothing."""
        follower, finished = self._panel.live_layer, self.finished
        if follower is None or finished is None:
            return None
        mends = mends_of(follower.shows, finished.request)
        return None if mends is None else (finished.request, mends)

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
        labels = follower.window(np.asarray(follower.layer.data)).copy()
        layered = settings.overlap == ALL_LEVELS
        shows, written = follower.shows, self.levels.written(follower.layer)
        shape = follower.layer.data.shape

        def make(progress: Any) -> Any:
            levels = None
            if layered:
                levels = levels_shown(
                    shows.masks, labels, shows.kept, lambda: progress(Progress("levels", 0, 1))
                )
            table = table_of(labels, follower, shows, finished.request, levels)
            images = [] if levels is None else on_layers(levels, table, shape, finished.request.window)
            return numbered(table), images, anyone_edited(written), mends_of(shows, finished.request)

        self._give_up()
        self._making.append(_Making(table_thread().submit(make), follower, settings, tell))
        self._timer.start()

    def _table(self, follower: LiveLayer, finished: Finished, data: NDArray[Any]) -> pd.DataFrame:
        """Return the table of a label image of the layer's shape, as it is to be saved."""
        labels = follower.window(data)
        shows = follower.shows._replace(kept=follower.kept_in(labels))
        return table_of(labels, follower, shows, finished.request, None)

    def _poll(self) -> None:
        if not self._making:
            self._timer.stop()
        elif self._making[0].run.finished:  # made one after the other
            self._take(self._making.pop(0))

    def _take(self, making: _Making) -> None:
        """Put a table and levels that are ready into the viewer."""
        run, follower, settings, tell = making
        try:
            table, images, edited, mends = run.result()
        except Exception:  # an image that cannot be read any more: the labels are right without their table
            return
        follower.layer.features = table
        self.levels.show(follower.layer, images, edited=edited)
        if tell and self.finished is not None:
            retell(follower, self.finished, settings, mends)
            self.told.emit()


def mends_of(shows: Answer, request: Request) -> dict[str, Any] | None:
    """Return the entry ``mends`` of the record; None where no more than settings were moved."""
    if not any(not isinstance(step, Settle) for step in shows.steps):
        return None

    def in_record(settings: AmgSettings) -> AmgSettings:
        return replace(request, settings=settings).asked

    return mended_record(request.asked, shows.mends(in_record))


def carrying(before: LiveLayer) -> Act:
    """Return the action that takes over what was mended in another layer, what was just painted included."""
    edits = before.edits()

    def act(mends: Mends) -> Done | None:
        if edits is not None:
            edits(before.mends)
        carried = before.mends.carried()
        return mends.do(carried) if carried.objects else None

    return act


def _same_place(one: Finished | None, other: Finished) -> bool:
    """Tell whether two runs segmented the same pixels of the same image."""
    if one is None or one.image is not other.image:
        return False

    def place(request: Request) -> tuple[Any, ...]:
        source, region = request.source, request.region
        return source.rows_columns, source.level, source.shape, request.indices, region and region.key

    return place(one.request) == place(other.request)

"""A result that follows the settings: begun with a run's end, told into the layer when the sliders rest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.listening import listen
from napari_sam2_automask._napari.layers.snapshot import resized
from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.live.level_images import LevelImage
from napari_sam2_automask._napari.live.level_layers import CELLS_KEY, LevelLayers
from napari_sam2_automask._napari.live.live_layer import LiveLayer
from napari_sam2_automask._napari.live.live_table import table_of
from napari_sam2_automask._napari.live.live_work import settling
from napari_sam2_automask._napari.live.plane_switch import OPENING, PlaneSwitch
from napari_sam2_automask._napari.live.retelling import mends_of, retell, retell_joined, retell_stack
from napari_sam2_automask._napari.live.stack_layer import StackLayer
from napari_sam2_automask._napari.live.stack_table import StackTable
from napari_sam2_automask._napari.live.stack_tracks import show_tracks
from napari_sam2_automask._napari.live.table_queue import TableQueue
from napari_sam2_automask._napari.live.table_work import (
    TableOfPlane,
    TableOfResult,
    Told,
    work_of_plane,
    work_of_result,
)
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import tracks_layers
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.live_layer import Act
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.stack_cells import StackCells
    from napari_sam2_automask._napari.live.table_queue import Making
    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.outcome import Outcome, PlanesFound, TracksData
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["Following"]


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
    cells : LevelLayers
        The layer of its objects grown to cells, if they are.
    finished : Finished or None
        The run that is followed.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    planes : PlaneSwitch
        Which plane of a stack is followed.
    tables : TableQueue
        The tables that are being made.
    told : Qt signal
        Features and record of the layer fit what it shows.
    measured : Qt signal
        The rows of the objects that show are known.
    lost : Qt signal
        The layer was removed from the viewer, or its labels have another shape; nothing is followed any more.
    """

    told, measured, lost = Signal(), Signal(), Signal()

    def __init__(self, viewer: Viewer, panel: LivePanel) -> None:
        super().__init__(panel)
        self._viewer, self._panel = viewer, panel
        self.connections: list[tuple[Any, Any]] = [(viewer.layers.events.removed, self._on_removed)]
        for event, callback in self.connections:
            event.connect(callback)
        self.planes = PlaneSwitch(viewer, panel)
        self.connections += self.planes.connections
        self._of_viewer = len(self.connections)
        self.planes.opened.connect(self._on_opened)
        panel.everywhere_wanted.connect(self._on_everywhere)
        self._in_stack = False
        self._stack_table: StackTable | None = None
        # What is to be done in planes of a stack as soon as one is followed.
        self._first: list[tuple[Plane, Act]] = []
        self.levels = LevelLayers(viewer, self)
        self.cells = LevelLayers(viewer, self, key=CELLS_KEY, title="cells", visible=True)
        self.finished: Finished | None = None
        self.tables = TableQueue(self)
        self.tables.ready.connect(self._take)
        panel.settled.connect(self._make)
        panel.misfit.connect(self._on_misfit)
        panel.passed.connect(lambda plane: self._make(plane.shows.settings, follower=plane))

    @property
    def _shown(self) -> tuple[LevelLayers, LevelLayers]:
        return self.levels, self.cells

    def begin(self, finished: Finished, outcome: Outcome, layer: Labels) -> None:
        """Let a result follow the settings from now on, with the mends of an earlier one of its place."""
        if outcome.planes is not None:
            self._begin_stack(finished, outcome.planes, layer)
            return
        if outcome.live is None:
            self.end()
            return
        before = self._panel.live_layer if self.finished is not None else None
        if before is not None and before.layer is not layer:
            self.tell(before)
        carried = before if before is not None and _same_place(self.finished, finished) else None
        self.end()
        self.finished = finished
        settings = finished.request.settings
        follower = LiveLayer(outcome.live, layer, finished.request.window, settings, mends=outcome.mends)
        whole_masks.remember(layer, follower)
        follower.table, follower.tell = partial(self._table, follower, finished), partial(self.tell, follower)
        self._panel.begin(follower, settings)
        self._watch_size(layer)
        if carried is not None and outcome.mends is None:  # labels of before are taken as they are
            self._panel.mend(carrying(carried))
        if settings.overlap == ALL_LEVELS or settings.expand_distance > 0:
            self._make(settings, tell=False)

    def _begin_stack(self, finished: Finished, found: PlanesFound, layer: Labels) -> None:
        """Let the planes of a stack follow, those that an earlier run wrote into the layer among them."""
        stack = self.planes.stack
        if stack is not None and stack.layer is layer:
            self.finished = finished
            self._panel.pause(OPENING)
            known, planes, size = stack, found.store.planes, finished.request.source.size

            def go_on(_: object) -> None:
                if self.planes.stack is known and self._stack_table is not None:
                    self._stack_table.take(planes, size)
                    known.resize()
                    retell_joined(known)
                    self.planes.begin(known)

            self._panel.work.run(lambda: known.take(finished.request, found), go_on)
            return
        same = stack is not None and _same_place(self.finished, finished, planes=False)
        self.end()
        self.finished = finished
        new = StackLayer(layer, finished.request, found)
        whole_masks.remember(layer, new)
        new.tell = self.tell_all
        self._stack_table = StackTable(new)
        self._watch_size(layer)
        self._first = new.carrying(stack) if stack is not None and same else []
        self.planes.begin(new)

    def _on_opened(self, follower: LiveLayer) -> None:
        settings = follower.shows.settings
        follower.tell = partial(self.tell, follower)
        if self._in_stack:
            self._panel.switch(follower)
            self.told.emit()
        else:
            self._in_stack = True
            self._panel.begin(follower, settings)
            self.planes.do_in(self._first)
            self._first = []
        self._make(settings, tell=False)

    def _on_everywhere(self, settings: AmgSettings) -> None:
        """Let all planes of the stack follow settings; or stop, where that is going on."""
        stack, follower = self.planes.stack, self._panel.live_layer
        if self.planes.busy:
            self.planes.stop()
        elif stack is not None and follower is not None:
            others = [plane for plane in stack.found.store.planes if plane != follower.plane]
            self.planes.do_in([(plane, settling(settings)) for plane in others])

    def remake(self, change: object = None) -> None:
        """Have table, tracks and record made anew, since links have changed."""
        if self._panel.shown is not None:
            self._make(self._panel.shown)

    def mended(self) -> tuple[Request, dict[str, Any]] | None:
        """Return the run that is followed, and what a person did to its result; None for nothing."""
        follower, finished = self._panel.live_layer, self.finished
        if follower is None or finished is None:
            return None
        if follower.plane is not None and (stack := self.planes.stack) is not None:
            request = stack.own_request(follower.plane)
            mends = mends_of(follower.shows, request)
            return None if mends is None else (request, mends)
        mends = mends_of(follower.shows, finished.request)
        return None if mends is None else (finished.request, mends)

    def _watch_size(self, layer: Labels) -> None:
        """Have the table told in the size of pixels that the layer has, also when it is given another."""
        events = (layer.events.scale, layer.events.units)
        listen(self.connections, events, self._on_size, self._of_viewer)

    def _on_size(self, event: Any = None) -> None:
        follower, finished, stack = self._panel.live_layer, self.finished, self.planes.stack
        if stack is not None:
            stack.resize()
            # Of a plane that was not segmented, or is not ready yet, no work is done: any other does.
            one = follower or next(iter(stack.ready.values()), None)
            if one is not None:
                self._make(one.shows.settings, follower=one)
            return
        if follower is None or finished is None:
            return
        source = resized(finished.request.source, follower.layer)
        self.finished = replace(finished, request=replace(finished.request, source=source))
        follower.table = partial(self._table, follower, self.finished)
        self.remake()

    def end(self) -> None:
        """Follow nothing any more; the levels of the run that was followed come all the same."""
        listen(self.connections, (), self._on_size, self._of_viewer)
        self.tables.give_up()
        self.finished = None
        self._in_stack = False
        self.planes.end()
        self._panel.end()

    def close(self) -> None:
        """Follow nothing any more, and put nothing more into the viewer."""
        self.tell_all()
        self.end()
        self.tables.stop()
        for layers in self._shown:
            layers.stop()

    def _on_removed(self, event: Any = None) -> None:
        """End with the layer: what shows about a result goes when the result does."""
        follower, stack = self._panel.live_layer, self.planes.stack
        layer = stack.layer if stack is not None else None if follower is None else follower.layer
        if layer is not None and layer not in self._viewer.layers:
            self.end()
            self.lost.emit()

    def _on_misfit(self) -> None:
        """End with labels of another shape, which are those of no result."""
        show_info("The result has another shape now: it follows neither sliders nor mends any more.")
        self.end()
        self.lost.emit()

    def _make(self, settings: AmgSettings, tell: bool = True, follower: LiveLayer | None = None) -> None:
        """Have the table, and the levels, made by another thread, from what the layer shows now."""
        follower, finished = follower or self._panel.live_layer, self.finished
        if follower is None or finished is None:
            return
        stack, plane = self.planes.stack, follower.plane
        work: Callable[[ProgressCallback], TableOfResult | TableOfPlane]
        if plane is None or stack is None or self._stack_table is None:
            written = [layers.written(follower.layer) for layers in self._shown]
            work = work_of_result(follower, settings, finished.request, written)
        else:
            own = self.cells.layer_of(follower.layer)
            work = work_of_plane(follower, plane, stack, self._stack_table, own)
        self.tables.begin(work, follower, settings, tell=tell)

    def _table(self, follower: LiveLayer, finished: Finished, data: NDArray[Any]) -> pd.DataFrame:
        """Return the table of a label image of the layer's shape, as it is to be saved."""
        labels = follower.window(data)
        shows = follower.shows._replace(kept=follower.kept_in(labels))
        return table_of(labels, follower, shows, finished.request, None)

    def tell_all(self) -> None:
        """Write into the record at once what was done last in any plane, without waiting for the table."""
        last = self.tables.followers
        if self._panel.live_layer is not None:
            last.append(self._panel.live_layer)
        for follower in dict.fromkeys(last):
            self.tell(follower)

    def tell(self, follower: LiveLayer) -> None:
        """Write into the record at once what was done last in a plane, without waiting for the table."""
        finished, stack, plane = self.finished, self.planes.stack, follower.plane
        if finished is None or not (
            self.tables.is_to_tell(follower) or (follower is self._panel.live_layer and self._panel.unsettled)
        ):
            return
        shows = follower.shows
        request = finished.request if plane is None or stack is None else stack.own_request(plane)
        self._retell(follower, shows.settings, Told(mends_of(shows, request), digest(follower.data)))

    def _retell(self, follower: LiveLayer, settings: AmgSettings, told: Told) -> None:
        """Write into the record of a layer what it shows."""
        stack, finished = self.planes.stack, self.finished
        if finished is None:
            return
        if follower.plane is None:
            retell(follower, finished, settings, *told)
        elif stack is not None:
            retell_stack(stack, follower, settings, *told)

    def _show_cells(self, stack: StackLayer, follower: LiveLayer, cells: StackCells) -> None:
        """Let the layer of a stack's cells follow."""
        layer = follower.layer
        if cells.plane is not None and follower.plane is not None:
            self.cells.put(layer, stack.request.source.slices(follower.plane), cells.plane, cells.digests)
            return
        if cells.size is not None:  # not before it shows: what was made for it may have been let go
            stack.cells_size = cells.size
        images = [] if cells.data is None else [LevelImage(cells.data, layer.features, dict(cells.digests))]
        self.cells.show(layer, images, edited=cells.edited)

    def _show_stack(self, layer: Labels, features: pd.DataFrame, in_time: TracksData | None) -> None:
        """Let the features of a stack, and the Tracks layer of the run, follow."""
        layer.features = features
        if in_time is None or self.finished is None:
            return
        for tracks in tracks_layers(self._viewer, self.finished.key):
            show_tracks(tracks, in_time)

    def _take(self, making: Making) -> None:
        """Put a table and levels that are ready into the viewer."""
        run, follower, settings, tell = making
        try:
            made = run.result()
        except Exception:  # an image that cannot be read any more: the labels are right without their table
            return
        stack, finished = self.planes.stack, self.finished
        follower.features = made.features
        if isinstance(made, TableOfPlane):
            if not any(one.plane is not None for one in self.tables.followers):  # the last has all
                self._show_stack(follower.layer, *made.whole)
            if stack is not None and stack.layer is follower.layer:
                self._show_cells(stack, follower, made.cells)
        else:
            for layers, own, touched in zip(self._shown, made.images, made.edited, strict=True):
                layers.show(follower.layer, own, edited=touched)
        if tell:
            self._retell(follower, settings, made.told)
        self.measured.emit()
        if tell and finished is not None and follower is self._panel.live_layer:
            self.told.emit()


def carrying(before: LiveLayer) -> Act:
    """Return the action that takes over what was mended in another layer, what was just painted included."""
    edits = before.edits()

    def act(mends: Mends) -> Done | None:
        if edits is not None:
            edits(before.mends)
        carried = before.mends.carried()
        return mends.do(carried) if carried.objects else None

    return act


def _same_place(one: Finished | None, other: Finished, *, planes: bool = True) -> bool:
    """Tell whether two runs segmented the same pixels of the same image, perhaps of other planes."""
    if one is None or one.image is not other.image:
        return False

    def place(request: Request) -> tuple[Any, ...]:
        source, region = request.source, request.region
        indices = request.indices if planes else ()
        return source.rows_columns, source.level, source.shape, indices, region and region.key

    return place(one.request) == place(other.request)

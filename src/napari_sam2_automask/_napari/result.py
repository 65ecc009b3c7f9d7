"""What shows of a result: its sliders first, then the tools that mend it, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.common.garbage import QuietCollections
from napari_sam2_automask._napari.live.follow_settings import Following
from napari_sam2_automask._napari.live.outlines import Outlines
from napari_sam2_automask._napari.live.panel import LivePanel
from napari_sam2_automask._napari.mend.autosave import Autosave
from napari_sam2_automask._napari.mend.link_panel import LinkPanel
from napari_sam2_automask._napari.mend.panel import MendPanel
from napari_sam2_automask._napari.plots.panel import PlotPanel
from napari_sam2_automask._napari.table.panel import TablePanel
from napari_sam2_automask._napari.tuning.panel import TunePanel

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.common.memory import Store

__all__ = ["Result", "result_in"]

_open: WeakSet[Result] = WeakSet()


class Result(QWidget):
    """The parts that are there while a result is followed, and what they tell each other.

    Parameters
    ----------
    viewer : Viewer
        Where the result is.
    store : Store
        What is remembered, such as the keys of Mend mode.

    Attributes
    ----------
    live, autosave, mend, links, table, plots, tuning
        The panels, from top to bottom.
    objects, measures, examples : Fold
        Hold the table, the plots, and the settings from examples.
    following : Following
        Keeps the result in step with the settings.
    outlines : Outlines
        Around what is locked.
    collections : QuietCollections
        Keeps Python's garbage collections out of mending.
    """

    def __init__(self, viewer: Viewer, store: Store) -> None:
        super().__init__()
        self.live = LivePanel()
        self.following = Following(viewer, self.live)
        self.mend = MendPanel(viewer, self.live, store)
        self.links = LinkPanel(self.live, self.following.planes, self.mend.canvas)
        self.autosave = Autosave(self.live, store, self.following.planes)
        self.table = TablePanel(viewer, self.live)
        self.plots = PlotPanel(self.live)
        self.tuning = TunePanel(viewer, self.live)
        self.outlines = Outlines(viewer, self)
        self.collections = QuietCollections(self)
        removed = viewer.layers.events.removed
        self._own_connections: list[tuple[Any, Any]] = [(removed, self.collections.thaw)]
        removed.connect(self.collections.thaw)
        self.objects = Fold("Table", "The objects with their scores and measures; the doubtful ones first.")
        self.measures = Fold("Measures", "Any measure as a filter, and two of them against each other.")
        self.examples = Fold(
            "Settings from examples", "Settings found from a few objects that you picked or painted."
        )
        self.objects.addWidget(self.table)
        self.measures.addWidget(self.plots)
        self.examples.addWidget(self.tuning)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        parts = (self.live, self.autosave, self.mend, self.links, self.objects, self.measures, self.examples)
        for part in parts:
            layout.addWidget(part)
        self._viewer = ref(getattr(viewer, "__wrapped__", viewer))
        _open.add(self)
        self.live.begun.connect(self._begin)
        self.live.ended.connect(self._end)
        self.live.drawn.connect(self._outline)
        for done in (self.live.drawn, self.live.switched, self.live.passed, self.links.relinking.relinked):
            done.connect(self.collections.note)
        self.links.relinking.relinked.connect(self.following.remake)
        self.live.switched.connect(self._outline)
        for panel in (self.table, self.plots):
            self.live.switched.connect(panel.show_objects)
            self.following.measured.connect(panel.show_objects)
        self.measures.toggled.connect(self.plots.set_open)
        for selected in (self.table.selected, self.plots.selected):
            selected.connect(lambda labels: self.mend.canvas.choose(*labels, tell=False))
        self.table.selected.connect(self.plots.choose)
        self.plots.selected.connect(lambda labels: self.table.select(*labels))
        self.mend.canvas.chose.connect(lambda labels: self.table.select(*labels))
        self.mend.canvas.chose.connect(self.plots.choose)
        self.setVisible(False)

    @property
    def connections(self) -> list[list[tuple[Any, Any]]]:
        """What to disconnect when the widget goes."""
        parts = (self.following, self.mend, self.tuning)
        return [self._own_connections, *(part.connections for part in parts)]

    def close_down(self) -> None:
        """Follow nothing any more, and put nothing more into the viewer."""
        self.autosave.close_down()
        self.mend.close_down()
        self.links.close_down()
        self.table.close_down()
        self.following.close()
        self.outlines.close()
        self.collections.end()

    def _begin(self) -> None:
        self.setVisible(True)
        self.collections.begin()
        follower = self.live.live_layer
        self.examples.setVisible(follower is not None and follower.selects)
        self._outline()
        self.table.show_objects()
        self.plots.show_objects()

    def _end(self) -> None:
        self.outlines.clear()
        self.collections.end()
        self.setVisible(False)

    def _outline(self) -> None:
        """Draw around what is locked."""
        follower = self.live.live_layer
        if follower is not None:
            self.outlines.show(follower.layer, follower.locked, follower.data)
        else:
            self.outlines.clear()


def result_in(viewer: Viewer) -> Result | None:
    """Return the result that is followed in a viewer, if there is one."""
    wanted = getattr(viewer, "__wrapped__", viewer)
    return next((one for one in _open if one._viewer() is wanted and one.live.live_layer is not None), None)

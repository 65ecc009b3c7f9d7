"""Tables of objects that another thread makes, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.inference_thread import table_thread
from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.common.inference_thread import Run
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.live.table_work import TableOfPlane, TableOfResult
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Making", "TableQueue"]

#: How often a table that is being made is looked for, in milliseconds.
POLL_INTERVAL = 20


class Making(NamedTuple):
    """A table, with levels and cells, that is being made; `tell` if the sliders were moved since the run."""

    run: Run[TableOfResult | TableOfPlane]
    follower: LiveLayer
    settings: AmgSettings
    tell: bool


class TableQueue(QObject):
    """Makes one table after the other, and looks every `POLL_INTERVAL` milliseconds whether one is ready.

    Attributes
    ----------
    ready : Qt signal
        A :class:`Making` has ended: with a table, or with the error that its run raises.
    """

    ready = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._making: list[Making] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a table is still to come."""
        return bool(self._making)

    @property
    def followers(self) -> list[LiveLayer]:
        """What the tables to come are of, those asked for first first."""
        return [making.follower for making in self._making]

    def begin(
        self,
        work: Callable[[ProgressCallback], TableOfResult | TableOfPlane],
        follower: LiveLayer,
        settings: AmgSettings,
        *,
        tell: bool,
    ) -> None:
        """Have a table made; an earlier one of the same that is still to come is let go.

        Parameters
        ----------
        work : callable
            Makes the table, on a thread that can wait; takes a progress callback.
        follower : LiveLayer
            What the table is of.
        settings : AmgSettings
            What it shows.
        tell : bool
            Whether the record is to say so.
        """
        self.give_up(follower)
        self._making.append(Making(table_thread().submit(work), follower, settings, tell))
        self._timer.start()

    def is_to_tell(self, follower: LiveLayer) -> bool:
        """Return whether a table to come has something of `follower` for the record."""
        return any(making.tell and making.follower is follower for making in self._making)

    def give_up(self, follower: LiveLayer | None = None) -> None:
        """Let go of tables that no longer fit what shows, of one plane or of all; those of runs come."""
        for making in self._making:
            if _outdated(making, follower):
                making.run.cancel()
        self._making = [making for making in self._making if not _outdated(making, follower)]

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._timer.stop()
        self._making.clear()

    def _poll(self) -> None:
        if not self._making:
            self._timer.stop()
        elif self._making[0].run.finished:  # made one after the other
            self.ready.emit(self._making.pop(0))


def _outdated(making: Making, follower: LiveLayer | None) -> bool:
    return making.tell and (follower is None or making.follower is follower)

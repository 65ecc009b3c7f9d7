"""Links of a stack changed in the viewer: done by another thread, painted plane by plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask.errors import AutomaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.plane_switch import PlaneSwitch
    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask._napari.live.stack_links import Ready
    from napari_sam2_automask.mending.mends import Mends
    from napari_sam2_automask.stack.links import Links
    from napari_sam2_automask.stack.relabelled import Relabelled

__all__ = ["Relinking"]


class Relinking(QObject):
    """Does actions on links, in one row with all else that is done, and shows what came of them.

    Parameters
    ----------
    panel : LivePanel
        Whose thread does the work.
    planes : PlaneSwitch
        Knows the stack.

    Attributes
    ----------
    relinked : Qt signal
        Emits what was done, or taken back (`Relabelled`), once the layer shows it in all planes.
    failed : Qt signal
        Emits why something cannot be done, in a sentence.
    """

    relinked, failed = Signal(object), Signal(str)

    def __init__(self, panel: LivePanel, planes: PlaneSwitch) -> None:
        super().__init__(panel)
        self._panel, self._planes = panel, planes
        # Stacks in which a plane is yet to be painted: also one that is followed no more.
        self._stacks: list[StackLayer] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._paint)
        planes.relinked.connect(self._take)

    @property
    def links(self) -> Links | None:
        """The links of the stack that is followed, if there are any."""
        stack = self._planes.stack
        return None if stack is None else stack.links

    def do(self, act: Callable[[Links], Relabelled]) -> None:
        """Do something to the links, after what was asked for before."""
        stack = self._planes.stack
        linked = None if stack is None else stack.linked
        if linked is None:
            return

        def work(mends: Mends) -> None:
            try:
                linked.do(act)
            except AutomaskError as error:
                self.failed.emit(plain(error))

        self._panel.mend(work)

    def stop(self) -> None:
        """Paint nothing more: the window is closed."""
        self._timer.stop()
        self._stacks.clear()

    def _take(self, stack: StackLayer, change: Relabelled, ready: Ready) -> None:
        if stack.linked is None:
            return
        stack.linked.paint_ready(change, ready)
        stack.layer.refresh(extent=False)
        if stack not in self._stacks:
            self._stacks.append(stack)
        self._timer.start()

    def _paint(self) -> None:
        """Paint one more plane: the window goes on meanwhile."""
        if not self._stacks:
            self._timer.stop()
            return
        stack = self._stacks[0]
        shown = None if stack.linked is None else stack.linked.paint_next()
        if shown is None:
            del self._stacks[0]
            return
        for change in shown if stack is self._planes.stack else ():
            self.relinked.emit(change)

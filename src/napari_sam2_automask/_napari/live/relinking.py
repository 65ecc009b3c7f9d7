"""Links of a stack changed in the viewer: done by another thread, painted plane by plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask._napari.live.live_layer import Answer
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.plane_switch import PlaneSwitch
    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.stack.links import Links, Relabelled
    from napari_sam2_automask.stack.numbers import Plane

    Found = tuple[Relabelled, dict[Plane, Answer]] | AutomaskError

__all__ = ["Relinking"]


class Relinking(QObject):
    """Does one action on the links after the other.

    Parameters
    ----------
    panel : LivePanel
        Whose thread does the work.
    planes : PlaneSwitch
        Knows the stack.

    Attributes
    ----------
    relinked : Qt signal
        Emits what was done (`Relabelled`), once the layer shows it in all planes.
    failed : Qt signal
        Emits why something cannot be done, in a sentence.
    """

    relinked, failed = Signal(object), Signal(str)

    def __init__(self, panel: LivePanel, planes: PlaneSwitch) -> None:
        super().__init__(panel)
        self._panel, self._planes = panel, planes
        self._change: tuple[StackLayer, Relabelled, dict[Plane, Answer], list[int]] | None = None
        self._waiting: list[Callable[[Links], Relabelled]] = []
        self._busy = False
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._paint)

    @property
    def links(self) -> Links | None:
        """The links of the stack that is followed, if there are any."""
        stack = self._planes.stack
        return None if stack is None else stack.links

    def do(self, act: Callable[[Links], Relabelled]) -> None:
        """Do something to the links, after what was asked for before."""
        self._waiting.append(act)
        self._next()

    def stop(self) -> None:
        """Forget what is waiting."""
        self._waiting.clear()
        self._timer.stop()
        self._change, self._busy = None, False

    def _next(self) -> None:
        stack = self._planes.stack
        if self._busy or not self._waiting or stack is None:
            return
        act, self._busy = self._waiting.pop(0), True
        self._panel.work.take_edits()  # what was painted is told in the numbers of before
        self._panel.work.run(lambda: stack.relink(act), lambda found: self._take(stack, found))

    def _take(self, stack: StackLayer, found: Found) -> None:
        if stack is not self._planes.stack:
            return
        if isinstance(found, Exception):
            self._busy = False
            self.failed.emit(plain(found))
            self._next()
            return
        change, answers = found
        shown = [stack.position(plane) for plane in answers]
        # Planes that are ready come first, and together: what is done in them goes by the new numbers now.
        for position in shown:
            stack.repaint(change, position, answers)
        stack.layer.refresh(extent=False)
        others = [position for position in change.numbers if position not in shown]
        self._change = stack, change, answers, others
        self._timer.start()

    def _paint(self) -> None:
        """Paint one more plane: the window goes on meanwhile."""
        if self._change is None:
            self._timer.stop()
            return
        stack, change, answers, others = self._change
        if others:
            stack.repaint(change, others.pop(0), answers)
            return
        self._timer.stop()
        self._change, self._busy = None, False
        self.relinked.emit(change)
        self._next()

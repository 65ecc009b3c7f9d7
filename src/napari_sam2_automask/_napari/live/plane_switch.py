"""The plane that the viewer shows is the one whose objects follow sliders and tools."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.viewer import Viewer

    from napari_sam2_automask._napari.live.live_layer import Act, LiveLayer
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask._napari.live.stack_links import Ready
    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.stack.links import Relabelled
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["PlaneSwitch"]

#: Milliseconds that a plane is shown before it is made ready: while many pass by, none is.
WAIT = 60
OPENING, ELSEWHERE = "Getting what was found in this plane ...", "This plane was not segmented."


class PlaneSwitch(QObject):
    """Watches which plane of a stack is shown.

    Parameters
    ----------
    viewer : Viewer
        What shows it.
    panel : LivePanel
        What follows it.

    Attributes
    ----------
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    opened : Qt signal
        Emits the plane (`LiveLayer`) that is shown and ready.
    relinked : Qt signal
        Emits a stack whose links were changed, the change, and what `StackLinks.tell` tells beside it.
    """

    opened, relinked = Signal(object), Signal(object, object, object)

    def __init__(self, viewer: Viewer, panel: LivePanel) -> None:
        super().__init__(panel)
        self._viewer, self._panel = viewer, panel
        self._stack: StackLayer | None = None
        self._wanted: Plane | None = None
        self._acts: list[tuple[Plane, Act]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT)
        self._timer.timeout.connect(self._open)
        panel.edited_anywhere.connect(self._on_edited)
        dims = viewer.dims.events
        self.connections: list[tuple[Any, Any]] = [
            (event, self._on_moved) for event in (dims.current_step, dims.order, dims.ndisplay)
        ]
        for event, callback in self.connections:
            event.connect(callback)

    @property
    def stack(self) -> StackLayer | None:
        """The stack that is watched, if there is one."""
        return self._stack

    def begin(self, stack: StackLayer) -> None:
        """Watch a stack; the plane that is shown now is made ready at once."""
        self._stack = stack
        if stack.linked is not None:
            stack.linked.tell = partial(self._tell, stack)
        self._open()

    def _tell(self, stack: StackLayer, change: Relabelled, ready: Ready) -> None:
        """Hand a change of links to the main thread; the window may be gone."""
        with suppress(RuntimeError):
            self.relinked.emit(stack, change, ready)

    @property
    def busy(self) -> bool:
        """Whether something is yet to be done in planes."""
        return bool(self._acts)

    def do_in(self, acts: Iterable[tuple[Plane, Act]]) -> None:
        """Do actions in planes of the stack, whichever is shown; one plane is made ready after the other."""
        begun, self._acts = bool(self._acts), [*self._acts, *acts]
        if not begun:
            self._go_on()

    def stop(self) -> None:
        """Do nothing more in planes."""
        self._acts.clear()
        self._panel.say_left(0)

    def _go_on(self) -> None:
        stack = self._stack
        self._panel.say_left(len(self._acts))
        if stack is None or not self._acts:
            return
        plane, act = self._acts[0]

        def then(found: LiveLayer | AutomaskError) -> None:
            _catch_up(stack, found)
            if stack is not self._stack or not self._acts:
                return
            del self._acts[0]
            if not isinstance(found, Exception):
                self._panel.work.mend_in(found, act)
            self._go_on()

        self._panel.work.run(lambda: stack.open(plane), then)

    def end(self) -> None:
        """Watch none any more."""
        self._timer.stop()
        self.stop()
        self._stack = self._wanted = None

    def _on_edited(self) -> None:
        """Take over what was painted in planes that do not show, one after the other."""
        stack = self._stack

        def then(planes: list[Plane] | AutomaskError) -> None:
            if stack is self._stack and not isinstance(planes, Exception):
                self.do_in([(plane, lambda mends: None) for plane in planes])

        if stack is not None:
            self._panel.work.run(stack.edited, then)

    def _on_moved(self, event: Any = None) -> None:
        stack = self._stack
        if stack is None or self._viewer.dims.ndisplay != 2:
            return
        follower, plane = self._panel.live_layer, stack.plane_at(self._viewer)
        if follower is not None and follower.plane == plane:
            self._timer.stop()
            return
        # Nothing may act in the plane that was shown before.
        self._panel.pause(ELSEWHERE if plane is None else OPENING)
        self._wanted = None
        self._timer.start()

    def _open(self) -> None:
        stack = self._stack
        plane = None if stack is None else stack.plane_at(self._viewer)
        if stack is None or plane is None:
            return
        self._wanted = plane
        self._panel.work.run(lambda: stack.open(plane), lambda found: self._take(stack, plane, found))

    def _take(self, stack: StackLayer, plane: Plane, found: LiveLayer | AutomaskError) -> None:
        _catch_up(stack, found)
        if stack is not self._stack or plane != self._wanted:
            return
        if isinstance(found, Exception):
            self._panel.pause(plain(found))
        else:
            stack.shown = plane
            self.opened.emit(found)
            store = stack.found.store
            self._panel.say_kept(store.on_disk, len(store.planes))


def _catch_up(stack: StackLayer, found: LiveLayer | AutomaskError) -> None:
    """Let the layer show in a plane what the plane knows of links already."""
    if stack.linked is not None and not isinstance(found, Exception) and found.plane is not None:
        stack.linked.catch_up(found.plane)

"""The plane that the viewer shows is the one whose objects follow sliders and tools."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask.stack.joint_steps import Joint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.viewer import Viewer

    from napari_sam2_automask._napari.live.live_layer import Act, LiveLayer
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask._napari.live.stack_links import Ready
    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.stack.joint_steps import Way
    from napari_sam2_automask.stack.numbers import Plane
    from napari_sam2_automask.stack.relabelled import Relabelled

__all__ = ["PlaneSwitch"]

#: Milliseconds that a plane is shown before it is made ready: while many pass by, none is.
WAIT = 60
OPENING, ELSEWHERE = "Getting what was found in this plane ...", "This plane was not segmented."
_LEFT = {
    "undo": "in plane {0} what was painted through planes stays, as more was done there since: undo it there",
    "redo": "in plane {0} what was painted through planes does not come back, as more was done there since",
}


class _Task(NamedTuple):
    """What is to be done in a plane, and what an edit that is found there was made together with."""

    plane: Plane
    act: Act
    joint: Joint | None = None


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
    _joint_moved = Signal(object, object, object, str)

    def __init__(self, viewer: Viewer, panel: LivePanel) -> None:
        super().__init__(panel)
        self._viewer, self._panel = viewer, panel
        self._stack: StackLayer | None = None
        self._wanted: Plane | None = None
        self._tasks: list[_Task] = []
        # The edit through planes that is being taken over, and whether it is yet to be seen in which.
        self._joint: Joint | None = None
        self._looking = False
        self._later: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT)
        self._timer.timeout.connect(self._open)
        panel.edited_anywhere.connect(self._on_edited)
        panel.through.connect(self._on_through)
        self._joint_moved.connect(self._follow)
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
        stack.line.tell = partial(self._tell_joint, stack)
        self._open()

    def _tell(self, stack: StackLayer, change: Relabelled, ready: Ready) -> None:
        """Hand a change of links to the main thread; the window may be gone."""
        with suppress(RuntimeError):
            self.relinked.emit(stack, change, ready)

    def _tell_joint(self, stack: StackLayer, joint: Joint, plane: Plane, way: Way) -> None:
        """Hand an undo or redo of several planes to the main thread; the window may be gone."""
        with suppress(RuntimeError):
            self._joint_moved.emit(stack, joint, plane, way)

    @property
    def busy(self) -> bool:
        """Whether something is yet to be done in planes."""
        return bool(self._tasks)

    def do_in(self, acts: Iterable[tuple[Plane, Act]]) -> None:
        """Do actions in planes of the stack, whichever is shown; one plane is made ready after the other."""
        self._add([_Task(plane, act) for plane, act in acts])

    def _add(self, tasks: list[_Task]) -> None:
        begun, self._tasks = bool(self._tasks), [*self._tasks, *tasks]
        if not begun:
            self._go_on()

    def stop(self) -> None:
        """Do nothing more in planes."""
        self._tasks.clear()
        self._later.clear()
        self._joint, self._looking = None, False
        self._panel.say_left(0)

    def _go_on(self) -> None:
        stack = self._stack
        self._panel.say_left(len(self._tasks))
        if not self._looking and not any(task.joint is self._joint for task in self._tasks):
            self._joint = None
        if stack is None or not self._tasks:
            return
        plane, act, joint = self._tasks[0]

        def then(found: LiveLayer | AutomaskError) -> None:
            _catch_up(stack, found)
            if stack is not self._stack or not self._tasks:
                return
            del self._tasks[0]
            if not isinstance(found, Exception):
                if joint is not None:
                    found.noting = partial(stack.line.note, joint)
                self._panel.work.mend_in(found, act)
            self._go_on()

        self._panel.work.run(lambda: stack.open(plane), then)

    def end(self) -> None:
        """Watch none any more."""
        self._timer.stop()
        self.stop()
        self._stack = self._wanted = None

    def _on_through(self) -> None:
        """Have an edit of several planes be one step, together with one that is still being taken over."""
        stack, follower = self._stack, self._panel.live_layer
        if stack is None:
            return
        self._joint, self._looking = self._joint or Joint(), True
        if follower is not None:
            follower.noting = partial(stack.line.note, self._joint)

    def _on_edited(self) -> None:
        """Take over what was painted in planes that do not show, one after the other."""
        stack, joint = self._stack, self._joint

        def then(planes: list[Plane] | AutomaskError) -> None:
            self._looking = False
            if stack is self._stack and not isinstance(planes, Exception):
                self._add([_Task(plane, lambda mends: None, joint) for plane in planes])
            later, self._later = self._later, []
            for go_on in later:
                go_on()

        if stack is not None:
            self._panel.work.run(stack.edited, then)

    def _follow(self, stack: StackLayer, joint: Joint, plane: Plane, way: Way) -> None:
        """Take back, or do again, a step of several planes in those that do not show."""

        def act(other: Plane, mends: Mends) -> Done | None:
            done = stack.line.follow(joint, mends, way)
            if stack.line.is_left(joint, mends, way):
                place = ", ".join(map(str, other))
                with suppress(RuntimeError):  # the window may be gone
                    self._panel.not_mended.emit(_LEFT[way].format(place))
            return done

        if stack is not self._stack:
            return
        if self._looking and joint is self._joint:
            self._later.append(lambda: self._follow(stack, joint, plane, way))
            return
        found = {*joint.steps, *(task.plane for task in self._tasks if task.joint is joint)}
        self.do_in([(one, partial(act, one)) for one in sorted(found - {plane})])

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

"""Links of a stack as buttons: cut, join, divide, and all of them anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_sam2_automask._napari.common.layout import button_grid, small, titled_column
from napari_sam2_automask._napari.live.relinking import Relinking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.plane_switch import PlaneSwitch
    from napari_sam2_automask._napari.mend.canvas import Canvas
    from napari_sam2_automask.stack.links import Links
    from napari_sam2_automask.stack.relabelled import Relabelled

__all__ = ["LinkPanel"]

_BUTTONS = {
    "cut": ("Cut here", "The objects chosen end in the plane before; from this plane on they are others."),
    "join": (
        "Join",
        "Choose an object and press this, then choose one of another plane and press it again: they are one.",
    ),
    "divide": (
        "Divide",
        "Choose an object and press this, then go to the plane in which it has divided, choose its parts "
        "(Ctrl+click in the table) and press it again.",
    ),
    "link": ("Link anew", "Link the objects of all planes as they are now, by how they overlap."),
}
_DONE = {
    "cut": "Object {0} is cut: it is object {1}",
    "join": "Joined into object {0}",
    "divide": "Object {0} has divided",
    "link": "All planes are linked anew",
    "restore": "The links are those that were kept",
}
_BACK = {
    "cut": "Taken back: object {1} is object {0} again",
    "join": "Taken back: what was joined into object {0} is an object of its own again",
    "divide": "Taken back: object {0} has not divided",
    "link": "Taken back: planes have the links of before",
    "restore": "Taken back: planes have the links of the run",
}
_MANY_CUT = "{0} objects are cut: they are others"
_MANY_BACK = "Taken back: {0} objects are again what they were before"


class LinkPanel(QWidget):
    """Shown with a result whose planes are linked.

    Parameters
    ----------
    live : LivePanel
        Whose objects are linked.
    planes : PlaneSwitch
        Knows the stack.
    canvas : Canvas
        Where objects are chosen.

    Attributes
    ----------
    buttons : dict of str to QPushButton
        By the name of what they do.
    relinking : Relinking
        Does it.
    """

    def __init__(self, live: LivePanel, planes: PlaneSwitch, canvas: Canvas) -> None:
        super().__init__()
        self._live, self._planes, self._canvas = live, planes, canvas
        self.relinking = Relinking(live, planes)
        self.buttons = {name: QPushButton(title) for name, (title, _) in _BUTTONS.items()}
        self.message = small(QLabel())
        # What was chosen first, for what takes two presses: the button and the object.
        self._first: tuple[str, int] | None = None
        self._lay_out()
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _, name=name: self.do(name))
        live.begun.connect(self._begin)
        live.ended.connect(self._end)
        self.relinking.relinked.connect(self._on_relinked)
        self.relinking.failed.connect(self._on_failed)
        self.setVisible(False)

    def do(self, what: str) -> None:
        """Do what a button does, with the objects that are chosen in the plane shown."""
        stack, follower = self._planes.stack, self._live.live_layer
        if stack is None or follower is None or follower.plane is None:
            return
        if stack.linked is None:
            self._live.not_mended.emit(
                "the planes are not linked: run with objects linked along z or in time"
            )
            return
        picked, here = self._canvas.picked, stack.position(follower.plane)
        if what == "link":
            count, now = stack.request.source.plane_count, stack.linked.labels_now
            self.relinking.do(lambda links: links.link([now(k) for k in range(count)]))
        elif not picked:
            self._say("Choose an object first: by its row in the table, or by a click with Merge.")
        elif what == "cut":
            self.relinking.do(partial(_cut, picked, here))
        elif self._first is None or self._first[0] != what:
            self._begin_two(what, picked[-1])
        else:
            first, self._first = self._first[1], None
            if what == "join":
                self.relinking.do(lambda links: links.join(first, picked[-1]))
            else:
                self.relinking.do(lambda links: links.divide(first, here, picked))

    def close_down(self) -> None:
        """Do nothing any more."""
        self.relinking.stop()

    def _begin_two(self, what: str, number: int) -> None:
        self._first = what, number
        then = (
            "go to another plane, choose what is the same object there, and press Join again"
            if what == "join"
            else "go to the plane in which it has divided, choose its parts, and press Divide again"
        )
        self._say(f"Object {number}: {then}.")

    def _lay_out(self) -> None:
        for name, button in self.buttons.items():
            button.setToolTip(_BUTTONS[name][1])
            button.setAccessibleName(f"Links: {_BUTTONS[name][0]}")
        titled_column(self, "Links", button_grid(self.buttons.values(), 2), self.message)
        self.message.setVisible(False)

    def _begin(self) -> None:
        self._first = None
        self._say("")
        self.setVisible(self.relinking.links is not None)

    def _end(self) -> None:
        self.setVisible(False)

    def _on_relinked(self, change: Relabelled) -> None:
        self._first = None
        self._canvas.choose(0)
        planes = sorted(change.numbers)
        words = (_BACK if change.back else _DONE)[change.action]
        if change.action == "cut" and (count := len(change.labels) // 2) > 1:
            words = (_MANY_BACK if change.back else _MANY_CUT).format(count)
        self._say(words.format(*change.labels) + _where(planes))

    def _on_failed(self, reason: str) -> None:
        self._say(reason[:1].upper() + reason[1:].rstrip(".") + ".")

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))


def _where(planes: list[int]) -> str:
    """Return the end of a sentence about planes, of which not all may be in view."""
    if not planes:
        return "."
    first, last = planes[0], planes[-1]
    return f" in plane {first}." if first == last else f" in planes {first} to {last}."


def _cut(picked: Sequence[int], plane: int, links: Links) -> Relabelled:
    """Cut objects in one step; of several those that begin in the plane are others than before already."""
    before = [number for number in picked if min(links.planes_of(number)) < plane]
    return links.cut(before or picked[:1], plane)

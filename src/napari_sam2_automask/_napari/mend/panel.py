"""The tools of Mend mode as buttons, undo and redo, and what is locked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_sam2_automask._napari.common.layout import button_grid, roomy, small, titled_column
from napari_sam2_automask._napari.mend.canvas import NOTHING_TO_FOLLOW, Canvas
from napari_sam2_automask._napari.mend.keys import Keys, keys_from
from napari_sam2_automask._napari.mend.own_labels import OwnLabels
from napari_sam2_automask._napari.mend.tools import EVERYWHERE, TOOLS

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.live.panel import LivePanel

__all__ = ["MendPanel"]

_COLUMNS = 5
_DONE = {
    "add": "Added object {0}.",
    "remove": "Removed.",
    "merge": "Merged into object {0}. Click on more of it; Esc begins another.",
    "split": "Split into {1}.",
    "step": "{1} there now.",
    "reshape": "Object {0} has another shape.",
    "grow": "Outline moved; click again to go on.",
    "lock": "Locked object {0}.",
    "release": "Released.",
    "paint": "Taken over what you painted.",
}


class MendPanel(QWidget):
    """Shown with a result.

    Parameters
    ----------
    viewer : Viewer
        Where the result is.
    live : LivePanel
        Whose objects are mended.
    store : Store
        Holds the keys that a person chose.

    Attributes
    ----------
    buttons : dict of str to QPushButton
        By the name of the tool; at most one is pressed.
    canvas : Canvas
        What clicks in the viewer do.
    own_labels : OwnLabels
        Takes labels from anywhere.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    def __init__(self, viewer: Viewer, live: LivePanel, store: Store) -> None:
        super().__init__()
        self._viewer, self._live = viewer, live
        self.canvas = Canvas(viewer, live)
        self.buttons = {name: QPushButton(tool.title) for name, tool in TOOLS.items()}
        self.message, self.locked = small(QLabel()), QLabel()
        self.release = QPushButton("Release all")
        self.own_labels = OwnLabels(viewer, live)
        self.keys = Keys(self._commands(), keys_from(store.get("mend_keys")))
        self._lay_out()
        for name, button in self.buttons.items():
            button.clicked.connect(lambda pressed, name=name: self.take(name if pressed else ""))
        self.release.clicked.connect(self._on_release)
        self.canvas.said.connect(self._say)
        self.own_labels.taken.connect(self._say)
        live.mended.connect(self._on_mended)
        live.begun.connect(self._begin)
        live.drawn.connect(self._count)
        live.switched.connect(self._count)
        live.ended.connect(self._end)
        dimensions = (viewer.dims.events.ndisplay, self._on_dimensions)
        dimensions[0].connect(dimensions[1])
        self.connections: list[tuple[Any, Any]] = [dimensions, *self.own_labels.connections]
        self.setVisible(False)

    @property
    def tool(self) -> str:
        """The tool that is pressed; empty for none."""
        return self.canvas.tool

    def take(self, tool: str) -> None:
        """Press a tool's button, or none."""
        if tool and self._viewer.dims.ndisplay != 2:
            self._say("Mending needs 2-D: press the button with the cube below the layers.")
            tool = ""
        self.canvas.take(tool)
        tool = self.canvas.tool
        for name, button in self.buttons.items():
            button.setChecked(name == tool)
        follower = self._live.live_layer
        layer = follower.layer if tool and follower is not None else None
        self.keys.bind(layer, drawing=tool == "brush")
        if tool and follower is not None:
            self._viewer.layers.selection.active = follower.layer
            self._say("")
        words = [TOOLS[tool].help, EVERYWHERE][: 1 if tool == "brush" else 2] if tool else []
        self._viewer.help = "; ".join(words)

    def leave(self) -> None:
        """Take back what was begun: the seeds, then what is chosen, then the tool."""
        if self.canvas.give_up():
            self._say("")
        elif not self.canvas.chosen:
            self.take("")
        self.canvas.choose(0)

    def close_down(self) -> None:
        """Listen to nothing any more."""
        self.take("")
        self.canvas.close()

    def _commands(self) -> dict[str, Any]:
        return {
            "remove": self.canvas.remove,
            "whole": lambda: self.canvas.step("whole"),
            "parts": lambda: self.canvas.step("parts"),
            "grow": lambda: self.canvas.grow("grow"),
            "shrink": lambda: self.canvas.grow("shrink"),
            "lock": self.canvas.lock,
            "apply": self.canvas.apply,
            "sign": self.canvas.turn_sign,
            "leave": self.leave,
            "undo": self._live.undo_last,
            "redo": self._live.redo_last,
        }

    def _lay_out(self) -> None:
        for name, button in self.buttons.items():
            button.setCheckable(True)
            button.setToolTip(TOOLS[name].tip)
            button.setAccessibleName(f"Mend: {TOOLS[name].title}")
        self.release.setToolTip("Let all mended and removed objects follow the sliders again.")
        roomy(self.release)
        row = QHBoxLayout()
        row.addWidget(self.locked, 1)
        row.addWidget(self.release)
        grid = button_grid(self.buttons.values(), _COLUMNS)
        titled_column(self, "Mend", grid, self.message, row, self.own_labels)
        self.message.setVisible(False)

    def _begin(self) -> None:
        tool = self.tool
        self.setVisible(True)
        self._say("")
        self._count()
        self.take(tool)

    def _end(self) -> None:
        self.take("")
        self.setVisible(False)

    def _on_dimensions(self, event: Any = None) -> None:
        if self._viewer.dims.ndisplay != 2:
            if self.tool:
                self.take("")
                self._say("Mending needs 2-D.")
        else:  # the message goes with its cause
            self._say("")

    def _on_mended(self, done: Any) -> None:
        words = _DONE.get(done.action.action, "") if done.labels or done.action.action == "remove" else ""
        count = f"{len(done.labels)} part{'' if len(done.labels) == 1 else 's'}"
        self._say(words.format(done.labels[0] if done.labels else 0, count))

    def _count(self) -> None:
        follower = self._live.live_layer
        locked, removed = (len(follower.locked), len(follower.rejected)) if follower is not None else (0, 0)
        parts = [f"{n:,} {word}" for n, word in ((locked, "locked"), (removed, "removed")) if n]
        self.locked.setText(", ".join(parts))
        self.locked.setVisible(bool(parts))
        self.release.setVisible(bool(parts) and follower is not None and follower.selects)

    def _on_release(self) -> None:
        follower = self._live.live_layer
        if follower is not None and not follower.selects:
            self._say(NOTHING_TO_FOLLOW)
        else:
            self._live.mend(lambda mends: mends.release())

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))

"""Mending from napari's command palette: each function is a command, and acts on the result of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
from napari.utils.notifications import show_info

from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.result import result_in

if TYPE_CHECKING:
    from napari_sam2_automask._napari.result import Result

__all__ = [
    "accept",
    "add",
    "ask",
    "brush",
    "grow",
    "links_anew",
    "links_cut",
    "links_divide",
    "links_join",
    "lock",
    "merge",
    "next_object",
    "own_labels",
    "parts",
    "redo",
    "release",
    "remove",
    "shrink",
    "split",
    "undo",
    "whole",
]


def _result() -> Result | None:
    """Return the result of the window in front; say so where there is none."""
    viewer = napari.current_viewer()
    result = None if viewer is None else result_in(viewer)
    if result is None:
        show_info(
            "There is no result to mend: open SAM 2 AutoMask and run it on an image, or press Mend labels "
            "there."
        )
    return result


def _take(tool: str) -> None:
    if (result := _result()) is not None:
        result.mend.take(tool)


def add() -> None:
    """Take the tool that adds objects."""
    _take("add")


def ask() -> None:
    """Take the tool that asks the model."""
    _take("ask")


def remove() -> None:
    """Take the tool that removes objects."""
    _take("remove")


def merge() -> None:
    """Take the tool that merges objects."""
    _take("merge")


def split() -> None:
    """Take the tool that splits objects."""
    _take("split")


def parts() -> None:
    """Take the tool that goes on to parts."""
    _take("parts")


def whole() -> None:
    """Take the tool that goes on to wholes."""
    _take("whole")


def shrink() -> None:
    """Take the tool that makes objects narrower."""
    _take("shrink")


def grow() -> None:
    """Take the tool that makes objects wider."""
    _take("grow")


def brush() -> None:
    """Take napari's brush with a new number."""
    _take("brush")


def undo() -> None:
    """Take the last step back."""
    if (result := _result()) is not None:
        result.live.undo_last()


def redo() -> None:
    """Do the step again that was taken back last."""
    if (result := _result()) is not None:
        result.live.redo_last()


def lock() -> None:
    """Lock the objects that are chosen, or release them."""
    if (result := _result()) is not None:
        result.mend.canvas.lock()


def release() -> None:
    """Give everything back to the settings."""
    if (result := _result()) is not None:
        result.mend.release.click()


def next_object() -> None:
    """Go to the next object of the table, the next doubtful one as sorted at first."""
    if (result := _result()) is not None:
        result.table.go(1)


def accept() -> None:
    """Lock the objects of the rows that are selected, and go on to the next."""
    if (result := _result()) is not None:
        result.table.accept.click()


def own_labels() -> None:
    """Make the labels of the active layer the objects of the result."""
    if (result := _result()) is None:
        return
    viewer, offered = napari.current_viewer(), result.mend.own_labels
    active = None if viewer is None else unwrapped(viewer.layers.selection.active)
    chosen = next((layer for layer in offered.others if layer is active), None)
    if chosen is None:
        show_info("Make a Labels layer active that lies on the result, and is not the result itself.")
    else:
        offered.take(chosen)


def links_cut() -> None:
    """Let the objects that are chosen be others from this plane on."""
    _link("cut")


def links_join() -> None:
    """Let the object that is chosen be the one that was chosen before in another plane."""
    _link("join")


def links_divide() -> None:
    """Let the object that was chosen before divide into those that are chosen in this plane."""
    _link("divide")


def links_anew() -> None:
    """Link the objects of all planes as they are now."""
    _link("link")


def _link(what: str) -> None:
    if (result := _result()) is not None:
        result.links.do(what)

"""The tools of Mend mode: what each is called, and what is said in the status bar while it is pressed."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EVERYWHERE", "TOOLS", "Tool"]


class Tool(NamedTuple):
    """A tool.

    Attributes
    ----------
    name, title : str
        What it is called in code and on its button.
    tip : str
        What it does, in a sentence or two.
    help : str
        How it is used, in a few words.
    """

    name: str
    title: str
    tip: str
    help: str


#: What works with every tool but the brush.
EVERYWHERE = "Ctrl+click removes, Alt+click merges, Esc leaves"

TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "add",
            "Add",
            "Click where an object is missing: the best mask that the run has found there is added at once. "
            "Its outline shows before the click. Where none lies, the model is asked.",
            "Click where an object is missing",
        ),
        Tool(
            "ask",
            "Ask",
            "Ask the model for an object that the run has not found: click on it, or drag a box around it, "
            "or with Alt draw a line along it. Shift+click says what is not part of it. A click on an object "
            "that is there shapes it anew. Enter takes what is outlined.",
            "Click on an object or drag a box around it, Shift+click beside it, Enter takes it",
        ),
        Tool(
            "remove",
            "Remove",
            "Click on an object: it goes, and nothing comes back in its place, whatever the sliders say.",
            "Click on an object to remove it",
        ),
        Tool(
            "merge",
            "Merge",
            "Click on the parts of one object, one after the other: each joins the first. Esc begins anew.",
            "Click on the parts of one object",
        ),
        Tool(
            "split",
            "Split",
            "Draw a line across an object; or click on each of its parts and press Enter. No pixel is lost.",
            "Draw across an object, or click on its parts and press Enter",
        ),
        Tool(
            "parts",
            "Parts",
            "Click on an object: it goes on to the next smaller mask that the run has found there, and its "
            "neighbours of the same whole come with it.",
            "Click on an object for its parts",
        ),
        Tool(
            "whole",
            "Whole",
            "Click on an object: it goes on to the next larger mask that the run has found there, which "
            "takes in the objects that lie in it.",
            "Click on an object for the whole that it is part of",
        ),
        Tool(
            "shrink",
            "Shrink",
            "Click on an object whose outline lies too far out: it loses one pixel all around; Shift+click "
            "takes five. Of several that are chosen, a click on one does it to all.",
            "Click on an object to make it one pixel narrower, Shift+click five",
        ),
        Tool(
            "grow",
            "Grow",
            "Click on an object whose outline lies too far in: it gains one pixel all around, where no other "
            "object lies; Shift+click gives five. Of several that are chosen, a click on one does it to all.",
            "Click on an object to make it one pixel wider, Shift+click five",
        ),
        Tool(
            "brush",
            "Brush",
            "Paint by hand with napari's brush, with a new number; its eraser, fill and polygon work as "
            "always. What you painted stays.",
            "Paint a new object; napari's own tools work as always",
        ),
    )
}

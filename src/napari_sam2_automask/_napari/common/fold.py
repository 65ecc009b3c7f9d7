"""A section that is folded up: says its state in a word, and nothing in it can be reached by the keyboard."""

from __future__ import annotations

from qtpy.QtWidgets import QSizePolicy
from superqt import QCollapsible

__all__ = ["Fold"]


class Fold(QCollapsible):
    """A collapsible section with a state beside its title.

    Parameters
    ----------
    title : str
        What it holds.
    tip : str
        What it is for, in a sentence.
    """

    def __init__(self, title: str, tip: str) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
        self._title = title
        button = self.toggleButton()
        button.setToolTip(tip)
        button.setStyleSheet(
            "QPushButton { text-align: left; border: none; background: transparent; padding: 2px; }"
            "QPushButton:focus, QPushButton:hover { text-decoration: underline; }"
        )
        # A long state is cut off; it never widens the dock.
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for folded, left in ((self, 0), (self.content(), 4)):
            if (its_layout := folded.layout()) is not None:
                its_layout.setContentsMargins(left, left, 0, 0)
        # Of no height alone, its controls would still be stops of the tab key.
        self.content().setVisible(False)
        self.toggled.connect(self.content().setVisible)

    def tell(self, state: str) -> None:
        """Say a state beside the title; an empty one says nothing."""
        self.setText(f"{self._title}  ({state})" if state else self._title)

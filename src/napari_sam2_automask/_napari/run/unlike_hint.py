"""What is said, and offered, where an image is unlike what the model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal, roomy, small
from napari_sam2_automask.selection.familiarity import UNFAMILIAR

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UnlikeHint", "unlike_text"]

#: The model that is offered: Meta's smallest.
OTHER = "sam2.1-tiny"
#: From this share of the planes of a stack on it is said: single ones may be blurred or empty.
SHARE = 0.2


class UnlikeHint(QWidget):
    """Hidden unless the result is of an image that the model hardly knows.

    Attributes
    ----------
    learn_wanted : Qt signal
        A person wants the model to learn.
    model_wanted : Qt signal
        Emits the name of the model that a person wants to try.
    """

    learn_wanted, model_wanted = Signal(), Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.message = small(QLabel())
        self.message.setWordWrap(True)
        self.learn, self.other = QPushButton("Learn from these"), QPushButton("Choose SAM 2.1")
        self.learn.setToolTip(
            "Mend some objects first: the model learns from them, in minutes, without a GPU."
        )
        self.other.setToolTip(
            "Meta's smallest model, which has seen millions of photographs: then run again."
        )
        buttons = QHBoxLayout()
        for button in (self.learn, self.other):
            roomy(button)
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.message)
        layout.addLayout(buttons)
        self.learn.clicked.connect(self.learn_wanted)
        self.other.clicked.connect(self._want_other)
        self.setVisible(False)

    def _want_other(self) -> None:
        self.model_wanted.emit(OTHER)

    def tell(self, record: Mapping[str, Any]) -> None:
        """Show what there is to say of a run, by its record."""
        text = unlike_text(record)
        self.message.setText(text)
        self.setVisible(bool(text))


def unlike_text(record: Mapping[str, Any]) -> str:
    """Say that an image, or which part of a stack, is unlike what the model knows; empty if it is not."""
    planes = record.get("planes") or [record]
    count = sum(bool(plane.get("unfamiliar")) for plane in planes)
    if not count or count < SHARE * len(planes):
        return ""
    what = "This image is" if len(planes) == 1 else f"{count:,} of {len(planes):,} planes are"
    return (
        f"{what} {UNFAMILIAR}: look closely. Mend some objects and let it learn, or choose SAM 2.1 and run "
        "again."
    )

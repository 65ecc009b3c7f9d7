"""What the parts of the widget share: the look of their forms, and the name of Qt signals."""

from __future__ import annotations

# qtpy gives it this name for every binding; only its stubs do not say so.
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QAbstractButton, QFormLayout, QLabel, QSizePolicy, QWidget

__all__ = ["Signal", "choice_form", "choice_label", "roomy", "small"]

#: Width of the names of choices in pixels, the same in all parts so that they line up.
LABEL_WIDTH = 66


def choice_form(parent: QWidget | None = None) -> QFormLayout:
    """Return a form of named choices without margins, for `parent` if given."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(6)
    form.setVerticalSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def choice_label(text: str) -> QLabel:
    """Return the name of a choice."""
    label = QLabel(text)
    label.setFixedWidth(LABEL_WIDTH)
    return label


def small(label: QLabel) -> QLabel:
    """Have a label wrap its text, and never widen the dock."""
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def roomy(*buttons: QAbstractButton) -> None:
    """Give buttons that stand beside something some room around their text; napari's style gives none."""
    for button in buttons:
        button.setMinimumWidth(button.fontMetrics().horizontalAdvance(button.text()) + 18)

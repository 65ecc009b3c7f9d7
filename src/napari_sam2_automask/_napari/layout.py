"""The look that the upper parts of the widget share."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

__all__ = ["choice_form", "choice_label"]

#: Width of the names of choices in pixels, the same in all parts so that they line up.
LABEL_WIDTH = 64


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

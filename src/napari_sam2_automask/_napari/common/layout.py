"""What the parts of the widget share: the look of their forms, and the name of Qt signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

# qtpy gives it this name for every binding; only its stubs do not say so.
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractButton,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Signal", "button_grid", "choice_form", "choice_label", "roomy", "small", "titled_column"]

#: Width of the names of choices in pixels, the same in all parts so that they line up.
LABEL_WIDTH = 66
# Pixels that a button has beside its text where there is room.
_BESIDE = 18


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
        button.setMinimumWidth(button.fontMetrics().horizontalAdvance(button.text()) + _BESIDE)


def titled_column(panel: QWidget, title: str, *parts: QWidget | QLayout) -> None:
    """Lay parts of a panel out below each other, under a title."""
    heading = QLabel(title)
    heading.setStyleSheet("font-weight: bold;")
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(3)
    for part in (heading, *parts):
        if isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)


def button_grid(buttons: Iterable[QAbstractButton], columns: int) -> QGridLayout:
    """Return buttons in rows, as wide as the dock lets them be: a column has what its longest word needs."""
    grid = QGridLayout()
    grid.setSpacing(2)
    for k, button in enumerate(buttons):
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        column, needed = k % columns, button.fontMetrics().horizontalAdvance(button.text()) + _BESIDE
        grid.addWidget(button, k // columns, column)
        grid.setColumnStretch(column, max(grid.columnStretch(column), needed))
    return grid

"""The choice of detail: presets side by side, what the chosen one costs, and the way back to it."""

from __future__ import annotations

from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal, choice_form, choice_label, small
from napari_sam2_automask.settings.presets import PRESETS, Preset

__all__ = ["PresetChoice"]

#: The preset that stands apart: for comparing with published results, not for finding objects.
APART = "sam2-defaults"


class PresetChoice(QWidget):
    """Buttons of presets; says *custom (from Fine)* once a setting was changed by hand.

    Attributes
    ----------
    buttons : dict of str to QPushButton
        By the name of the preset.
    defaults : QPushButton
        The button of SAM 2's own defaults; stands elsewhere.
    state : QLabel
        The preset chosen, or what custom settings were made from.
    cost : QLabel
        What a run costs.
    chosen : Qt signal
        A person chose a preset, or asked for it back.
    """

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._custom, self._name = False, "balanced"
        self.buttons = {name: QPushButton(preset.title) for name, preset in PRESETS.items()}
        self.defaults = self.buttons[APART]
        self._group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(1)
        for name, button in self.buttons.items():
            button.setCheckable(True)
            button.setToolTip(PRESETS[name].purpose)
            button.setAccessibleName(f"Detail: {PRESETS[name].title}")
            button.clicked.connect(lambda _, name=name: self.press(name))
            self._group.addButton(button)
            if name != APART:
                button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                # As wide as its word wants: all of them are read at 300 pixels with a scroll bar.
                row.addWidget(button, len(PRESETS[name].title) + 2)
        self.reset = QPushButton("Back")
        self.reset.setVisible(False)
        self.state, self.cost = QLabel(), small(QLabel())
        told = QHBoxLayout()
        told.addWidget(self.state, 1)
        told.addWidget(self.reset)
        form = choice_form()
        form.addRow(choice_label("Detail"), row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addLayout(told)
        layout.addWidget(self.cost)
        self.reset.clicked.connect(lambda: self.press(self._name))
        self.choose("balanced")

    @property
    def preset(self) -> Preset:
        """The preset that is chosen, or that the custom settings were made from."""
        return PRESETS[self._name]

    @property
    def custom(self) -> bool:
        """Whether the settings were changed by hand."""
        return self._custom

    @property
    def told(self) -> str:
        """What is chosen, in words."""
        return f"custom (from {self.preset.title})" if self._custom else self.preset.title

    def choose(self, name: str, custom: bool = False) -> None:
        """Show a preset, or that the settings are custom and were made from it."""
        self._name, self._custom = name if name in PRESETS else self._name, custom
        self.buttons[self._name].setChecked(True)
        apart = custom or self._name == APART
        self.state.setText(self.told)
        self.state.setVisible(apart)
        self.reset.setText(f"Back to {self.preset.title}")
        self.reset.setToolTip(f"Undo all changes to the parameters of {self.preset.title}.")
        self.reset.setVisible(custom)

    def press(self, name: str) -> None:
        """Choose a preset as a person does."""
        self.choose(name)
        self.chosen.emit()

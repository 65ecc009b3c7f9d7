"""The choice of the preset: what it is for, what it costs, and the way back to it."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal, choice_form, choice_label
from napari_sam2_automask.settings.presets import PRESETS, Preset

__all__ = ["PresetChoice"]


class PresetChoice(QWidget):
    """A combo box of presets; shows ``custom (from fine)`` once a setting was changed by hand.

    Attributes
    ----------
    chosen : Qt signal
        A person chose a preset, or asked for it back.
    """

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._custom = False
        self.combo = QComboBox()
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for preset in PRESETS.values():
            self.combo.addItem(preset.title, preset.name)
        self.reset = QPushButton("Back")
        self.reset.setVisible(False)
        form = choice_form()
        form.addRow(choice_label("Preset"), self.combo)
        form.addRow("", self.reset)
        self.purpose, self.cost = _small_label(), _small_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.purpose)
        layout.addWidget(self.cost)
        self.combo.activated.connect(self._on_activated)
        self.reset.clicked.connect(self._back)
        self.choose("balanced")

    @property
    def preset(self) -> Preset:
        """The preset that is chosen, or that the custom settings were made from."""
        return PRESETS[self.combo.currentData()]

    @property
    def custom(self) -> bool:
        """Whether the settings were changed by hand."""
        return self._custom

    def choose(self, name: str, custom: bool = False) -> None:
        """Show a preset, or that the settings are custom and were made from it."""
        self._custom = custom
        for i in range(self.combo.count()):
            self.combo.setItemText(i, PRESETS[self.combo.itemData(i)].title)
        position = max(0, self.combo.findData(name))
        self.combo.setCurrentIndex(position)
        title = self.preset.title
        if custom:
            self.combo.setItemText(position, f"custom (from {title.lower() if title.isalpha() else title})")
        self.combo.setToolTip(self.preset.purpose)
        self.reset.setText(f"Back to {title}")
        self.reset.setToolTip(f"Undo all changes to the parameters of {title}.")
        self.reset.setVisible(custom)
        self.purpose.setText(self.preset.purpose)

    def _on_activated(self, index: int) -> None:
        self.choose(self.combo.itemData(index))
        self.chosen.emit()

    def _back(self) -> None:
        self.choose(self.preset.name)
        self.chosen.emit()


def _small_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setStyleSheet("font-size: 11px;")
    return label

"""One's own presets: the settings shown saved to a file, and others loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QInputDialog, QPushButton, QWidget

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.settings.preset_file import load_preset, save_preset
from napari_sam2_automask.settings.presets import Preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["PresetFiles"]

FILES = "Presets (*.json)"


class PresetFiles(QWidget):
    """Two buttons.

    Parameters
    ----------
    settings : callable
        Returns the settings to save.

    Attributes
    ----------
    settings_wanted : Qt signal
        Emits the settings of a preset that was loaded.
    """

    settings_wanted = Signal(object)

    def __init__(self, settings: Callable[[], AmgSettings]) -> None:
        super().__init__()
        self._settings = settings
        self.save, self.load = QPushButton("Save preset ..."), QPushButton("Load preset ...")
        self.save.setToolTip("Save all parameters as a preset of your own, a JSON file that can be shared.")
        self.load.setToolTip("Set all parameters to those of a preset in a file.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.save)
        row.addWidget(self.load)
        self.save.clicked.connect(self._save)
        self.load.clicked.connect(self._load)

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save as preset", "my-preset.json", FILES)
        if not path:
            return
        purpose, agreed = QInputDialog.getText(self, "Save as preset", "What is it for, in a sentence?")
        if agreed:
            name = Path(path).stem
            preset = Preset(name, name, purpose.strip() or "My own settings.", self._settings())
            self._guard(lambda: save_preset(preset, path))

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load preset", "", FILES)
        if path:
            self._guard(lambda: self._take(load_preset(path)))

    def _take(self, preset: Preset) -> None:
        self.settings_wanted.emit(preset.settings)
        if preset.purpose:
            show_info(f"{preset.title}: {preset.purpose}")

    @staticmethod
    def _guard(act: Callable[[], object]) -> None:
        try:
            act()
        except AutomaskError as error:
            show_error(plain(error))

"""The choice of the model, with its state, and of the device. Neither needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFileDialog, QSizePolicy, QWidget

from napari_sam2_automask._napari.common.layout import Signal, choice_form, choice_label
from napari_sam2_automask.models import list_models
from napari_sam2_automask.models.catalogue.identity import presets_of_model

if TYPE_CHECKING:
    from napari_sam2_automask.models import ModelEntry
    from napari_sam2_automask.settings.presets import HasPresets

__all__ = ["ModelChoice"]

DEVICES = {
    "auto": "Automatic",
    "cpu": "CPU",
    "cuda": "CUDA (NVIDIA GPU)",
    "mps": "MPS (Apple GPU)",
}
FILE_ITEM = "From a file ..."


class ModelChoice(QWidget):
    """A combo box of models, and one of devices that stands elsewhere.

    Attributes
    ----------
    combo, device_combo : QComboBox
        The models, and the devices.
    device_row : QWidget
        The choice of the device with its name.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._entries: tuple[ModelEntry, ...] = ()
        self._file: str | None = None
        self._last = 0
        self.combo = QComboBox()
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.device_combo = QComboBox()
        self.device_combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.combo.setAccessibleName("Model")
        self.device_combo.setAccessibleName("Device")
        self.device_combo.setToolTip("Where the model runs. Automatic takes a GPU where there is one.")
        for name, title in DEVICES.items():
            self.device_combo.addItem(title, name)
        form = choice_form(self)
        form.addRow(choice_label("Model"), self.combo)
        self.device_row = QWidget()
        choice_form(self.device_row).addRow(choice_label("Device"), self.device_combo)
        self.refresh()
        self.combo.activated.connect(self._on_chosen)
        self.device_combo.activated.connect(lambda _: self.changed.emit())

    @property
    def model(self) -> str:
        """The model's name, or the path of a file."""
        return str(self.combo.currentData())

    @property
    def device(self) -> str:
        """``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``."""
        return str(self.device_combo.currentData())

    @property
    def family(self) -> str | HasPresets:
        """What presets are resolved for: a learned model with its own, or a family."""
        known = next((entry.family for entry in self._entries if entry.name == self.model), "sam2")
        return presets_of_model(self.model, known)

    def choose(self, model: str, device: str = "auto") -> None:
        """Choose a model by name or file, and a device; what does not exist is left as it is."""
        if self.combo.findData(model) < 0 and Path(model).is_file():
            self._file = model
            self.refresh()
        self.combo.setCurrentIndex(max(0, self.combo.findData(model)))
        self._last = self.combo.currentIndex()
        self.device_combo.setCurrentIndex(max(0, self.device_combo.findData(device)))
        self._explain()

    def refresh(self) -> None:
        """Look again which models are at hand."""
        chosen = self.combo.currentData()
        self._entries = list_models()
        self.combo.clear()
        for entry in self._entries:
            self.combo.addItem(f"{entry.title} - {entry.status}", entry.name)
        if self._file is not None:
            self.combo.addItem(f"{Path(self._file).name} - your file", self._file)
        self.combo.addItem(FILE_ITEM, None)
        self.combo.setCurrentIndex(max(0, self.combo.findData(chosen)) if chosen else 0)
        self._last = self.combo.currentIndex()
        self._explain()

    def _on_chosen(self, index: int) -> None:
        if self.combo.itemData(index) is None:
            path, _ = QFileDialog.getOpenFileName(
                self, "SAM 2 weights", "", "SAM 2 weights (*.pt *.safetensors)"
            )
            if not path:
                self.combo.setCurrentIndex(self._last)
                return
            self.choose(path, self.device)
        self._last = self.combo.currentIndex()
        self._explain()
        self.changed.emit()

    def _explain(self) -> None:
        purpose = next((entry.purpose for entry in self._entries if entry.name == self.model), self.model)
        self.combo.setToolTip(purpose)

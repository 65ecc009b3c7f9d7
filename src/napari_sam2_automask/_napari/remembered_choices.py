"""The choices that the widget remembers from one session to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.common.preferences import LAST_USED, preference
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget
    from superqt import QCollapsible

    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.image.panel import ImagePanel
    from napari_sam2_automask._napari.settings.form import SettingsForm
    from napari_sam2_automask._napari.settings.model_choice import ModelChoice
    from napari_sam2_automask._napari.settings.preset_choice import PresetChoice

__all__ = ["Remembered"]

#: How long after the last change the choices are written, in milliseconds.
SAVE_DELAY = 500


class Remembered(QObject):
    """Restores a widget's choices and writes them down some time after they changed.

    Parameters
    ----------
    parent : QWidget
        What it lives as long as.
    store : Store
        Where they are kept.
    models, images, presets, form, parameters
        The parts of the widget that hold the choices.
    """

    def __init__(
        self,
        parent: QWidget,
        store: Store,
        *,
        models: ModelChoice,
        images: ImagePanel,
        presets: PresetChoice,
        form: SettingsForm,
        parameters: QCollapsible,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._models, self._images, self._presets = models, images, presets
        self._form, self._parameters = form, parameters
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_DELAY)
        self._timer.timeout.connect(self._save)

    def restore(self) -> None:
        """Show the choices of the last session; those that do not fit any more are left out."""
        get = self._store.get
        self._models.choose(self._chosen("model", "bundled"), self._chosen("device", "auto"))
        self._images.restore(get("contrast", "layer"))
        self._presets.choose(self._chosen("preset", "balanced"))
        settings = self._presets.preset.for_model(self._models.family)
        if get("custom") and preference("preset") == LAST_USED:
            try:
                settings = AmgSettings.from_json(get("custom"))
                self._presets.choose(self._presets.preset.name, custom=True)
            except (SettingsError, TypeError):  # written by another version
                pass
        self._form.show(settings)
        if get("unfolded", False):
            self._parameters.expand(animate=False)

    def _chosen(self, name: str, otherwise: str) -> str:
        """Return what napari's Preferences say, or else what was used last."""
        chosen = preference(name)
        return str(self._store.get(name, otherwise) if chosen == LAST_USED else chosen)

    def save_soon(self) -> None:
        """Write the choices down when nothing has changed for a while."""
        self._timer.start()

    def save_if_pending(self) -> None:
        """Write the choices down now if they have changed."""
        if self._timer.isActive():
            self._timer.stop()
            self._save()

    def _save(self) -> None:
        self._store.put(
            model=self._models.model,
            device=self._models.device,
            contrast=self._images.contrast,
            preset=self._presets.preset.name,
            custom=self._form.settings.to_json() if self._presets.custom else None,
            unfolded=self._parameters.isExpanded(),
        )

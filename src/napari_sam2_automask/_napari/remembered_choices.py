"""The choices that the widget remembers from one session to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.widget import AutomaskWidget

__all__ = ["Remembered"]

#: How long after the last change the choices are written, in milliseconds.
SAVE_DELAY = 500


class Remembered(QObject):
    """Restores a widget's choices and writes them down some time after they changed.

    Parameters
    ----------
    widget : AutomaskWidget
        Whose choices.
    store : Store
        Where they are kept.
    """

    def __init__(self, widget: AutomaskWidget, store: Store) -> None:
        super().__init__(widget)
        self._widget, self._store = widget, store
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_DELAY)
        self._timer.timeout.connect(self._save)

    def restore(self) -> None:
        """Show the choices of the last session; those that do not fit any more are left out."""
        widget, get = self._widget, self._store.get
        widget.models.choose(get("model", "bundled"), get("device", "auto"))
        widget.images.restore(get("contrast", "layer"))
        widget.presets.choose(get("preset", "balanced"))
        settings = widget.presets.preset.for_model(widget.models.family)
        if get("custom"):
            try:
                settings = AmgSettings.from_json(get("custom"))
                widget.presets.choose(widget.presets.preset.name, custom=True)
            except (SettingsError, TypeError):  # written by another version
                pass
        widget.form.show(settings)
        if get("unfolded", False):
            widget.parameters.expand(animate=False)

    def save_soon(self) -> None:
        """Write the choices down when nothing has changed for a while."""
        self._timer.start()

    def save_if_pending(self) -> None:
        """Write the choices down now if they have changed."""
        if self._timer.isActive():
            self._timer.stop()
            self._save()

    def _save(self) -> None:
        widget = self._widget
        self._store.put(
            model=widget.models.model,
            device=widget.models.device,
            contrast=widget.images.contrast,
            preset=widget.presets.preset.name,
            custom=widget.form.settings.to_json() if widget.presets.custom else None,
            unfolded=widget.parameters.isExpanded(),
        )

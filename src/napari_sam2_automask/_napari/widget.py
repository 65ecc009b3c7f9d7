"""The dock widget: an image, a model, a preset, and one button."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_sam2_automask._napari.costs import cost_text
from napari_sam2_automask._napari.form import SettingsForm, ignore_stray_wheel
from napari_sam2_automask._napari.image_panel import ImagePanel
from napari_sam2_automask._napari.live_layer import LiveLayer, retell
from napari_sam2_automask._napari.live_panel import LivePanel
from napari_sam2_automask._napari.model_choice import ModelChoice
from napari_sam2_automask._napari.point_grid import grid_from_points
from napari_sam2_automask._napari.preset_choice import PresetChoice
from napari_sam2_automask._napari.replay import as_command, as_python
from napari_sam2_automask._napari.request import Request
from napari_sam2_automask._napari.run_panel import RunPanel
from napari_sam2_automask._napari.segmenter import engine_segmenter
from napari_sam2_automask._napari.session import RunSession
from napari_sam2_automask._napari.store import Store, default_store
from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.settings import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam2_automask._napari.controller import Controller, Finished
    from napari_sam2_automask._napari.outcome import Outcome, Segmenter
    from napari_sam2_automask.settings import PointGrids

__all__ = ["AutomaskWidget"]

#: How long after the last change the choices are written, in milliseconds.
SAVE_DELAY = 500
#: Pixels of room beside the choices: napari's style widens them a little after they were first measured.
SIDE_MARGIN = 8


class AutomaskWidget(QWidget):
    """Segments everything in an image layer.

    Parameters
    ----------
    napari_viewer : Viewer
        The viewer that the widget is docked in.
    segmenter : Segmenter, optional
        What segments a plane; the engine when left out.
    store : Store, optional
        Where choices are remembered; napari's configuration folder when left out.
    """

    def __init__(
        self, napari_viewer: Viewer, *, segmenter: Segmenter | None = None, store: Store | None = None
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._store = default_store() if store is None else store
        self._main_window: QMainWindow | None = None
        self._live_run: Finished | None = None

        self.images = ImagePanel(napari_viewer)
        self.models = ModelChoice()
        self.presets = PresetChoice()
        self.form = SettingsForm(self._points_from_layer)
        self.live = LivePanel()
        self.parameters = QCollapsible("All parameters", expandedIcon="▾", collapsedIcon="▸")
        self.run_panel = RunPanel()
        self.session = RunSession(
            napari_viewer,
            self.run_panel,
            segmenter or engine_segmenter(),
            self._store,
            self._request_and_image,
        )
        self.copy_python = QPushButton("Copy as Python")
        self.copy_command = QPushButton("Copy as command")
        self._save_timer = QTimer(self)
        self._lay_out()
        self._restore()
        self._connect()
        self._show_costs()

    # -- construction

    def _lay_out(self) -> None:
        for folded, left in ((self.parameters, 0), (self.parameters.content(), 4)):
            if (its_layout := folded.layout()) is not None:
                its_layout.setContentsMargins(left, left, 0, 0)
        self.parameters.addWidget(self.form.native)
        self.copy_python.setToolTip("Put Python that repeats this run on the clipboard.")
        self.copy_command.setToolTip("Put the command line that repeats this run on the clipboard.")
        inner = QWidget()
        choices = QVBoxLayout(inner)
        choices.setContentsMargins(0, 0, 10, 0)
        choices.setSpacing(10)
        for part in (self.images, self.models, self.presets, self.live, self.parameters):
            choices.addWidget(part)
        choices.addStretch(1)
        self._wheel_guard = ignore_stray_wheel(inner)
        scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        copies = QHBoxLayout()
        copies.addWidget(self.copy_python)
        copies.addWidget(self.copy_command)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.run_panel)
        layout.addLayout(copies)
        self._scroll, self._choices = scroll, inner

    def _connect(self) -> None:
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(SAVE_DELAY)
        self._save_timer.timeout.connect(self._save)
        self.images.changed.connect(self._show_costs)
        self.images.view_wanted.connect(self.session.show_model_view)
        self.session.ended.connect(self._on_ended)
        self.session.placed.connect(self._begin_live)
        self.live.settings_wanted.connect(self._show_settings)
        self.live.settled.connect(self._remember_live)
        self.live.run_wanted.connect(self.run)
        self.models.changed.connect(self._on_model)
        self.presets.chosen.connect(self._load_preset)
        self.form.changed.connect(self._on_settings)
        self.form.refused.connect(show_warning)
        self.parameters.toggled.connect(lambda _: self._save_timer.start())
        self.copy_python.clicked.connect(lambda: self._copy(as_python, "Python"))
        self.copy_command.clicked.connect(lambda: self._copy(self._command, "command"))
        # Destroyed in the middle of a run: these must not need this object, which is already gone.
        self.destroyed.connect(
            partial(_let_go, self.session.controller, self.images.layer_choice.connections)
        )
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)

    def _restore(self) -> None:
        get = self._store.get
        self.models.choose(get("model", "bundled"), get("device", "auto"))
        self.images.restore(get("contrast", "layer"))
        self.presets.choose(get("preset", "balanced"))
        settings = self.presets.preset.for_model(self.models.family)
        if get("custom"):
            try:
                settings = AmgSettings.from_json(get("custom"))
                self.presets.choose(self.presets.preset.name, custom=True)
            except (SettingsError, TypeError):  # written by another version
                pass
        self.form.show(settings)
        if get("unfolded", False):
            self.parameters.expand(animate=False)

    def _save(self) -> None:
        self._store.put(
            model=self.models.model,
            device=self.models.device,
            contrast=self.images.contrast,
            preset=self.presets.preset.name,
            custom=self.form.settings.to_json() if self.presets.custom else None,
            unfolded=self.parameters.isExpanded(),
        )

    def _save_if_pending(self) -> None:
        if self._save_timer.isActive():
            self._save_timer.stop()
            self._save()

    # -- choices

    def _on_model(self) -> None:
        if not self.presets.custom:  # presets have settings of their own for some models
            self.form.show(self.presets.preset.for_model(self.models.family))
        self._show_costs()

    def _load_preset(self) -> None:
        self.form.show(self.presets.preset.for_model(self.models.family))
        self.live.follow(self.form.settings)
        self._show_costs()

    def _show_settings(self, settings: AmgSettings) -> None:
        self.form.show(settings)
        self._on_settings(settings)

    def _on_settings(self, settings: AmgSettings) -> None:
        preset = self.presets.preset
        self.presets.choose(preset.name, custom=settings != preset.for_model(self.models.family))
        self.live.follow(settings)
        self._show_costs()

    def _show_costs(self) -> None:
        text = cost_text(
            self.form.settings, self.models.model, self.models.device, self.images.plane_count, self._store
        )
        self.presets.cost.setText(text)
        self._save_timer.start()

    def _points_from_layer(self) -> PointGrids | None:
        try:
            return grid_from_points(self._viewer, self.images.layer)
        except AutomaskError as error:
            show_warning(str(error))
            return None

    # -- running

    def request(self) -> Request:
        """Return what Run would do now.

        Raises
        ------
        AutomaskError
            If there is no image to segment.
        """
        source = self.images.source()
        return Request(
            source=source,
            settings=self.form.settings,
            preset=self.presets.preset.name,
            custom=self.presets.custom,
            model=self.models.model,
            device=self.models.device,
            contrast=self.images.contrast,
            indices=tuple(source.all_indices()) if self.images.all_planes else (source.index,),
        )

    def run(self) -> None:
        """Start a run, as the button does."""
        self.session.run()

    def cancel(self) -> None:
        """Stop the run and keep what it found, as the button does."""
        self.session.cancel()

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.session.running

    def shut_down(self) -> None:
        """Cancel what is running and let go of the viewer; the widget is of no use afterwards."""
        self._save_if_pending()
        self.live.end()
        self.session.close()
        _let_go(self.session.controller, self.images.layer_choice.connections)

    def _begin_live(self, finished: Finished, outcome: Outcome, layer: Labels) -> None:
        """Let the result follow the settings from now on."""
        self._live_run = finished
        if outcome.live is None:
            self.live.end()
            return
        settings = finished.request.settings
        follower = LiveLayer(outcome.live, layer, finished.request.source.oriented, settings)
        self.live.begin(follower, settings)
        self.live.follow(self.form.settings)

    def _remember_live(self, settings: AmgSettings) -> None:
        """Note in the layer what it now shows, so that a run with these settings may replace it."""
        follower, finished = self.live.live_layer, self._live_run
        if follower is not None and finished is not None:
            retell(follower, finished, settings)

    def _request_and_image(self) -> tuple[Request, Image]:
        request, image = self.request(), self.images.layer
        assert image is not None
        return request, image

    def _command(self, request: Request) -> str:
        return as_command(request, self.models.family)

    def _on_ended(self) -> None:
        self.models.refresh()  # the run may have downloaded one
        self._show_costs()

    def _copy(self, write: Callable[[Request], str], what: str) -> None:
        try:
            text = write(self.request())
        except AutomaskError as error:
            show_warning(str(error))
            return
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
            self.run_panel.status.setText(f"The {what} that repeats this run is on the clipboard.")

    # -- leaving

    def showEvent(self, event: QShowEvent | None) -> None:
        """Take the width that the choices need; watch the main window, whose closing ends a run."""
        super().showEvent(event)
        # Known only now: napari's style is applied with the first show.
        bar = self._scroll.verticalScrollBar()
        self._scroll.setMinimumWidth(
            self._choices.minimumSizeHint().width()
            + (bar.sizeHint().width() if bar is not None else 0)
            # The scroll area's own frame stands on both sides of what it shows.
            + 2 * self._scroll.frameWidth()
            + SIDE_MARGIN
        )
        parent = self.parentWidget()
        while parent is not None and not isinstance(parent, QMainWindow):
            parent = parent.parentWidget()
        if parent is not None and parent is not self._main_window:
            parent.installEventFilter(self)
            self._main_window = parent

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Remember the choices now: hiding may be the last that happens to this widget."""
        self._save_if_pending()
        super().hideEvent(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look, once a close event of the main window has been answered, whether it really closed."""
        if event is not None and event.type() == QEvent.Type.Close and watched is self._main_window:
            QTimer.singleShot(0, self._shut_down_with_window)
        return False

    def _shut_down_with_window(self) -> None:
        if self._main_window is not None and not self._main_window.isVisible():
            self.shut_down()


def _let_go(controller: Controller, connections: list[tuple[Any, Any]]) -> None:
    """Cancel the run and stop listening to the viewer."""
    controller.close()
    while connections:
        event, callback = connections.pop()
        event.disconnect(callback)

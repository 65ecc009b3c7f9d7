"""The dock widget: an image, a model, a preset, and one button."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_sam2_automask._napari.background.fold import BackgroundFold, large_hint
from napari_sam2_automask._napari.closing import WindowWatch, let_go
from napari_sam2_automask._napari.common.memory import Store, default_store
from napari_sam2_automask._napari.image.panel import ImagePanel
from napari_sam2_automask._napari.layers.point_grid import grid_from_points, in_whole_image
from napari_sam2_automask._napari.live.follow_settings import Following
from napari_sam2_automask._napari.live.go_to_object import go_to_selected
from napari_sam2_automask._napari.live.panel import LivePanel
from napari_sam2_automask._napari.remembered_choices import Remembered
from napari_sam2_automask._napari.run.costs import cost_text
from napari_sam2_automask._napari.run.engine_segmenter import engine_segmenter
from napari_sam2_automask._napari.run.panel import RunPanel
from napari_sam2_automask._napari.run.queue import RunQueue
from napari_sam2_automask._napari.run.request import Request
from napari_sam2_automask._napari.run.session import RunSession
from napari_sam2_automask._napari.script.copy_row import CopyRow
from napari_sam2_automask._napari.settings.form import SettingsForm, ignore_stray_wheel
from napari_sam2_automask._napari.settings.length_box import LayerPixel
from napari_sam2_automask._napari.settings.model_choice import ModelChoice
from napari_sam2_automask._napari.settings.preset_choice import PresetChoice
from napari_sam2_automask._napari.settings.preset_files import PresetFiles
from napari_sam2_automask._napari.tuning.panel import TunePanel
from napari_sam2_automask.errors import AutomaskError

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.outcome import Outcome, Segmenter
    from napari_sam2_automask.settings.amg import AmgSettings, PointGrids

__all__ = ["AutomaskWidget"]

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
        self._watch = WindowWatch(self)
        self.images = ImagePanel(napari_viewer)
        self.models = ModelChoice()
        self.presets = PresetChoice()
        self.form = SettingsForm(self._points_from_layer)
        self.pixel = LayerPixel(napari_viewer, self.images, self.form.show_pixel)
        self.live = LivePanel()
        self.following = Following(napari_viewer, self.live)
        self.tuning = TunePanel(napari_viewer, self.live)
        self.preset_files = PresetFiles(lambda: self.form.settings)
        self.parameters = QCollapsible("All parameters", expandedIcon="▾", collapsedIcon="▸")
        self.run_panel = RunPanel()
        self.background = BackgroundFold(
            napari_viewer, self._store, partial(self.request, any_size=True), lambda: self.images.layer
        )
        self.session = RunSession(
            napari_viewer,
            self.run_panel,
            segmenter or engine_segmenter(),
            self._store,
            self._request_and_image,
        )
        self.queue = RunQueue(self.session)
        self.copies = CopyRow(self.request, lambda: self.models.family)
        self.remembered = Remembered(
            self,
            self._store,
            models=self.models,
            images=self.images,
            presets=self.presets,
            form=self.form,
            parameters=self.parameters,
        )
        self._lay_out()
        self.remembered.restore()
        self._connect()
        self._show_costs()

    # -- construction

    def _lay_out(self) -> None:
        for folded, left in ((self.parameters, 0), (self.parameters.content(), 4)):
            if (its_layout := folded.layout()) is not None:
                its_layout.setContentsMargins(left, left, 0, 0)
        self.parameters.addWidget(self.preset_files)
        self.parameters.addWidget(self.form.native)
        inner = QWidget()
        choices = QVBoxLayout(inner)
        choices.setContentsMargins(0, 0, 10, 0)
        choices.setSpacing(10)
        for part in (self.images, self.models, self.presets, self.live, self.tuning, self.parameters):
            choices.addWidget(part)
        choices.addWidget(self.background)
        choices.addStretch(1)
        self._wheel_guard = ignore_stray_wheel(inner)
        scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.run_panel)
        layout.addWidget(self.copies)
        self._scroll, self._choices = scroll, inner

    def _connect(self) -> None:
        self.images.changed.connect(self._show_costs)
        self.images.changed.connect(self.background.show_image)
        self.images.view_wanted.connect(self.session.show_model_view)
        self.session.wanted.connect(self.run)
        self.session.ended.connect(self._on_ended)
        self.session.placed.connect(self._on_placed)
        for part in (self.live, self.tuning, self.preset_files):
            part.settings_wanted.connect(self._show_settings)
        self.live.run_wanted.connect(self.run)
        self.following.told.connect(self._say_count)
        self.models.changed.connect(self._on_model)
        self.presets.chosen.connect(self._load_preset)
        self.form.changed.connect(self._on_settings)
        self.form.refused.connect(show_warning)
        self.parameters.toggled.connect(lambda _: self.remembered.save_soon())
        self.copies.copied.connect(self.run_panel.status.setText)
        self._watch.closed.connect(self.shut_down)
        # Destroyed in the middle of a run: these must not need this object, which is already gone.
        self.destroyed.connect(partial(let_go, self.session.controller, self._connections()))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)

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
        planes, pictures = self.images.plane_count, self.images.picture_count
        text = cost_text(
            in_whole_image(self.form.settings),
            self.models.model,
            self.models.device,
            planes,
            self._store,
            pictures,
        )
        self.presets.cost.setText(text)
        self.run_panel.offer(len(self.images.selected()))
        self.run_panel.suggest(large_hint(*self.images.plane_shape))
        self.remembered.save_soon()

    def _points_from_layer(self) -> PointGrids | None:
        try:
            return grid_from_points(self._viewer, self.images.layer)
        except AutomaskError as error:
            show_warning(str(error))
            return None

    # -- running

    def request(self, image: Image | None = None, *, any_size: bool = False) -> Request:
        """Return what Run would do now with an image, the chosen one if left out.

        With `any_size`, of an image too large for Run as well: for a run in the background.

        Raises
        ------
        AutomaskError
            If there is no image to segment, or nothing of it where to look.
        """
        source = self.images.source(image, any_size=any_size)
        request = Request(
            source=source,
            settings=self.form.settings,
            preset=self.presets.preset.name,
            custom=self.presets.custom,
            model=self.models.model,
            device=self.models.device,
            contrast=self.images.contrast,
            indices=self.images.planes.indices(source) if source.other_axes else (source.index,),
            region=self.images.region(source, image),
            link=self.images.link if len(source.other_axes) == 1 else "",
        )
        _ = request.asked  # says here if none of a person's own points lies there
        return request

    def run(self) -> None:
        """Start a run, as the button does: of all images selected in the layer list, if there are several."""
        images = self.images.selected()
        self.queue.start(images if len(images) > 1 else [None])

    def cancel(self) -> None:
        """Stop the run and keep what it found, as the button does; images that wait are not run."""
        self.queue.clear()
        self.session.cancel()

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.session.running

    def shut_down(self) -> None:
        """Cancel what is running and let go of the viewer; the widget is of no use afterwards."""
        self.remembered.save_if_pending()
        self.following.close()
        self.queue.clear()
        self.background.close_down()
        self.session.close()
        let_go(self.session.controller, self._connections())

    def _on_placed(self, finished: Finished, outcome: Outcome, layer: Labels) -> None:
        go_to_selected(self._viewer, layer)
        self.following.begin(finished, outcome, layer)
        self.live.follow(self.form.settings)  # they may have been changed during the run

    def _request_and_image(self, image: Image | None) -> tuple[Request, Image]:
        request = self.request(image)
        image = image or self.images.layer
        assert image is not None
        return request, image

    def _connections(self) -> list[list[tuple[Any, Any]]]:
        return [
            self.images.layer_choice.connections,
            self.images.where.connections,
            self.tuning.connections,
            self.pixel.connections,
        ]

    def _say_count(self) -> None:
        follower = self.live.live_layer
        if follower is not None and not self.running:
            count = len(follower.objects)
            self.run_panel.status.setText(f"{count:,} object{'' if count == 1 else 's'} with these settings.")

    def _on_ended(self) -> None:
        self.models.refresh()  # the run may have downloaded one
        self._show_costs()

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
        self._watch.watch(self)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Remember the choices now: hiding may be the last that happens to this widget."""
        self.remembered.save_if_pending()
        super().hideEvent(event)

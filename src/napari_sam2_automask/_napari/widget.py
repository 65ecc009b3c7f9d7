"""The dock widget: an image, a model, a preset, and one button."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]  # its stubs leave it out
from qtpy.QtWidgets import QApplication, QScrollArea, QVBoxLayout, QWidget

from napari_sam2_automask._napari.background.fold import BackgroundFold, large_hint
from napari_sam2_automask._napari.closing import WindowWatch, let_go
from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.common.memory import Store, default_store
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.common.preferences import use_preferences
from napari_sam2_automask._napari.image.contrast_hint import ContrastHint
from napari_sam2_automask._napari.image.panel import ImagePanel
from napari_sam2_automask._napari.image.size_hint import SizeHint
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.plane_axes import linkable
from napari_sam2_automask._napari.layers.point_grid import grid_from_points, in_whole_image
from napari_sam2_automask._napari.learn.fold import LearnFold
from napari_sam2_automask._napari.live.go_to_object import go_to_selected
from napari_sam2_automask._napari.live.why_missing import count_words
from napari_sam2_automask._napari.mend.start_labels import StartLabels, start_of
from napari_sam2_automask._napari.remembered_choices import Remembered
from napari_sam2_automask._napari.result import Result
from napari_sam2_automask._napari.run.costs import cost_of
from napari_sam2_automask._napari.run.engine_segmenter import engine_segmenter
from napari_sam2_automask._napari.run.panel import RunPanel
from napari_sam2_automask._napari.run.queue import RunQueue
from napari_sam2_automask._napari.run.request import Request
from napari_sam2_automask._napari.run.session import RunSession
from napari_sam2_automask._napari.run.start_labels import choosing_nothing
from napari_sam2_automask._napari.run.unlike_hint import UnlikeHint
from napari_sam2_automask._napari.script.copy_row import CopyRow
from napari_sam2_automask._napari.settings.form import SettingsForm, ignore_stray_wheel
from napari_sam2_automask._napari.settings.length_box import LayerPixel
from napari_sam2_automask._napari.settings.model_choice import ModelChoice
from napari_sam2_automask._napari.settings.preset_choice import PresetChoice
from napari_sam2_automask._napari.settings.preset_files import PresetFiles
from napari_sam2_automask.errors import AutomaskError

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.outcome import Outcome, Segmenter
    from napari_sam2_automask.settings.amg import AmgSettings, PointGrids
    from napari_sam2_automask.settings.units import Pixel

__all__ = ["AutomaskWidget"]

#: Least width of the choices in pixels: the dock is then as wide as napari's own.
LEAST_WIDTH = 270


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
        use_preferences()
        self._watch = WindowWatch(self)
        self._in_view = False
        self._start: Labels | None = None
        self._widths: dict[str, float] = {}
        self.images = ImagePanel(napari_viewer)
        self.models = ModelChoice()
        self.presets = PresetChoice()
        self.form = SettingsForm(self._points_from_layer)
        self.result = Result(napari_viewer, self._store)
        self.live, self.following = self.result.live, self.result.following
        self.mend, self.tuning = self.result.mend, self.result.tuning
        self.start_labels = StartLabels(napari_viewer, self.images, self.live)
        self.pixel = LayerPixel(napari_viewer, self.images, self._show_pixel)
        self.preset_files = PresetFiles(lambda: self.form.settings)
        self.parameters = Fold("All parameters", "Everything that Meta's generator can be told, and more.")
        self.choices = Fold("Image, model, detail", "What is segmented, and by what.")
        self.script = Fold(
            "In a script", "The same run without the window, in Python or on the command line."
        )
        self.contrast = ContrastHint(self.images)
        self.size_hint = SizeHint(napari_viewer, self.images)
        self.unlike = UnlikeHint()
        self.run_panel = RunPanel()
        self.learn = LearnFold(napari_viewer, self.images, self.models, self.live)
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
        self.copies = CopyRow(self.request, lambda: self.models.family, self.following.mended)
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
        self._make_room(False)

    # -- construction

    def _lay_out(self) -> None:
        self.script.addWidget(self.copies)
        self._fill(self.choices, self.images, self.models, self.presets)
        self._fill(
            self.parameters,
            self.preset_files,
            self.presets.defaults,
            self.models.device_row,
            self.form.native,
        )
        inner = QWidget()
        parts = QVBoxLayout(inner)
        parts.setContentsMargins(0, 0, 4, 0)
        parts.setSpacing(6)
        in_order: list[QWidget] = [
            self.choices,
            self.contrast,
            self.size_hint,
            self.start_labels,
            self.unlike,
            self.result,
        ]
        for part in (*in_order, self.images.more, self.parameters, self.learn, self.background, self.script):
            parts.addWidget(part)
        parts.addStretch(1)
        self._wheel_guard = ignore_stray_wheel(inner)
        scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setMinimumWidth(LEAST_WIDTH)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.run_panel)
        self._scroll = scroll

    @staticmethod
    def _fill(fold: Fold, *parts: QWidget) -> None:
        for part in parts:
            fold.addWidget(part)

    def _connect(self) -> None:
        self.images.changed.connect(self._show_costs)
        self.images.changed.connect(self.background.show_image)
        self.images.view_wanted.connect(self.session.show_model_view)
        self.session.wanted.connect(self.run)
        self.run_panel.view_pressed.connect(self.run_in_view)
        self.start_labels.wanted.connect(self.mend_labels)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self).activated.connect(self.run)
        self.session.ended.connect(self._on_ended)
        self.session.placed.connect(self._on_placed)
        for part in (self.live, self.tuning, self.preset_files):
            part.settings_wanted.connect(self._show_settings)
        self.live.run_wanted.connect(self.run)
        self.following.told.connect(self._say_count)
        self.following.lost.connect(self._on_lost)
        self.live.begun.connect(partial(self._make_room, True))
        self.live.ended.connect(partial(self._make_room, False))
        self.models.changed.connect(self._on_model)
        self.learn.wanted.connect(self._take_model)
        self.unlike.model_wanted.connect(self._take_model)
        self.unlike.learn_wanted.connect(self._show_learning)
        self.live.ended.connect(self.unlike.hide)
        self.presets.chosen.connect(self._load_preset)
        self.form.changed.connect(self._on_settings)
        self.form.refused.connect(show_warning)
        self.parameters.toggled.connect(lambda _: self.remembered.save_soon())
        self.choices.toggled.connect(lambda _: self._show_costs())
        self.copies.copied.connect(self.run_panel.status.setText)
        self._watch.closed.connect(self.shut_down)
        # Destroyed in the middle of a run: these must not need this object, which is already gone.
        self.destroyed.connect(partial(let_go, self.session.controller, self._connections()))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)

    # -- choices

    def _make_room(self, result: bool) -> None:
        """Fold the choices to a line while there is a result, which is what matters then."""
        self.choices.toggleButton().setVisible(result)
        if result:
            self.choices.collapse(animate=False)
        else:
            self.choices.expand(animate=False)
        self._show_costs()

    def _on_model(self) -> None:
        if not self.presets.custom:  # presets have settings of their own for some models
            self.form.show(self.presets.preset.for_model(self.models.family))
        self._show_costs()

    def _take_model(self, name: str) -> None:
        self.models.choose(name, self.models.device)
        self._on_model()

    def _show_learning(self) -> None:
        self.learn.expand(animate=False)
        self._scroll.ensureWidgetVisible(self.learn)

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
        layer, shape = self.images.layer, self.images.plane_shape
        cost = cost_of(
            in_whole_image(self.form.settings),
            self.models.model,
            self.models.device,
            self._store,
            shape,
            planes=self.images.plane_count,
            pictures=self.images.picture_count,
            width=0.0 if layer is None else self._widths.get(str(layer.unique_id), 0.0),
        )
        self.presets.cost.setText(f"{cost.text[:1].upper()}{cost.text[1:]}")
        self.presets.cost.setToolTip(cost.details)
        self.run_panel.offer(len(self.images.selected()))
        self.run_panel.suggest(large_hint(*shape) or cost.hint)
        self.parameters.tell(self.presets.told.lower())
        name = "No image" if layer is None else layer.name
        self.choices.setText(f"{name} - {self.presets.told}, {Path(self.models.model).name}")
        self.remembered.save_soon()

    def _show_pixel(self, pixel: Pixel | None) -> None:
        self.form.show_pixel(pixel)
        self.live.sliders.show_pixel(pixel)

    def _points_from_layer(self) -> PointGrids | None:
        try:
            return grid_from_points(self._viewer, self.images.layer)
        except AutomaskError as error:
            show_warning(plain(error))
            return None

    # -- running

    def request(
        self, image: Image | None = None, *, any_size: bool = False, in_view: bool = False
    ) -> Request:
        """Return what Run would do now with an image, the chosen one if left out.

        With `any_size`, of an image too large for Run as well: for a run in the background. With `in_view`,
        of what the viewer shows, whatever is chosen as the place to look.

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
            region=self.images.region(source, image, in_view=in_view),
            link=self.images.link if linkable(source.plane_axes) is not None else "",
        )
        _ = request.asked  # says here if none of a person's own points lies there
        return request

    def run(self) -> None:
        """Start a run, as the button does: of all images selected in the layer list, if there are several."""
        images = self.images.selected()
        self.queue.start(images if len(images) > 1 else [None])

    def run_in_view(self) -> None:
        """Start a run of what the viewer shows of the chosen image now, as the button does."""
        self._in_view = True
        try:
            self.queue.start([None])
        finally:
            self._in_view = False

    def mend_labels(self, layer: Labels) -> None:
        """Begin to mend the labels of a layer that lies on the chosen image; no model runs."""
        self._start = layer
        try:
            self.queue.start([None])
        finally:
            self._start = None

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
        self.result.close_down()
        self.queue.clear()
        self.learn.close_down()
        self.background.close_down()
        self.session.close()
        let_go(self.session.controller, self._connections())

    def _on_placed(self, finished: Finished, outcome: Outcome, layer: Labels) -> None:
        go_to_selected(self._viewer, layer, finished.request.source.rows_columns)
        start = finished.request.start
        for other in self._viewer.layers:
            if start is not None and str(other.unique_id) == start.key and unwrapped(other) is not layer:
                other.visible = False
        width = outcome.record.get("object_diameter")
        if width:
            self._widths[str(finished.image.unique_id)] = float(width)
        self.following.begin(finished, outcome, layer)
        self.unlike.tell(outcome.record)
        self.live.follow(self.form.settings)  # they may have been changed during the run

    def _request_and_image(self, image: Image | None) -> tuple[Request, Image]:
        request = self.request(image, in_view=self._in_view)
        image = image or self.images.layer
        assert image is not None
        if self._start is not None:
            settings, start = choosing_nothing(request.settings), start_of(self._start, request.source)
            indices = tuple(request.source.all_indices()) if request.source.other_axes else request.indices
            request = replace(
                request, settings=settings, custom=True, region=None, start=start, indices=indices, link=""
            )
        return request, image

    def _connections(self) -> list[list[tuple[Any, Any]]]:
        return [
            self.images.layer_choice.connections,
            self.start_labels.connections,
            self.images.where.connections,
            self.contrast.connections,
            self.size_hint.connections,
            self.pixel.connections,
            self.learn.connections,
            *self.result.connections,
        ]

    def _say_count(self) -> None:
        follower = self.live.live_layer
        if follower is not None and not self.running:
            self.run_panel.status.setText(f"{count_words(len(follower.objects))} with these settings.")

    def _on_lost(self) -> None:
        if not self.running:  # what was said of the result goes with it
            self.run_panel.status.setText("Ready")

    def _on_ended(self) -> None:
        self.models.refresh()  # the run may have downloaded one
        self._show_costs()

    # -- leaving

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the main window, whose closing ends a run."""
        super().showEvent(event)
        self._watch.watch(self)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Remember the choices now: hiding may be the last that happens to this widget."""
        self.remembered.save_if_pending()
        super().hideEvent(event)

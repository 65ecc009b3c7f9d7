"""What is segmented: the image layer, its channels and contrast, and which of its planes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari.layers import Image as ImageLayer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.common.layout import Signal, choice_form, choice_label, roomy
from napari_sam2_automask._napari.image.channel_choice import ChannelChoice
from napari_sam2_automask._napari.image.level_choice import LevelChoice
from napari_sam2_automask._napari.image.plane_choice import PlaneChoice
from napari_sam2_automask._napari.image.where_choice import WhereChoice
from napari_sam2_automask._napari.layers.layer_choice import LayerChoice, is_own_view, unwrapped
from napari_sam2_automask._napari.layers.place import level_data
from napari_sam2_automask._napari.layers.plane_axes import linkable
from napari_sam2_automask._napari.layers.reduce_axes import project
from napari_sam2_automask._napari.layers.region import region_in_view
from napari_sam2_automask._napari.layers.snapshot import axes_of_layer, take_source
from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask._napari.layers.plane_axes import PlaneAxis
    from napari_sam2_automask.image.region import Region

__all__ = ["ImagePanel"]


class ImagePanel(QWidget):
    """Choices about the image.

    Attributes
    ----------
    changed : Qt signal
        Another image, contrast or choice of planes.
    view_wanted : Qt signal
        A person wants to see what the model sees.
    more : Fold
        The choices but for the image itself; stands elsewhere.
    """

    changed = Signal()
    view_wanted = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.layer_choice = LayerChoice(viewer)
        self.channels = ChannelChoice()
        self.level_choice = LevelChoice()
        self.contrast_combo = QComboBox()
        self.contrast_combo.addItem("Layer's contrast limits", "layer")
        self.contrast_combo.addItem("Percentiles 0.5 to 99.5", "percentiles")
        self.contrast_combo.setToolTip(
            "The intensities that the model sees as black and white: the layer's, or percentiles of each "
            "plane or of planes spread over the stack. 8-bit RGB images are shown as they are. For local "
            "contrast see Renderings, under All parameters."
        )
        self.contrast_combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.view_button = QPushButton("Show")
        self.view_button.setToolTip("Add what the model sees as a layer.")
        roomy(self.view_button)
        self.planes = PlaneChoice()
        self.link_combo = QComboBox()
        self.link_combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.link_combo.addItem("Each plane by itself", "")
        self.link_combo.addItem("Link along z: one number per body", "z")
        self.link_combo.addItem("Link in time: one number per track", "t")
        self.link_combo.setToolTip(
            "Give each object one number through all planes. In time, a Tracks layer is added as well."
        )
        self.where = WhereChoice(viewer)
        self._planes_label, self._link_label = choice_label("Planes"), choice_label("Objects")
        self._channels_label, self._level_label = choice_label("Channels"), choice_label("Level")
        self.more = Fold("Planes, channels, region", "Which part of the image the model sees, and how.")
        self._lay_out()
        self.layer_choice.changed.connect(self._on_layer)
        self.layer_choice.eye.connect(self._on_eye)
        self.channels.activated.connect(self._on_layer)
        self.level_choice.activated.connect(self._on_level)
        self.contrast_combo.activated.connect(self._emit)
        self.planes.changed.connect(self._on_planes)
        self.where.currentIndexChanged.connect(self._tell)
        self.changed.connect(self._tell)
        self.view_button.clicked.connect(self.view_wanted)
        selection = viewer.layers.selection.events.changed
        selection.connect(self._emit)
        self.layer_choice.connections.append((selection, self._emit))
        self._plane_total = 1
        order = viewer.dims.events.order
        order.connect(self._on_layer)
        self.layer_choice.connections.append((order, self._on_layer))
        self._on_layer()

    def _lay_out(self) -> None:
        contrast = QHBoxLayout()
        contrast.addWidget(self.contrast_combo, 1)
        contrast.addWidget(self.view_button)
        choice_form(self).addRow(choice_label("Image"), self.layer_choice)
        folded = QWidget()
        self.more.addWidget(folded)
        form = choice_form(folded)
        form.addRow(self._planes_label, self.planes)
        form.addRow(self._link_label, self.link_combo)
        form.addRow(self._channels_label, self.channels)
        form.addRow(self._level_label, self.level_choice)
        form.addRow(choice_label("Contrast"), contrast)
        form.addRow(choice_label("Where"), self.where)
        for name, part in (
            ("Image", self.layer_choice.combo),
            ("Planes", self.planes.combo),
            ("Objects", self.link_combo),
            ("Channels", self.channels),
            ("Level", self.level_choice),
            ("Contrast", self.contrast_combo),
            ("Where", self.where),
        ):
            part.setAccessibleName(name)

    @property
    def layer(self) -> Image | None:
        """The chosen image layer."""
        return self.layer_choice.layer

    @property
    def level(self) -> int:
        """The level of the chosen image; 0 is full resolution."""
        return 0 if self.layer is None else self.level_choice.level_for(self.layer)

    @property
    def contrast(self) -> str:
        """``"layer"``, ``"percentiles"`` or ``"stack"``."""
        return str(self.contrast_combo.currentData())

    @property
    def plane_count(self) -> int:
        """How many planes a run would segment."""
        return self.planes.count

    @property
    def picture_count(self) -> int:
        """How many pictures of each plane the model would see: one, or one for each channel."""
        layer, axis = self.layer, self.channels.axis
        if layer is None or self.channels.how != "pool":
            return 1
        if axis is not None:
            return int(level_data(layer).shape[axis])
        return max(1, sum(bool(image.visible) and not image.rgb for image in self._images()))

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of the chosen image; (0, 0) without one."""
        layer = self.layer
        if layer is None:
            return 0, 0
        data = level_data(layer, self.level)
        rows, columns = data.shape[-3:-1] if layer.rgb else data.shape[-2:]
        return int(rows), int(columns)

    @property
    def link(self) -> str:
        """``"z"`` or ``"t"`` if the objects of all planes are to be linked, else empty."""
        return str(self.link_combo.currentData()) if self._can_link() else ""

    def region(
        self, source: ImageSource, layer: Image | None = None, *, in_view: bool = False
    ) -> Region | None:
        """Return where to look, or what the viewer shows; `ImageError` if that holds nothing of the image."""
        layer = layer or self.layer
        if layer is None:
            return None
        return region_in_view(layer, source) if in_view else self.where.region(layer, source)

    def selected(self) -> list[Image]:
        """Return the images that Run segments: all that are selected in the list, else the chosen one.

        Channels are one image, however many of their layers are selected.
        """
        chosen = self.layer
        if chosen is None:
            return []
        if self.channels.how:
            return [chosen]
        layers = [unwrapped(layer) for layer in self._viewer.layers if layer in self._viewer.layers.selection]
        images = [layer for layer in layers if isinstance(layer, ImageLayer) and not is_own_view(layer)]
        pinned = self.layer_choice.pin.isChecked()
        return images if len(images) > 1 and chosen in images and not pinned else [chosen]

    def take_percentiles(self) -> None:
        """Choose percentiles as contrast, as a person does."""
        self.restore("percentiles")
        self.changed.emit()

    def restore(self, contrast: str) -> None:
        """Show a remembered choice."""
        self.contrast_combo.setCurrentIndex(max(0, self.contrast_combo.findData(contrast)))

    def source(self, layer: Image | None = None, *, any_size: bool = False) -> ImageSource:
        """Return a snapshot of an image, the chosen one if left out, as the viewer shows it now.

        Parameters
        ----------
        layer : Image, optional
            The image.
        any_size : bool
            Take planes of any size, because they will not be read whole.

        Raises
        ------
        ImageError
            If there is no image layer, or none with pixels, or its channels do not fit together.
        """
        layer = unwrapped(layer or self.layer)
        if layer is None:
            active = unwrapped(self._viewer.layers.selection.active)
            kind = f" ({active.name!r} is a {type(active).__name__} layer)" if active is not None else ""
            raise ImageError(f"There is no image to segment{kind}: open an image, or File > Open Sample.")
        dims = self._viewer.dims
        level = self.level_choice.level_for(layer)
        source = take_source(layer, tuple(dims.order), tuple(dims.point), level=level, any_size=any_size)
        source = self.channels.apply(source, layer, self._images())
        planes = self.planes
        return project(source, planes.kind, planes.over) if source.other_axes and planes.over else source

    def _images(self) -> list[Image]:
        """Return the viewer's images, the lowest first."""
        layers = [unwrapped(layer) for layer in self._viewer.layers]
        return [layer for layer in layers if isinstance(layer, ImageLayer)]

    def _plane_axes(self) -> list[PlaneAxis]:
        """Return the axes that the planes of the chosen image lie along, as the viewer shows it."""
        if self.layer is None:
            return []
        return axes_of_layer(self.layer, self._viewer.dims.order, self.channels.axis, self.level)

    def _on_layer(self, *_: Any) -> None:
        layer = self.layer
        self.channels.offer(layer, self._images())
        for part in (self.channels, self._channels_label):
            part.setVisible(self.channels.count() > 1)
        self.level_choice.offer(layer)
        self.level_choice.setVisible(self.level_choice.count() > 1)
        self._level_label.setVisible(self.level_choice.count() > 1)
        axes = self._plane_axes()
        self.planes.offer(axes)
        planes = math.prod(one.length for one in axes)
        self._plane_total = planes
        self.planes.setVisible(planes > 1)
        self._planes_label.setVisible(planes > 1)
        self._offer_contrast(planes > 1)
        self._show_link()
        self.changed.emit()

    def _tell(self, *_: Any) -> None:
        """Say beside the title of the fold what is chosen there, where it is not what it is at first."""
        told = [
            combo.currentText()
            for combo, always in (
                (self.planes.combo, self._plane_total > 1),
                (self.link_combo, self._can_link() and self.link_combo.currentIndex() > 0),
                (self.channels, self.channels.currentIndex() > 0),
                (self.level_choice, self.level > 0),
                (self.contrast_combo, self.contrast_combo.currentIndex() > 0),
                (self.where, self.where.currentIndex() > 0),
            )
            if always
        ]
        self.more.tell(", ".join(told).lower() if told else "all")

    def _on_level(self, *_: Any) -> None:
        self.level_choice.take_chosen()
        self._on_layer()

    def _on_planes(self) -> None:
        self._show_link()
        self.changed.emit()

    def _offer_contrast(self, stack: bool) -> None:
        """Offer the percentiles of a whole stack where there is one."""
        index = self.contrast_combo.findData("stack")
        if stack and index < 0:
            self.contrast_combo.addItem("Percentiles of the whole stack", "stack")
        elif not stack and index >= 0:
            self.contrast_combo.removeItem(index)

    def _on_eye(self) -> None:
        if self.channels.how and self.channels.axis is None:  # the channels are the layers that show
            self.changed.emit()

    def _can_link(self) -> bool:
        """Tell whether several planes are wanted and lie along one axis, which is none of positions."""
        return self.planes.count > 1 and linkable(self._plane_axes()) is not None

    def _show_link(self, *_: Any) -> None:
        for part in (self.link_combo, self._link_label):
            part.setVisible(self._can_link())

    def _emit(self, *_: Any) -> None:
        self.changed.emit()

"""The same value in pixels and in the layer's unit, side by side; what is typed in one shows in the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.listening import listen
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.place import pixel_of
from napari_sam2_automask.settings.units import Pixel, Quantity, symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from magicgui.widgets.bases import BaseValueWidget
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.image.panel import ImagePanel
    from napari_sam2_automask.settings.amg import FieldInfo

__all__ = [
    "LayerPixel",
    "Measure",
]

#: Least width of the box in the layer's unit, in pixels: room for five digits and the unit.
BOX_WIDTH = 84
#: Most digits after the point in it.
MOST_DECIMALS = 6


class Measure(QWidget):
    """A parameter's own box, which counts pixels, and beside it one in a unit of length, if that is known.

    Parameters
    ----------
    pixels : magicgui widget
        The parameter's own.
    info : FieldInfo
        What is known about the parameter.

    Attributes
    ----------
    box : QDoubleSpinBox
        The value in the layer's unit; hidden where the layer has none.
    """

    def __init__(self, pixels: BaseValueWidget[Any], info: FieldInfo) -> None:
        super().__init__()
        self._pixels, self._info = pixels, info
        self._pixel: Pixel | None = None
        self.box = QDoubleSpinBox()
        self.box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.box.setKeyboardTracking(False)
        self.box.setMinimumWidth(BOX_WIDTH)
        self.box.setAccessibleName(f"{info.title}, in the unit of the image")
        column = QVBoxLayout(self)  # one above the other: side by side they need more than the dock has
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(pixels.native)
        column.addWidget(self.box)
        pixels.changed.connect(self._refresh)
        self.box.valueChanged.connect(self._on_typed)
        self.show_pixel(None)

    def show_pixel(self, pixel: Pixel | None) -> None:
        """Show the value in the unit of such pixels, or in pixels only."""
        self._pixel = pixel
        self.box.setVisible(pixel is not None)
        if pixel is None:
            return
        power, size = self._info.power, pixel.size(self._info.power)
        assert self._info.maximum is not None
        # One digit more than it takes to tell one pixel from the next.
        decimals = math.ceil(-math.log10(size)) + 1
        self.box.blockSignals(True)
        self.box.setDecimals(min(max(decimals, 0), MOST_DECIMALS))
        self.box.setRange(0.0, self._info.maximum * size)
        self.box.setSingleStep(size)
        self.box.setSuffix(f" {symbol(pixel.unit, power)}")
        self.box.blockSignals(False)
        kind = "pixels times the area of one" if power == 2 else "a pixel's side: geometric mean"
        self.box.setToolTip(f"The same in the layer's unit ({kind}).\n{self._pixels.native.toolTip()}")
        self._refresh()

    def _refresh(self, *_: Any) -> None:
        if self._pixel is None:
            return
        self.box.blockSignals(True)
        self.box.setValue(float(self._pixels.value) * self._pixel.size(self._info.power))
        self.box.blockSignals(False)

    def _on_typed(self, value: float) -> None:
        if self._pixel is not None:
            typed = Quantity(value, self._pixel.unit, self._info.power)
            assert self._info.maximum is not None
            self._pixels.value = min(typed.in_pixels(self._pixel, self._info.name), self._info.maximum)
            self._refresh()


class LayerPixel:
    """Tells how large the pixels of the chosen image are, and tells it again when that changes.

    Parameters
    ----------
    viewer : Viewer
        The viewer.
    images : ImagePanel
        Chooses the image.
    tell : callable
        Takes the pixel, or None.

    Attributes
    ----------
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    def __init__(self, viewer: Viewer, images: ImagePanel, tell: Callable[[Pixel | None], None]) -> None:
        self._viewer, self._images, self._tell = viewer, images, tell
        self._told: Pixel | None = None
        self._layer: Any = None
        self._order = (viewer.dims.events.order, self._update)
        self._order[0].connect(self._update)
        self.connections: list[tuple[Any, Any]] = [self._order]
        images.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Look at the image that is chosen now."""
        layer = unwrapped(self._images.layer)
        if layer is not self._layer:
            events = () if layer is None else (layer.events.scale, layer.events.units)
            listen(self.connections, events, self._update, keep=1)
            self._layer = layer
        self._update()

    def _update(self, event: Any = None) -> None:
        pixel = pixel_of(self._layer, tuple(self._viewer.dims.order), self._images.level)
        if pixel != self._told:
            self._told = pixel
            self._tell(pixel)

"""The choice of a level of a multiscale image by the size of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_sam2_automask._napari.layers.place import level_count, level_data, level_of, pixel_of
from napari_sam2_automask.files.pyramid import nearest_level
from napari_sam2_automask.settings.units import Quantity

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["LevelChoice"]


class LevelChoice(QComboBox):
    """A combo box of the levels of an image.

    What is chosen is a size of pixels, in the image's unit of length where it has one: of another image the
    level is taken whose pixels are nearest to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._layer: Image | None = None
        self._side = 1.0
        self._length: Quantity | None = None
        self.setToolTip(
            "The level of the image that the model sees, and the labels have. Large objects need no fine "
            "pixels: a coarser level takes less time and memory. Of further images the level is taken whose "
            "pixels are nearest in size."
        )
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def offer(self, layer: Image | None) -> None:
        """Offer the levels of an image, the one chosen being that whose pixels have the size chosen."""
        self._layer = layer
        self.clear()
        if layer is None:
            return
        self.addItems([_told(layer, level) for level in range(level_count(layer))])
        self.setCurrentIndex(self.level_for(layer))

    def level_for(self, layer: Image) -> int:
        """Return the level of an image whose pixels have the size chosen, or are nearest to it."""
        sides = [level_of(layer, level).side for level in range(level_count(layer))]
        pixel = pixel_of(layer)
        wanted = self._side
        if self._length is not None and pixel is not None:
            wanted = self._length.in_pixels(pixel, "the size of pixels")
        return nearest_level(sides, wanted)

    def take_chosen(self) -> None:
        """Take the size of the pixels of the level that a person chose."""
        layer = self._layer
        if layer is None:
            return
        self._side = level_of(layer, self.currentIndex()).side
        pixel = pixel_of(layer)
        self._length = None if pixel is None else Quantity(self._side * pixel.size(1), pixel.unit, 1)


def _told(layer: Image, level: int) -> str:
    """Return what a level is: how much coarser, its pixels' size, and how many there are."""
    found, pixel = level_of(layer, level), pixel_of(layer)
    rows, columns = level_data(layer, level).shape[layer.ndim - 2 : layer.ndim]
    size = "" if pixel is None else f", {pixel.told(found.side, 1)} a pixel"
    return f"{found.told}: {rows:,} x {columns:,}{size}"

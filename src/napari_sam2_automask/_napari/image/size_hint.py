"""The size of pixels where an image file tells it and the layer does not, and the button that takes it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_sam2_automask._napari.common.errands import Errands
from napari_sam2_automask._napari.common.layout import roomy, small
from napari_sam2_automask._napari.common.listening import listen
from napari_sam2_automask._napari.layers.file_of_layer import file_of_layer
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.place import level_data
from napari_sam2_automask.files.kinds import is_candidate
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.pixel_size import scale_in_file
from napari_sam2_automask.files.web_address import is_web
from napari_sam2_automask.settings.units import UNITS, known_unit, symbol

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.image.panel import ImagePanel

__all__ = ["SizeHint", "Told", "told_in_file"]


class Told(NamedTuple):
    """What a file says of the axes of a layer: the steps along them, and their units as napari calls them."""

    scale: tuple[float, ...]
    units: tuple[str, ...]

    @property
    def words(self) -> str:
        """The height and width of a pixel, as ``"0.5 x 0.5 µm"``."""
        sign = symbol(known_unit(self.units[-1]) or "")
        return f"{self.scale[-2]:.4g} x {self.scale[-1]:.4g} {sign}"


class SizeHint(QWidget):
    """Hidden unless the file of the image chosen tells how large a pixel is and the layer has no unit.

    napari's own reader leaves out what TIFFs say of it, and without it areas are in pixels alone.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are given their size.
    images : ImagePanel
        Chooses the image.

    Attributes
    ----------
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    def __init__(self, viewer: Viewer, images: ImagePanel) -> None:
        super().__init__()
        self._viewer, self._images = viewer, images
        self._layer: Any = None
        self._told: Told | None = None
        self._errands = Errands(self)
        self.connections: list[tuple[Any, Any]] = []
        self.message, self.button = small(QLabel()), QPushButton("Take it")
        self.button.setToolTip(
            "Give the layer, and what lies on it, the size that its file tells: areas and lengths are then "
            "in micrometres, too."
        )
        roomy(self.button)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.message, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.take)
        images.changed.connect(self._follow)
        self.setVisible(False)
        self._follow()

    def take(self) -> None:
        """Give the image its size, and every layer that lies on its pixels."""
        told, image = self._told, self._layer
        if told is None or image is None:
            return
        shape = level_data(image).shape[: image.ndim]
        layers = [one for one in self._viewer.layers if one is image or _lies_on(one, image, shape)]
        for layer in layers:
            layer.scale, layer.units = told.scale[-layer.ndim :], told.units[-layer.ndim :]
        self._viewer.reset_view()
        self._show()

    def _follow(self) -> None:
        """Look at the file of the image chosen now."""
        layer = unwrapped(self._images.layer)
        if layer is self._layer:
            return
        listen(
            self.connections, () if layer is None else (layer.events.scale, layer.events.units), self._show
        )
        self._layer, self._told = layer, None
        self._show()
        if layer is None:
            return
        path = file_of_layer(layer)
        if path and not is_web(path) and _is_plain(layer):
            shape = tuple(level_data(layer).shape[: layer.ndim])
            self._errands.send(
                partial(told_in_file, Path(path), shape), partial(self._tell, layer), lambda error: None
            )

    def _tell(self, layer: Any, told: Told | None) -> None:
        if layer is self._layer:
            self._told = told
            self._show()

    def _show(self, event: Any = None) -> None:
        told, layer = self._told, self._layer
        wanted = told is not None and layer is not None and _is_plain(layer, told)
        if told is not None and wanted:
            self.message.setText(f"The file tells {told.words} a pixel, the layer no unit.")
        self.setVisible(wanted)


def told_in_file(path: Path, shape: tuple[int, ...]) -> Told | None:
    """Return what an image file tells of the axes of a layer that shows it; None where that is nothing.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Of the layer, without colours.
    """
    size = scale_in_file(path).size if is_candidate(path) else None
    if size is None:
        return None
    array, letters = open_file(path, series=0)
    axes = [(letter, int(n)) for letter, n in zip(letters, array.shape, strict=False) if letter != "S"]
    # Readers drop axes of length 1, and give each channel a layer of its own.
    without_one = [axis for axis in axes if axis[1] != 1 or axis[0] in "YX"]
    fitting = (
        [letter for letter, _ in some]
        for some in (axes, without_one, [axis for axis in without_one if axis[0] != "C"])
        if tuple(n for _, n in some) == shape
    )
    found = next(fitting, None)
    if found is None or found[-2:] != ["Y", "X"]:
        return None
    *lengths, unit = size
    steps = {axis: step for axis, step in zip("ZYX", lengths, strict=True) if step}
    return Told(
        tuple(float(steps.get(axis, 1.0)) for axis in found),
        tuple(UNITS[unit] if axis in steps else "pixel" for axis in found),
    )


def _is_plain(layer: Layer, told: Told | None = None) -> bool:
    """Tell whether a layer has no unit of length, nor a scale but that of its file."""
    if any(known_unit(str(unit)) for unit in layer.units):
        return False
    scale = np.array(layer.scale)
    return told is None or bool((scale == 1).all() or np.allclose(scale, told.scale[-layer.ndim :]))


def _lies_on(layer: Layer, image: Image, shape: tuple[int, ...]) -> bool:
    """Tell whether a layer stands on the pixels of an image, and has no unit either."""
    if layer.ndim > image.ndim or not _is_plain(layer) or any(layer.translate != 0):
        return False
    if isinstance(layer, Image | Labels):
        return tuple(level_data(layer).shape[: layer.ndim]) == shape[-layer.ndim :]
    return bool(np.array_equal(layer.scale, np.array(image.scale)[-layer.ndim :]))

"""Point grids and crop boxes, the same as those of Meta's generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Crop", "iter_crops", "point_grid"]


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One region of the image that is encoded and asked on its own.

    Attributes
    ----------
    index : int
        Position among all crops.
    box : (int, int, int, int)
        ``x0, y0, x1, y1`` in image pixels, end exclusive.
    points : (P, 2) float32 array
        The x, y of the prompts in pixels of the crop.
    edge : float
        Masks whose box comes this close to an edge of the crop, in pixels, are cut off by it; 20 in Meta's.
    square : bool
        Show the model a square: a shorter side goes on as in a mirror, equally far at both ends. Else what it
        sees is stretched.
    """

    index: int
    box: tuple[int, int, int, int]
    points: NDArray[np.float32]
    edge: float = 20.0
    square: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the crop."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0

    @property
    def shown(self) -> tuple[int, int]:
        """Rows and columns of what the model is shown."""
        return (max(self.shape), max(self.shape)) if self.square else self.shape

    @property
    def before(self) -> tuple[int, int]:
        """Rows and columns that the model is shown before the first of the crop."""
        (rows, columns), (height, width) = self.shape, self.shown
        return (height - rows) // 2, (width - columns) // 2

    def pixels(self, view: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the model is shown of an image (Y, X, 3)."""
        x0, y0, x1, y1 = self.box
        own = view[y0:y1, x0:x1]
        if not self.square:
            return own
        around = [(b, n - m - b) for b, n, m in zip(self.before, self.shown, self.shape, strict=True)]
        return np.pad(own, [*around, (0, 0)], mode="symmetric")


def point_grid(settings: AmgSettings, layer: int) -> NDArray[np.float64]:
    """Return the prompts of a crop layer in fractions of the crop, (P, 2) x, y, row by row."""
    if settings.point_grids is not None:
        return np.asarray(settings.point_grids[layer], np.float64).reshape(-1, 2)
    assert settings.points_per_side is not None
    n = int(settings.points_per_side / settings.crop_n_points_downscale_factor**layer)
    side = np.linspace(1 / (2 * n), 1 - 1 / (2 * n), n)
    x, y = np.meshgrid(side, side)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def iter_crops(shape: tuple[int, int], settings: AmgSettings) -> Iterator[Crop]:
    """Yield the whole image, then the crops of each layer, column by column.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    settings : AmgSettings
        Crop layers, their overlap and their points.

    Yields
    ------
    Crop
        Crops without any pixel, which tiny images give, are left out.
    """
    for index, (layer, box) in enumerate(_boxes(shape, settings)):
        size = np.array([box[2] - box[0], box[3] - box[1]])
        yield Crop(index, box, (point_grid(settings, layer) * size).astype(np.float32))


def _boxes(shape: tuple[int, int], settings: AmgSettings) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    height, width = shape
    yield 0, (0, 0, width, height)
    for layer in range(1, settings.crop_n_layers + 1):
        n = 2**layer
        overlap = int(settings.crop_overlap_ratio * min(shape) * (2 / n))
        crop_width = math.ceil((overlap * (n - 1) + width) / n)
        crop_height = math.ceil((overlap * (n - 1) + height) / n)
        for column in range(n):
            for row in range(n):
                x0, y0 = (crop_width - overlap) * column, (crop_height - overlap) * row
                x1, y1 = min(x0 + crop_width, width), min(y0 + crop_height, height)
                if x1 > x0 and y1 > y0:
                    yield layer, (x0, y0, x1, y1)

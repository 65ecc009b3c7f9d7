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

__all__ = ["Crop", "ObjectPoints", "iter_crops", "point_grid"]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPoints:
    """Where to ask in a crop in which objects were seen.

    Attributes
    ----------
    centres : (K, 2) float32 array
        The x, y in pixels of the crop, of a point near the centre of each object.
    further : (P, 2) float32 array
        More points of these objects, and between them and their neighbours.
    owner : (P,) int64 array
        For which object each of `further` is.
    sparse : (R, 2) float32 array
        Points all over what was surely seen.
    """

    centres: NDArray[np.float32]
    further: NDArray[np.float32]
    owner: NDArray[np.int64]
    sparse: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.centres) + len(self.further) + len(self.sparse)


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
    own : (float, float, float, float) or None
        ``x0, y0, x1, y1`` in pixels of the crop: the part that no other crop asks about; None for all of it.
    seen : ObjectPoints or None
        Where another model saw objects; None where the model itself is to look.
    """

    index: int
    box: tuple[int, int, int, int]
    points: NDArray[np.float32]
    edge: float = 20.0
    square: bool = False
    own: tuple[float, float, float, float] | None = None
    seen: ObjectPoints | None = None

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

    def owns(self, points: NDArray[np.floating], margin: float = 0.0) -> NDArray[np.bool_]:
        """Tell which points lie in the crop's own part, or at most `margin` pixels beside it, (P,) bool.

        Parameters
        ----------
        points : (P, 2) array
            The x, y in pixels of the crop.
        margin : float
            In pixels.
        """
        x0, y0, x1, y1 = self.own or (0.0, 0.0, *self.shape[::-1])
        x, y = points[:, 0], points[:, 1]
        inside: NDArray[np.bool_] = (
            (x >= x0 - margin) & (y >= y0 - margin) & (x < x1 + margin) & (y < y1 + margin)
        )
        return inside

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

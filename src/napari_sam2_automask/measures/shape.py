"""The shape of one mask or body: its measures by name, each computed when it is asked for."""

from __future__ import annotations

import math
import warnings
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.measures.outline import feret_diameters, outlines, perimeter
from napari_sam2_automask.settings.measure_names import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["shape_of"]

#: Masks of at most so many bytes, eight pixels each, and so many of them are remembered with their measures:
#: while settings move most masks stay as they are.
_SMALL, _REMEMBERED = 2048, 1 << 15


def shape_of(
    mask: NDArray[np.bool_], names: Sequence[str], sides: Sequence[float] | None = None
) -> tuple[tuple[float, float], ...]:
    """Measure one object, apart from where it lies.

    Parameters
    ----------
    mask : (h, w) or (d, h, w) bool array
        It, inside its box.
    names : sequence of str
        Of `MEASURES`, those of shape that have a meaning for it.
    sides : sequence of float, optional
        The sides of a pixel or voxel in a unit of length.

    Returns
    -------
    tuple of (float, float)
        Each measure in pixels and in the unit; NaN for the latter without `sides` or where it has no unit.
        What has no unit is that of the true shape, where the sides differ.
    """
    own = None if sides is None else tuple(map(float, sides))
    packed = np.packbits(mask)
    if packed.nbytes <= _SMALL:
        return _remembered(packed.tobytes(), mask.shape, tuple(names), own)
    return _measured(mask, tuple(names), own)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(
    packed: bytes, shape: tuple[int, ...], names: tuple[str, ...], sides: tuple[float, ...] | None
) -> tuple[tuple[float, float], ...]:
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=math.prod(shape))
    return _measured(bits.reshape(shape).view(np.bool_), names, sides)


def _measured(
    mask: NDArray[np.bool_], names: tuple[str, ...], sides: tuple[float, ...] | None
) -> tuple[tuple[float, float], ...]:
    own = _Shape(mask, (1.0,) * mask.ndim)
    if sides is None:
        return tuple((_MEASURED[name](own), math.nan) for name in names)
    scaled = own if len(set(sides)) == 1 else _Shape(mask, sides)
    found = []
    for name in names:
        power, pixels = MEASURES[name].power, _MEASURED[name](own if MEASURES[name].power else scaled)
        length = math.nan if not power else pixels * sides[0] ** power
        if power and scaled is not own:
            length = _MEASURED[name](scaled)
        found.append((pixels, length))
    return tuple(found)


class _Shape:
    """One object with pixels of some size."""

    def __init__(self, mask: NDArray[np.bool_], sides: tuple[float, ...]) -> None:
        self.mask, self.sides = mask, sides

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """Covariance of the pixels' places, as regionprops has it: a pixel is a point."""
        places = np.stack(self.mask.nonzero()) * np.array(self.sides)[:, None]
        return np.atleast_2d(np.cov(places, bias=True))

    @cached_property
    def axes(self) -> tuple[float, float]:
        """Longest and shortest axis of the ellipse, or ellipsoid, of the same covariance."""
        variances = np.maximum(np.linalg.eigvalsh(self.spread), 0)
        factor = 16 if self.mask.ndim == 2 else 20
        return math.sqrt(factor * float(variances[-1])), math.sqrt(factor * float(variances[0]))

    @property
    def eccentricity(self) -> float:
        major, minor = self.axes
        return math.sqrt(max(0.0, 1 - (minor / major) ** 2)) if major > 0 else 0.0

    @property
    def orientation(self) -> float:
        (rows, both), (_, columns) = self.spread
        return 0.5 * math.atan2(2 * float(both), float(rows - columns))

    @property
    def diameter(self) -> float:
        return (
            2 * math.sqrt(self.size / math.pi) if self.mask.ndim == 2 else math.cbrt(6 * self.size / math.pi)
        )

    @cached_property
    def lines(self) -> list[NDArray[np.float64]]:
        return outlines(self.mask)

    @cached_property
    def feret(self) -> tuple[float, float]:
        return feret_diameters(self.lines, self.sides)

    @cached_property
    def perimeter(self) -> float:
        return perimeter(self.lines, self.sides)

    @property
    def size(self) -> float:
        return float(np.count_nonzero(self.mask) * math.prod(self.sides))

    @property
    def circularity(self) -> float:
        return min(1.0, 4 * math.pi * self.size / self.perimeter**2)

    @property
    def solidity(self) -> float:
        from skimage.morphology import convex_hull_image

        flat = self.mask.squeeze()
        if flat.ndim < 2:
            return float(flat.mean())
        with warnings.catch_warnings():  # of what is too thin for a hull, it is said that there is none
            warnings.simplefilter("ignore", UserWarning)
            hull = int(np.count_nonzero(convex_hull_image(flat)))  # type: ignore[no-untyped-call]
        return min(1.0, np.count_nonzero(flat) / hull) if hull else 1.0

    @property
    def surface(self) -> float:
        from napari_sam2_automask.measures.surface import surface_area

        return surface_area(self.mask, self.sides)


_MEASURED: dict[str, Callable[[_Shape], float]] = {
    "perimeter": lambda one: one.perimeter,
    "circularity": lambda one: one.circularity,
    "solidity": lambda one: one.solidity,
    "extent": lambda one: float(one.mask.mean()),
    "eccentricity": lambda one: one.eccentricity,
    "equivalent_diameter": lambda one: one.diameter,
    "axis_major_length": lambda one: one.axes[0],
    "axis_minor_length": lambda one: one.axes[1],
    "feret_diameter_max": lambda one: one.feret[0],
    "feret_diameter_min": lambda one: one.feret[1],
    "orientation": lambda one: one.orientation,
    "volume": lambda one: one.size,
    "surface_area": lambda one: one.surface,
}

"""Levels of image pyramids: how much larger their pixels are, and which level is meant by a size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask.files.opening import level_shapes
from napari_sam2_automask.files.pixel_size import PixelSize, pixel_size_of
from napari_sam2_automask.files.stored_image import check_level
from napari_sam2_automask.settings.units import Pixel, Quantity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Placed",
    "level_for",
    "nearest_level",
    "pixel_size_at",
    "place_level",
    "steps_along",
    "steps_between",
    "steps_of",
]


def steps_between(full: Sequence[int], coarse: Sequence[int]) -> tuple[float, ...]:
    """Return how many pixels of full resolution one pixel of a level spans along each axis.

    Parameters
    ----------
    full, coarse : sequence of int
        The shapes of full resolution and of the level.

    Notes
    -----
    Pixel ``k`` of the level lies where ``step * k + (step - 1) / 2`` lies at full resolution: in the middle
    of the pixels that it stands for.
    """
    return tuple(_step(int(n), int(m)) for n, m in zip(full, coarse, strict=True))


def _step(full: int, coarse: int) -> float:
    if full == coarse:  # an empty image too
        return 1.0
    whole = round(full / coarse)
    # A size that does not divide loses its last pixels, or has them in one that stands for less; the other
    # pixels are no larger for it.
    return float(whole) if abs(full - whole * coarse) < whole else full / coarse


def nearest_level(sides: Sequence[float], wanted: float) -> int:
    """Return the level whose pixels are nearest to a size.

    Parameters
    ----------
    sides : sequence of float
        The side of each level's pixels.
    wanted : float
        The side that they should have, in the same unit; above 0.

    Returns
    -------
    int
        By ratio: of pixels half and twice as large as wanted neither is nearer, and the smaller are taken.
    """
    return min(range(len(sides)), key=lambda k: (round(abs(math.log(sides[k] / wanted)), 9), sides[k]))


def steps_of(path: Path, level: int, series: int = 0, axes: str = "") -> dict[str, float]:
    """Return the steps of a level of a file along Z, Y and X.

    Parameters
    ----------
    path : Path
        The file.
    level, series : int
        As for `open_file`.
    axes : str
        One letter for each axis, in place of what the file says.

    Raises
    ------
    ImageError
        If the file cannot be read or has no such level.
    """
    shapes, found = level_shapes(path, series)
    check_level(path, level, len(shapes))
    return steps_along(shapes, axes or found, level)


def steps_along(shapes: Sequence[tuple[int, ...]], axes: str, level: int) -> dict[str, float]:
    """Return the steps of a level along Z, Y and X, from the shapes of all levels."""
    steps = steps_between(shapes[0], shapes[level])
    # Without names the last two axes are rows and columns.
    letters = axes or "YX".rjust(len(steps), "a")
    return {axis: steps[letters.index(axis)] if axis in letters else 1.0 for axis in "ZYX"}


def pixel_size_at(size: PixelSize | None, steps: dict[str, float]) -> PixelSize | None:
    """Return how large the pixels of a level are, from the size at full resolution and the level's steps."""
    if size is None:
        return None
    z, y, x, unit = size
    return None if z is None else z * steps["Z"], y * steps["Y"], x * steps["X"], unit


class Placed(NamedTuple):
    """A level, and where its pixels lie.

    Attributes
    ----------
    level : int
        Which; 0 is full resolution.
    spacing : (float, float, float)
        Distance between planes, height and width of a pixel, in `unit`.
    origin : (float, float, float)
        Where the centre of the first pixel lies; that of full resolution lies at 0.
    unit : str or None
        The short name of the unit of length; None where it is a pixel of full resolution.
    """

    level: int
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    unit: str | None


def place_level(path: Path, wanted: int | Quantity, size: PixelSize | None = None) -> Placed:
    """Return the level of a file that is meant, with the place of its pixels.

    Parameters
    ----------
    path : Path
        The file.
    wanted : int or Quantity
        Its number, or the size that its pixels should have.
    size : PixelSize, optional
        How large the pixels of full resolution are; what the file says if left out.

    Raises
    ------
    ImageError
        If the file cannot be read or has no such level.
    SettingsError
        If a length is wanted and nothing says how large a pixel is.
    """
    size = size or pixel_size_of(path)
    level = level_for(path, wanted, size=size)
    steps = steps_of(path, level)
    z, y, x, unit = size or (1.0, 1.0, 1.0, None)
    full = {"Z": z or 1.0, "Y": y, "X": x}
    spacing = tuple(full[axis] * steps[axis] for axis in "ZYX")
    origin = tuple(full[axis] * (steps[axis] - 1) / 2 for axis in "ZYX")
    return Placed(level, spacing, origin, unit)  # type: ignore[arg-type]


def level_for(path: Path, wanted: int | Quantity, series: int = 0, size: PixelSize | None = None) -> int:
    """Return the level of a file that is meant.

    Parameters
    ----------
    path : Path
        An image; one without a pyramid has level 0 only.
    wanted : int or Quantity
        Its number, which is not looked up; or the size that its pixels should have, a length or a number of
        pixels of full resolution.
    series : int
        Which image of a TIFF with several.
    size : PixelSize, optional
        How large the pixels of full resolution are; what the file says if left out.

    Raises
    ------
    ImageError
        If the file cannot be read.
    SettingsError
        If a length is wanted and nothing says how large a pixel is.
    """
    if isinstance(wanted, int):
        return wanted
    size = size or pixel_size_of(path, series)
    pixel = None if size is None else Pixel.known((size[1], size[2]), size[3])
    pixels = wanted.in_pixels(pixel, "--pixel-size")
    shapes, axes = level_shapes(path, series)
    steps = [steps_along(shapes, axes, level) for level in range(len(shapes))]
    return nearest_level([math.sqrt(one["Y"] * one["X"]) for one in steps], pixels)

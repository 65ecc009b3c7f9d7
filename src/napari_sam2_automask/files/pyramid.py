"""Levels of image pyramids: how much larger their pixels are, and which level is meant by a size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask.files.opening import level_shapes
from napari_sam2_automask.files.pixel_size import FileScale, PixelSize, pixel_size_of, scale_in_file
from napari_sam2_automask.files.stored_image import check_level
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.settings.units import Pixel, Quantity, convert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Placed",
    "level_for",
    "nearest_level",
    "place_level",
    "scale_at",
    "steps_along",
    "steps_between",
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


def steps_along(shapes: Sequence[tuple[int, ...]], axes: str, level: int) -> dict[str, float]:
    """Return the steps of a level along Z, Y and X, from the shapes of all levels."""
    steps = steps_between(shapes[0], shapes[level])
    # Without names the last two axes are rows and columns; whoever reads it says that one has too few.
    letters = axes or "YX".rjust(len(steps), "a")
    named = dict(zip(letters, steps, strict=False))
    return {axis: named.get(axis, 1.0) for axis in "ZYX"}


def scale_at(
    path: Path,
    shapes: Sequence[tuple[int, ...]],
    axes: str,
    level: int,
    series: int = 0,
    size: PixelSize | None = None,
) -> FileScale:
    """Return where the pixels of a level lie.

    Parameters
    ----------
    path : Path
        The file.
    shapes : sequence of tuple of int
        Those of all its levels.
    axes : str
        One letter for each axis.
    level, series : int
        As for `open_file`.
    size : PixelSize, optional
        How large the pixels of full resolution are, in place of what the file says.
    """
    found = scale_in_file(path, series, 0 if size else level)
    if size is not None:
        found = _with_size(found, size)
    if found.level == level or found.spacing is None:
        return found
    steps = steps_along(shapes, axes, level)
    (z, y, x), first = found.spacing, found.origin
    spacing = None if z is None else z * steps["Z"], y * steps["Y"], x * steps["X"]
    half = ((side or 1.0) * (steps[axis] - 1) / 2 for axis, side in zip("ZYX", found.spacing, strict=True))
    dz, dy, dx = half
    return replace(found, spacing=spacing, origin=(first[0] + dz, first[1] + dy, first[2] + dx), level=level)


def _with_size(found: FileScale, size: PixelSize) -> FileScale:
    """Return the same place with pixels of another size."""
    unit = found.unit
    z, y, x = (convert(at, unit, size[3]) if unit and unit != size[3] else at for at in found.origin)
    return replace(found, spacing=size[:3], unit=size[3], origin=(z, y, x))


class Placed(NamedTuple):
    """A level, and where its pixels lie.

    Attributes
    ----------
    level : int
        Which; 0 is full resolution.
    spacing : (float, float, float)
        Distance between planes, height and width of a pixel, in `unit`.
    origin : (float, float, float)
        Where the centre of the first pixel lies; at full resolution that is 0 if the file tells no place.
    unit : str or None
        The short name of the unit of length; None where the file has none. Then it is a pixel of full
        resolution, or whatever an OME-Zarr counts in.
    """

    level: int
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    unit: str | None


def place_level(path: Path, wanted: int | Quantity, size: PixelSize | None = None, series: int = 0) -> Placed:
    """Return the level of a file that is meant, with the place of its pixels.

    Parameters
    ----------
    path : Path
        The file.
    wanted : int or Quantity
        Its number, or the size that its pixels should have.
    size : PixelSize, optional
        How large the pixels of full resolution are; what the file says if left out.
    series : int
        Which image of a file with several.

    Notes
    -----
    A place that the file tells is kept, in the unit of `size` if that is given.

    Raises
    ------
    ImageError
        If the file cannot be read or has no such level.
    SettingsError
        If a length is wanted and nothing says how large a pixel is.
    """
    level = level_for(path, wanted, series, size)
    shapes, axes = level_shapes(path, series)
    check_level(path, level, len(shapes))
    found = scale_at(path, shapes, axes, level, series, size)
    if found.spacing is None:
        found = scale_at(path, shapes, axes, level, series, (1.0, 1.0, 1.0, ""))
    z, y, x = found.spacing or (None, 1.0, 1.0)
    z = steps_along(shapes, axes, level)["Z"] if z is None else z
    return Placed(level, (z, y, x), found.origin, found.unit or None)


def level_for(
    path: str | Path, wanted: int | Quantity, series: int = 0, size: PixelSize | None = None
) -> int:
    """Return the level of a file that is meant.

    Parameters
    ----------
    path : str or Path
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
    path = given_path(path)
    size = size or pixel_size_of(path, series)
    pixel = None if size is None else Pixel.known((size[1], size[2]), size[3])
    pixels = wanted.in_pixels(pixel, "--pixel-size")
    shapes, axes = level_shapes(path, series)
    steps = [steps_along(shapes, axes, level) for level in range(len(shapes))]
    return nearest_level([math.sqrt(one["Y"] * one["X"]) for one in steps], pixels)

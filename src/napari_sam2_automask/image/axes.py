"""Arrays whose axes have names: which names fit, how many planes there are, one plane cut out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["check_axes", "cut", "guess_axes", "key_of", "plane_shape", "shown_axes"]

#: Rows, columns and samples (colours): the axes within one plane, in the order in which planes have them.
_WITHIN = "YXS"


def guess_axes(shape: tuple[int, ...], dtype: Any) -> str:
    """Return the axes of an array of which nothing is known but its shape and dtype."""
    colour = len(shape) >= 3 and shape[-1] in (3, 4) and np.dtype(dtype) == np.uint8
    axes = "YXS" if colour else "YX"
    # Lower-case letters are planes of no known meaning.
    return "abcdefgh"[: len(shape) - len(axes)] + axes if len(shape) >= len(axes) else "?" * len(shape)


def check_axes(axes: str, shape: tuple[int, ...], what: Any = "the image") -> None:
    """Refuse axes that do not fit an image.

    Parameters
    ----------
    axes : str
        One letter for each axis: Y, X, S (colours), C (channels), and others, whose positions are planes.
    shape : tuple of int
        The image's shape.
    what : Any
        What to call the image.

    Raises
    ------
    ImageError
        If they are not one letter for each axis, Y and X among them; S is not 3 or 4; or the image is empty.
    """
    told = "x".join(map(str, shape))
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise ImageError(
            f"axes {axes!r} do not fit {what}, whose shape is {told}: give one letter for each axis (such as "
            "ZYX, TCYX or YXS), Y and X among them"
        )
    if 0 in shape:
        raise ImageError(f"{what} is empty ({axes} {told}): choose an image that has pixels")
    samples = shape[axes.index("S")] if "S" in axes else 3
    if samples not in (3, 4):
        raise ImageError(
            f"axis S of {what} ({axes} {told}) has {samples} samples, not 3 or 4 colours: call that axis C "
            "(--axes), or save the image as gray or RGB"
        )


def plane_shape(axes: str, shape: tuple[int, ...], within: str = _WITHIN) -> tuple[int, ...]:
    """Return how many positions there are along each axis that is not within a plane."""
    return tuple(int(n) for axis, n in zip(axes, shape, strict=True) if axis not in within)


def shown_axes(count: int, rows: int, columns: int, samples: int | None = None) -> str:
    """Return names for `count` axes of which only the numbers are known.

    Parameters
    ----------
    count : int
        How many axes there are.
    rows, columns : int
        Those that are shown as rows and columns.
    samples : int, optional
        The one of colours or channels.
    """
    letters = {rows: "Y", columns: "X"} | ({} if samples is None else {samples: "S"})
    return "".join(letters.get(axis, chr(ord("a") + axis)) for axis in range(count))


def key_of(axes: str, place: Mapping[str, int | slice]) -> tuple[int | slice, ...]:
    """Return what an array is sliced with for a place; whole are the axes that the place does not name."""
    return tuple(place.get(axis, slice(None)) for axis in axes)


def cut(array: Any, axes: str, place: Mapping[str, int | slice]) -> NDArray[Any]:
    """Cut one plane, or a part of one, out of an array.

    Parameters
    ----------
    array : array_like
        Anything that can be sliced; it is read here.
    axes : str
        One letter for each axis. An axis behind those named counts as S: channels laid on each other.
    place : mapping of str to int or slice
        A position on every axis but Y, X and S. Slices of Y and X take a part of the plane.

    Returns
    -------
    ndarray, shape (Y, X) or (Y, X, S)
        As the array has it: a view where that gives views.
    """
    pixels = np.asarray(array[key_of(axes, place)])
    left = [axis for axis in axes if isinstance(place.get(axis, slice(None)), slice)]
    left += "S" * (pixels.ndim - len(left))
    return pixels.transpose([left.index(axis) for axis in _WITHIN if axis in left])

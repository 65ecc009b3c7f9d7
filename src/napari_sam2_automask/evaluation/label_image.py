"""Label images as they are scored: whole numbers, whatever they were stored as, however large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["label_image", "ranked"]

# Floats to here are exact.
_EXACT = 2.0**53


def label_image(image: ArrayLike, name: str = "the label image") -> NDArray[np.integer[Any]]:
    """Return a label image of whole numbers; what is not above 0 is background.

    Parameters
    ----------
    image : (Y, X) array_like
        Integers of any width, booleans, or floats that are whole.
    name : str
        What to call it.

    Raises
    ------
    ImageError
        If it has other axes, or other values.
    """
    try:
        array = np.asarray(image)
    except ValueError as error:  # a ragged list
        raise ImageError(f"{name} is no array ({error}): give one label image") from error
    if array.ndim != 2 or array.size == 0:
        shape = "x".join(map(str, array.shape))
        raise ImageError(f"{name} has shape {shape}, but labels have rows and columns: give one label image")
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (np.abs(array) <= _EXACT)
        if whole.all() and (array == np.floor(array)).all():
            return array.astype(np.int64)
    raise ImageError(f"{name} holds {array.dtype} that are no labels: give whole numbers, 0 for background")


def ranked(labels: NDArray[np.integer[Any]]) -> tuple[NDArray[np.integer[Any]], NDArray[np.intp]]:
    """Return the numbers in a label image, ascending, and the image with the place of each among them.

    Memory goes with the pixels, not with the largest number.
    """
    found, places = np.unique(labels, return_inverse=True)
    return found, places.reshape(labels.shape)

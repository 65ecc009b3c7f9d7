"""Objects of a label image, and how many pixels those of one image share with those of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Overlaps", "Regions", "regions", "shared_pixels", "shifted_overlaps"]

# Pair counts are taken with one bin per pair up to this many pairs, with a sort beyond.
_DENSE_PAIRS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The objects of one label image, numbered 0 to N - 1 in ascending order of their labels.

    Attributes
    ----------
    ids : ndarray of int, shape (N,)
        Their labels in the image.
    image : ndarray of int32, shape (Y, X)
        Row of the object + 1 at each pixel, 0 for background.
    areas : ndarray of int64, shape (N,)
        Pixels.
    centroids : ndarray of float64, shape (N, 2)
        Mean (y, x) of the pixels.
    """

    ids: NDArray[np.integer[Any]]
    image: NDArray[np.int32]
    areas: NDArray[np.int64]
    centroids: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)


class Overlaps(NamedTuple):
    """Pairs of objects that share pixels: rows in `a`, rows in `b`, and the pixels shared."""

    a: NDArray[np.intp]
    b: NDArray[np.intp]
    pixels: NDArray[np.int64]


def regions(labels: ArrayLike) -> Regions:
    """Find the objects of a label image.

    Parameters
    ----------
    labels : array_like of int, shape (Y, X)
        0 for background; the numbers need not be consecutive.

    Returns
    -------
    Regions
        The objects.

    Raises
    ------
    ImageError
        If the array is not two-dimensional, not of integers, or has negative labels.
    """
    array = np.asarray(labels)
    if array.ndim != 2 or (array.dtype.kind not in "iu" and array.dtype != bool):
        raise ImageError(
            f"labels must be a two-dimensional array of whole numbers; this one has shape {array.shape} and "
            f"type {array.dtype}"
        )
    ids, image = _compact(array.astype(np.uint8) if array.dtype == bool else array)
    areas = np.bincount(image.ravel(), minlength=len(ids) + 1)
    ys = _row_sums(image, areas.size, axis=0)
    xs = _row_sums(image, areas.size, axis=1)
    centroids = np.stack([ys[1:], xs[1:]], axis=1) / np.maximum(areas[1:, None], 1)
    return Regions(ids, image, areas[1:].astype(np.int64), centroids)


def shared_pixels(a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]], size: int) -> Overlaps:
    """Count equal pairs of two lists of object numbers.

    Parameters
    ----------
    a, b : ndarray of int, shape (N,)
        Object + 1 at the same N pixels, 0 for background.
    size : int
        One more than the largest number in `b`.

    Returns
    -------
    Overlaps
        Each pair of objects once, ordered by `a`, then `b`.
    """
    keep = (a > 0) & (b > 0)
    key = a[keep].astype(np.int64) * size + b[keep]
    if not key.size:
        return Overlaps(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.int64))
    if int(key.max()) < max(_DENSE_PAIRS, key.size):
        counts = np.bincount(key)
        pairs = np.flatnonzero(counts)
        counts = counts[pairs]
    else:
        pairs, counts = np.unique(key, return_counts=True)
    return Overlaps(
        (pairs // size - 1).astype(np.intp), (pairs % size - 1).astype(np.intp), counts.astype(np.int64)
    )


def shifted_overlaps(a: Regions, b: Regions, shifts: NDArray[np.integer[Any]]) -> Overlaps:
    """Pixels that each object of one image, moved by its own shift, shares with the objects of another.

    Parameters
    ----------
    a, b : Regions
        Of images of equal shape.
    shifts : ndarray of int, shape (len(a), 2)
        How far (y, x) to move each object of `a`; what leaves the image is lost.

    Returns
    -------
    Overlaps
        The pairs that share pixels.
    """
    height, width = b.image.shape
    ys, xs = np.nonzero(a.image)
    rows = a.image[ys, xs]
    moved = np.concatenate([np.zeros((1, 2), np.int64), np.asarray(shifts, np.int64).reshape(-1, 2)])
    ys, xs = ys + moved[rows, 0], xs + moved[rows, 1]
    inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
    return shared_pixels(rows[inside], b.image[ys[inside], xs[inside]], len(b) + 1)


def _compact(labels: NDArray[np.integer[Any]]) -> tuple[NDArray[np.integer[Any]], NDArray[np.int32]]:
    """Return the labels present, ascending and without 0, and the image with their rank from 1."""
    if not labels.size:
        return np.zeros(0, labels.dtype), np.zeros(labels.shape, np.int32)
    if int(labels.min()) < 0:
        raise ImageError("labels must not be negative; 0 is background")
    if int(labels.max()) > 4 * labels.size + 65536:
        ids, image = np.unique(labels, return_inverse=True)
        image = image.reshape(labels.shape).astype(np.int32)
        return (ids[1:], image) if ids[0] == 0 else (ids, image + np.int32(1))
    present = np.zeros(int(labels.max()) + 1, bool)
    present[labels.ravel()] = True
    present[0] = False
    ranks = np.cumsum(present, dtype=np.int32) * present
    return np.flatnonzero(present).astype(labels.dtype), ranks[labels].astype(np.int32, copy=False)


def _row_sums(image: NDArray[np.int32], size: int, axis: int) -> NDArray[np.float64]:
    """Sum the coordinate along one axis over the pixels of each number."""
    shape = (-1, 1) if axis == 0 else (1, -1)
    weights = np.broadcast_to(np.arange(image.shape[axis], dtype=np.float64).reshape(shape), image.shape)
    sums = np.bincount(image.ravel(), weights=weights.ravel(), minlength=size)
    # Without a single pixel bincount forgets the type of its weights.
    return np.asarray(sums, np.float64)

"""What an image measured: samples without those that are masked, and their mean over objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["mean_intensities", "unmasked"]


def unmasked(image: ArrayLike) -> NDArray[Any]:
    """Return an image as an array without a mask: float64 with NaN where pixels are masked, if any are."""
    if isinstance(image, np.ma.MaskedArray) and np.ma.is_masked(image):
        return np.ma.filled(image.astype(np.float64), np.nan)
    return np.asarray(image)


def mean_intensities(
    images: Sequence[ArrayLike], labels: NDArray[np.integer[Any]], places: Mapping[int, tuple[Any, ...]]
) -> NDArray[np.float64]:
    """Return the mean intensity of objects in each of several images.

    It is the mean of all samples of an object's pixels, those of its colours together. Samples that are NaN,
    infinite or masked are left out one by one; alpha is no sample.

    Parameters
    ----------
    images : sequence of array_like, shape (Y, X) or (Y, X, C)
        The images as measured. Of samples on a last axis the first three are colours.
    labels : (Y, X) or (L, Y, X) int array
        The objects.
    places : mapping of int to tuple
        Where they lie, by label, see `places_of`.

    Returns
    -------
    (N, K) float64 array
        A row for each image, the objects in the order of `places`; NaN where no sample is left.

    Raises
    ------
    ImageError
        If an image has other rows and columns than the labels.
    """
    arrays = [_samples(image, labels.shape[-2:]) for image in images]
    means = np.empty((len(arrays), len(places)))
    for k, (label, place) in enumerate(places.items()):
        mask = (labels[place] == label).ravel()
        for n, pixels in enumerate(arrays):
            # Several times as fast as indexing the colours by the mask.
            means[n, k] = _mean(pixels[place[-2:]].reshape(mask.size, -1).compress(mask, axis=0))
    return means


def _samples(image: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    pixels = unmasked(image)
    if pixels.shape[:2] != shape or pixels.ndim not in (2, 3):
        raise ImageError(
            f"the image's shape {pixels.shape} does not fit the masks' {shape}: "
            "pass the image that was segmented"
        )
    return pixels if pixels.ndim == 2 else pixels[..., :3]


def _mean(samples: NDArray[Any]) -> float:
    if samples.dtype.kind == "f":
        samples = samples[np.isfinite(samples)]
    # What `mean` does; its checks take longer than most objects.
    with np.errstate(over="ignore"):
        total = np.add.reduce(samples, axis=None, dtype=np.float64)
    if not np.isfinite(total):  # each is a float, but not their sum
        return float(np.add.reduce(samples / samples.size, axis=None, dtype=np.float64))
    return float(total / samples.size) if samples.size else float("nan")

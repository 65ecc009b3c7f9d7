"""What an image measured: samples without those that are masked, and their statistics over objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["colours_of", "intensity_columns", "mean_intensities", "unmasked"]

_COLOURS = ("red", "green", "blue")


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


def intensity_columns(
    channels: Mapping[str, ArrayLike],
    labels: NDArray[np.integer[Any]],
    places: Mapping[int, tuple[Any, ...]],
    statistics: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """Return statistics of the intensities of objects in each channel.

    Parameters
    ----------
    channels : mapping of str to array_like, shape (Y, X) or of bodies (Z, Y, X)
        The intensities as measured, by the channel's name; an empty name adds none to the column's. Values
        that are NaN, infinite or masked are left out.
    labels : (Y, X), (L, Y, X) or (Z, Y, X) int array
        The objects.
    places : mapping of int to tuple
        Where they lie, by label.
    statistics : sequence of {"intensity_mean", "intensity_min", "intensity_max", "intensity_std", \
"intensity_sum"}
        Which, channel by channel; the standard deviation is that of the population.

    Returns
    -------
    dict of str to (N,) float64 array
        In the order of `places`; NaN where no value is left, also of the sum: nothing was measured there.

    Raises
    ------
    ImageError
        If a channel has another shape than the labels.
    """
    arrays = {name: unmasked(image) for name, image in channels.items()}
    for pixels in arrays.values():
        if pixels.shape not in (labels.shape, labels.shape[-2:]):
            raise _misfit(pixels.shape, labels.shape)
    columns = {
        f"{statistic}_{name}" if name else statistic: np.full(len(places), np.nan)
        for name in arrays
        for statistic in statistics
    }
    for k, (label, place) in enumerate(places.items()):
        mask = labels[place] == label
        found = iter(columns.values())
        for pixels in arrays.values():
            values = pixels[place[-pixels.ndim :]][mask]
            values = values[np.isfinite(values)].astype(np.float64)
            for statistic in statistics:
                column = next(found)
                if len(values):
                    column[k] = _STATISTICS[statistic](values)
    return columns


_STATISTICS: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "intensity_mean": lambda values: _mean(values),
    "intensity_min": lambda values: float(values.min()),
    "intensity_max": lambda values: float(values.max()),
    "intensity_std": lambda values: float(values.std()),
    "intensity_sum": lambda values: float(values.sum()),
}


def colours_of(image: ArrayLike, dimensions: int) -> dict[str, NDArray[Any]]:
    """Return an image as channels by name: red, green and blue if it has one axis more, else one without."""
    pixels = unmasked(image)
    if pixels.ndim != dimensions + 1:
        return {"": pixels}
    return {name: pixels[..., k] for k, name in enumerate(_COLOURS[: pixels.shape[-1]])}


def _misfit(shape: tuple[int, ...], labels: tuple[int, ...]) -> ImageError:
    return ImageError(
        f"the image's shape {shape} does not fit the masks' {labels}: pass the image that was segmented"
    )


def _samples(image: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    pixels = unmasked(image)
    if pixels.shape[:2] != shape or pixels.ndim not in (2, 3):
        raise _misfit(pixels.shape, shape)
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

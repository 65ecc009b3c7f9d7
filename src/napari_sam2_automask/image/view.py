"""Any two-dimensional image to what the model sees: RGB, 8 bit, contrast stretched."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.image.intensity import unmasked
from napari_sam2_automask.settings.numbers import INTENSITY, PERCENTILE, Bound, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_model_view",
    "contrast_of_planes",
    "contrast_range",
    "image_hash",
    "is_rgb",
    "to_model_view",
]

# Rows are converted in blocks of about this many values: a huge image needs no second copy in float64.
_BLOCK_VALUES = 1 << 22
# Percentiles are taken from at most about this many values, evenly spread over the image.
_SAMPLE_VALUES = 1 << 22
# Bytes of the widest numbers that are computed with.
_DOUBLE = 8
# Planes from which the contrast of a whole stack is taken.
_SAMPLED_PLANES = 16


def check_model_view(view: NDArray[Any]) -> None:
    """Make sure that an array is a picture for the model.

    Raises
    ------
    ImageError
        If it is not a (Y, X, 3) uint8 array with at least one pixel.
    """
    if view.ndim != 3 or view.shape[2] != 3 or view.dtype != np.uint8 or 0 in view.shape:
        raise ImageError(
            f"an image for the model must have the shape (rows, columns, 3) and type uint8, not "
            f"{view.shape} and {view.dtype}: make it with to_model_view"
        )


def to_model_view(
    plane: ArrayLike,
    *,
    rgb: bool | None = None,
    contrast_limits: tuple[float, float] | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
) -> NDArray[np.uint8]:
    """Turn an image plane into the RGB image that the model is shown.

    Parameters
    ----------
    plane : array_like, shape (Y, X), (Y, X, 3) or (Y, X, 4)
        A gray plane of any real dtype and byte order, or a colour image with the colours (and alpha) last.
    rgb : bool, optional
        Whether the last axis holds colours. None takes a three-dimensional uint8 array whose last axis has
        3 or 4 values for a colour image, and nothing else.
    contrast_limits : (float, float), optional
        The intensities shown as black and as white. None takes them from the percentiles. Colour images of
        uint8 are passed as they are, whatever the limits.
    percentiles : (float, float)
        The percentiles of the finite intensities shown as black and as white.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        C-contiguous, never sharing memory with `plane`. Gray is repeated in the three channels; alpha is
        dropped; NaN and infinite values are black. An image of one intensity gives a flat, black view.

    Raises
    ------
    ImageError
        If there is no image in the array: wrong number of axes, empty, complex or not numeric, or no finite
        value; or if the limits or percentiles are not an increasing pair.
    """
    array = _as_numeric(plane)
    if is_rgb(array, rgb):
        colours = array[..., :3]
        if colours.dtype == np.uint8:
            return np.array(colours, order="C")
        return _stretch(colours, contrast_range(colours, contrast_limits, percentiles))
    gray = _stretch(array, contrast_range(array, contrast_limits, percentiles))
    return np.ascontiguousarray(np.broadcast_to(gray[..., None], (*gray.shape, 3)))


def is_rgb(array: NDArray[Any], rgb: bool | None = None) -> bool:
    """Tell whether an array is a colour image, and refuse what is neither that nor one gray plane.

    Parameters
    ----------
    array : ndarray
        The image.
    rgb : bool, optional
        What the caller knows; None decides by shape and dtype, see :func:`to_model_view`.

    Raises
    ------
    ImageError
        If the array is empty or has another number of axes; the message says which plane to choose or what to
        pass.
    """
    shape = "x".join(map(str, array.shape))
    if array.ndim < 2:
        raise ImageError(f"an image has rows and columns, but this has {array.ndim} axes: pass a 2-D array")
    if array.size == 0:
        raise ImageError(f"the image is empty (shape {shape}): choose an image that has pixels")
    colours = array.ndim == 3 and array.shape[-1] in (3, 4)
    if rgb and not colours:
        raise ImageError(
            f"a colour image has shape (rows, columns, 3 or 4), but this is {shape}: "
            "pass one plane of it, or rgb=False for a gray image"
        )
    if array.ndim == 2:
        return False
    if colours and (rgb or (rgb is None and array.dtype == np.uint8)):
        return True
    hint = ", or pass rgb=True if the last axis holds the colours" if colours and rgb is None else ""
    raise ImageError(
        f"the image has {array.ndim} axes (shape {shape}): choose one plane of it, as array[0]{hint}"
    )


def contrast_range(
    array: NDArray[Any],
    contrast_limits: tuple[float, float] | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
) -> tuple[float, float]:
    """Return the intensities to show as black and as white.

    Parameters
    ----------
    array : ndarray, any shape
        Real values; NaN and infinite ones are left out.
    contrast_limits : (float, float), optional
        Taken as they are when given.
    percentiles : (float, float)
        Taken otherwise. Where nearly all pixels have one intensity, so that the two percentiles are equal,
        the smallest and largest value are taken instead: a few bright spots on black stay visible.

    Returns
    -------
    (float, float)
        Black and white; equal for an image of one intensity.

    Raises
    ------
    ImageError
        If no value is finite, or limits or percentiles are not an increasing pair of finite numbers.
    """
    if contrast_limits is not None:
        return _increasing_pair(contrast_limits, "contrast_limits", INTENSITY)
    low, high = _increasing_pair(percentiles, "percentiles", PERCENTILE)
    array = _as_numeric(array)
    sample = _spread_sample(array).astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0 and array.dtype.kind == "f":
        # A few finite values may lie between those of the sample.
        sample = array[np.isfinite(array)].astype(np.float64)
    if sample.size == 0:
        raise ImageError("the image has no finite value (all NaN or infinite): choose another image or plane")
    scale = _scale_of(float(np.abs(sample).max()))
    black, white = np.percentile(sample * scale, (low, high)) / scale
    if black == white:
        black, white = _finite_extremes(array)
    return float(black), float(white)


def contrast_of_planes(read: Callable[[int], NDArray[Any]], count: int) -> tuple[float, float]:
    """Return the intensities to show as black and as white on all planes of a stack.

    Parameters
    ----------
    read : callable
        Takes the number of a plane, returns its pixels (Y, X) or (Y, X, C).
    count : int
        How many planes there are; up to 16, evenly spread, are read.

    Returns
    -------
    (float, float)
        Percentiles 0.5 and 99.5 of the planes read, see `contrast_range`.

    Raises
    ------
    ImageError
        If no value is finite.
    """
    chosen = np.unique(np.linspace(0, count - 1, _SAMPLED_PLANES).astype(int))
    samples = [_spread_sample(_as_numeric(read(int(k))), _SAMPLE_VALUES // len(chosen)) for k in chosen]
    return contrast_range(np.concatenate(samples)[:, None])


def image_hash(array: ArrayLike) -> str:
    """Return the SHA-256 of an image's dtype, shape and values, as hexadecimal digits.

    Equal images give equal hashes whatever their byte order and memory layout.
    """
    values = np.asarray(array)
    dtype = values.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{dtype.str}{values.shape}".encode())
    for rows in _row_blocks(values) if values.ndim else [values.reshape(1)]:
        digest.update(np.ascontiguousarray(rows, dtype=dtype).tobytes())
    return digest.hexdigest()


def _as_numeric(plane: Any) -> NDArray[Any]:
    """Return an array of real numbers, or say why there is none."""
    try:
        array = unmasked(plane)
    except (TypeError, ValueError) as error:  # ragged lists, closed files
        raise ImageError(f"this is not an image ({error}): pass an array of numbers") from error
    if array.dtype.kind == "c":
        raise ImageError(f"the image is complex ({array.dtype}): pass its magnitude, np.abs(image), instead")
    if array.dtype.kind not in "buif":
        raise ImageError(f"the image's dtype {array.dtype} holds no intensities: pass an array of numbers")
    if array.dtype.itemsize > _DOUBLE:
        with np.errstate(over="ignore"):
            return array.astype(np.float64)
    return array


def _increasing_pair(pair: Any, name: str, bound: Bound) -> tuple[float, float]:
    try:
        low, high = bound.check_all(pair, name, 2)
        rising = low < high
    except SettingsError as error:
        raise ImageError(f"{name} must be two numbers, but is {shown(pair)}: give (low, high)") from error
    if not rising:
        raise ImageError(f"{name} must be two increasing numbers, but is {shown(pair)}: give (low, high)")
    return low, high


def _spread_sample(array: NDArray[Any], values: int = _SAMPLE_VALUES) -> NDArray[Any]:
    """Return the values of evenly spread rows and columns, all of them for an image of ordinary size."""
    step = int(np.ceil(np.sqrt(max(1.0, array.size / values))))
    return array[::step, ::step].ravel()


def _scale_of(largest: float) -> float:
    """Return the power of two that brings numbers near 1, so that differences and halves of them exist.

    The difference of the largest floats is not finite, and half of the smallest is 0.
    """
    return 2.0 ** -min(max(math.frexp(largest)[1], -1000), 1000)


def _finite_extremes(array: NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and largest finite value, row block by row block."""
    low, high = np.inf, -np.inf
    for rows in _row_blocks(array):
        finite = rows[np.isfinite(rows)] if rows.dtype.kind == "f" else rows
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return low, high


def _row_blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the array in blocks of whole rows that hold a limited number of values each."""
    per_row = max(1, array[:1].size)
    step = max(1, _BLOCK_VALUES // per_row)
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _stretch(array: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Map black to 0 and white to 255, clipped, with everything not finite black."""
    black, white = limits
    out = np.zeros(array.shape, dtype=np.uint8)
    if black == white:
        return out
    scale = _scale_of(max(abs(black), abs(white)))
    start = 0
    for rows in _row_blocks(array):
        finite = np.isfinite(rows) if rows.dtype.kind == "f" else True
        values = rows.astype(np.float64)
        with np.errstate(over="ignore"):  # far beyond white is white
            values *= scale
            values -= black * scale
            values /= white * scale - black * scale
        np.clip(values, 0.0, 1.0, out=values)
        values *= 255.0
        values += 0.5
        # NaN has no integer; `where` leaves those pixels black.
        np.copyto(out[start : start + len(rows)], values, casting="unsafe", where=finite)
        start += len(rows)
    return out

"""Arrays that are not as they are stored: pixels made of others, axes of length 1 added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Converted", "Expanded"]


class Converted:
    """An array that converts the samples of what is sliced.

    Parameters
    ----------
    array : array_like
        What is stored.
    samples : int or None
        The axis of its samples, if it has one.
    convert : callable
        Takes a part of the array with the samples last; returns it with others last, or without any.
    shape, dtype
        Those of the whole, converted: with the samples where they were, or last if they were none.

    Attributes
    ----------
    stored : array_like
        What is stored.
    """

    def __init__(
        self,
        array: Any,
        samples: int | None,
        convert: Callable[[NDArray[Any]], NDArray[Any]],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.stored, self._samples, self._convert = array, samples, convert
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        parts = list(key) if isinstance(key, tuple) else [key]
        parts += [slice(None)] * (self.ndim - len(parts))
        stored, last = len(self.stored.shape), slice(None)
        at = self._samples if self.ndim == stored else None if self.ndim < stored else stored
        if at is not None:
            last = parts.pop(at)
        if self._samples is not None:
            parts.insert(self._samples, slice(None))
        pixels = np.asarray(self.stored[tuple(parts)])
        kept = [axis for axis, part in enumerate(parts) if isinstance(part, slice)]
        if self._samples is not None:
            pixels = np.moveaxis(pixels, kept.index(self._samples), -1)
        pixels = self._convert(pixels).astype(self.dtype, copy=False)
        if at is None:
            return pixels
        pixels = pixels[..., last]
        return np.moveaxis(pixels, -1, sum(axis < at for axis in kept)) if isinstance(last, slice) else pixels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[()], dtype)


class Expanded:
    """An array with axes of length 1 that it does not have.

    Parameters
    ----------
    array : array_like
        What is stored.
    at : tuple of int
        The axes to add, as they are counted in the result.
    """

    def __init__(self, array: Any, at: tuple[int, ...]) -> None:
        self._array, self._at = array, at
        stored = iter(array.shape)
        self.ndim: int = len(array.shape) + len(at)
        self.shape = tuple(1 if axis in at else int(next(stored)) for axis in range(self.ndim))
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        parts = list(key) if isinstance(key, tuple) else [key]
        parts += [slice(None)] * (self.ndim - len(parts))
        pixels = np.asarray(self._array[tuple(p for axis, p in enumerate(parts) if axis not in self._at)])
        kept = [axis for axis, part in enumerate(parts) if isinstance(part, slice)]
        pixels = np.expand_dims(pixels, tuple(k for k, axis in enumerate(kept) if axis in self._at))
        own = [parts[axis] if axis in self._at else slice(None) for axis in kept]
        return pixels[tuple(own)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[()], dtype)

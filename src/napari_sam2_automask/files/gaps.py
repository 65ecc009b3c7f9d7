"""Arrays of which some planes are nowhere: to ask for one is an error, not a black plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WithGaps", "expanded"]


class WithGaps:
    """An array that raises `ImageError` where a plane is asked for whose pixels are missing.

    Parameters
    ----------
    path : Path
        The file, for the message.
    array : array_like
        What is stored.
    axes : str
        One letter for each axis.
    absent : frozenset of int
        The missing planes, counted over all axes but Y, X and S, the last one fastest.
    """

    def __init__(self, path: Path, array: Any, axes: str, absent: frozenset[int]) -> None:
        self._path, self._array = path, array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, len(array.shape)
        self._outer = [k for k, axis in enumerate(axes) if axis not in "YXS"]
        lengths = [int(self.shape[k]) for k in self._outer]
        self._absent = {plane: np.unravel_index(plane, lengths) for plane in sorted(absent)}

    def __getitem__(self, key: Any) -> Any:
        parts = expanded(key, self.ndim)
        asked = [np.atleast_1d(np.arange(self.shape[k])[parts[k]]) for k in self._outer]
        for plane, place in self._absent.items():
            if all(at in places for at, places in zip(place, asked, strict=True)):
                raise ImageError(
                    f"{self._path} holds no pixels of plane {plane}: the file that does is missing"
                )
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[...], dtype)


def expanded(key: Any, count: int) -> list[int | slice]:
    """Return a key of whole numbers, slices and an ellipsis as one part for each of `count` axes."""
    parts = list(key) if isinstance(key, tuple) else [key]
    at = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    before, after = parts[:at], parts[at + 1 :]
    return [*before, *[slice(None)] * (count - len(before) - len(after)), *after]

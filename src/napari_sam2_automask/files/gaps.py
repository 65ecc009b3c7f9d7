"""Arrays of which some planes are nowhere: to ask for one is an error, not a black plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["WithGaps", "expanded", "missing_planes"]

# So many planes and files are named.
_NAMED = 3


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
    absent : mapping of int to str
        The missing planes, counted over all axes but Y, X and S, the last one fastest, with the name of the
        file that should hold each; empty if that is not known.
    """

    def __init__(self, path: Path, array: Any, axes: str, absent: Mapping[int, str]) -> None:
        self._path, self._array, self._axes, self._absent = path, array, axes, absent
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, len(array.shape)
        self._outer = [k for k, axis in enumerate(axes) if axis not in "YXS"]
        self._lengths = [int(self.shape[k]) for k in self._outer]

    def __getitem__(self, key: Any) -> Any:
        parts = expanded(key, self.ndim)
        asked = [np.atleast_1d(np.arange(self.shape[k])[parts[k]]) for k in self._outer]
        planes = np.ravel_multi_index(np.ix_(*asked), self._lengths).ravel().tolist() if asked else [0]
        if lost := [plane for plane in planes if plane in self._absent]:
            raise ImageError(self.told(lost))
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[...], dtype)

    def told(self, planes: list[int] | None = None) -> str:
        """Return what is said of planes that are nowhere; of all of them if none are given."""
        lost = sorted(self._absent) if planes is None else planes
        return missing_planes(
            self._path, [f"{k}{self._place(k)}" for k in lost], [self._absent[k] for k in lost]
        )

    def _place(self, plane: int) -> str:
        """Return where a plane is along the axes that have names and several positions."""
        where = np.unravel_index(plane, self._lengths) if self._lengths else ()
        told = [
            f"{self._axes[axis]} {k}"
            for axis, k, n in zip(self._outer, where, self._lengths, strict=True)
            if n > 1 and self._axes[axis].isupper()
        ]
        return f" ({', '.join(told)})" if told else ""


def missing_planes(path: Path, planes: list[str], files: list[str]) -> str:
    """Return what is said of planes that are nowhere.

    Parameters
    ----------
    path : Path
        The file that was read.
    planes : list of str
        What to call them.
    files : list of str
        The missing file of each; empty if it is not known.
    """
    several = "s" if len(planes) > 1 else ""
    told = f"{path} holds no pixels of plane{several} {_listed(planes)}"
    named = list(dict.fromkeys(filter(None, files)))
    if not named:
        return f"{told}: the file that does is missing or damaged; replace it, or choose other planes"
    verb = "are" if len(named) > 1 else "is"
    return (
        f"{told}: {_listed(named)}, which should hold {'them' if several else 'it'}, {verb} missing or of "
        "another set; put it into the same folder, or choose other planes"
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def expanded(key: Any, count: int) -> list[int | slice]:
    """Return a key of whole numbers, slices and an ellipsis as one part for each of `count` axes."""
    parts = list(key) if isinstance(key, tuple) else [key]
    at = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    before, after = parts[:at], parts[at + 1 :]
    return [*before, *[slice(None)] * (count - len(before) - len(after)), *after]

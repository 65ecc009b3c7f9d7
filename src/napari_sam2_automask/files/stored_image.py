"""An image in a file before its pixels are read, and what is said where they cannot be."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import AutomaskError, ImageError, SettingsError
from napari_sam2_automask.files.gaps import WithGaps
from napari_sam2_automask.image.axes import guess_axes, plane_shape
from napari_sam2_automask.settings.numbers import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["LARGEST_PIECE", "StoredImage", "check_level", "check_pixels", "check_whole", "naming", "reading"]

#: How many bytes may have to be decoded at once to see one pixel: of a chunk, a strip, a tile.
LARGEST_PIECE = 2**31
_MOST_PIXELS = 2**48
# Characters of what is told of an error.
_LONGEST = 300


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """One image in a file, with all its planes and levels.

    Attributes
    ----------
    path : Path
        The file.
    shapes : list of tuple of int
        The shape of each level of its pyramid, full resolution first.
    dtype : dtype
        The pixels' type.
    open_level : callable
        Takes the number of a level; returns an array whose pixels are read as it is sliced.
    axes : str
        One letter for each axis; empty if the file does not tell.
    name : str
        What the file calls it.
    absent : tuple of mapping of int to str
        For each level the planes, counted over all axes but Y, X and S, that the file tells of but whose
        pixels are nowhere, and the name of the file that should hold each if it is known.
    channels : tuple of str
        What the file calls its channels; empty if it does not tell.
    left_out : tuple of str
        What else the file holds that is no image: thumbnails, labels, masks.
    singles : str
        Axes of one position that the file tells of, and the shapes do not have.
    cut_off : bool
        Whether the file ends before all of its planes; what is left of them is here.
    """

    path: Path
    shapes: list[tuple[int, ...]]
    dtype: np.dtype[Any]
    open_level: Callable[[int], Any]
    axes: str = ""
    name: str = ""
    absent: tuple[Mapping[int, str], ...] = ()
    channels: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    singles: str = ""
    cut_off: bool = False

    @classmethod
    def of(cls, path: Path, levels: list[Any], axes: str = "") -> StoredImage:
        """Return the image whose levels are open already."""
        shapes = [tuple(map(int, level.shape)) for level in levels]
        return cls(path, shapes, np.dtype(levels[0].dtype), levels.__getitem__, axes)

    @property
    def likely_axes(self) -> str:
        """The axes; guessed by shape and dtype if the file does not tell."""
        return self.axes or guess_axes(self.shapes[0], self.dtype)

    def stored_axes(self, given: str = "") -> str:
        """Return the axes of the shapes, by other letters if they are given.

        Letters for `singles` may be among those that are given, and are left out.
        """
        axes = given or self.likely_axes
        more = self.singles if len(axes) > len(self.shapes[0]) else ""
        return "".join(axis for axis in axes if axis not in more)

    def count(self, level: int = 0) -> int:
        """Return how many planes a level holds, channels counted as planes; 1 of what is no image."""
        check_level(self.path, level, len(self.shapes))
        axes, shape = self.likely_axes, self.shapes[level]
        return max(1, math.prod(plane_shape(axes, shape))) if "Y" in axes and len(axes) == len(shape) else 1

    def array(self, level: int = 0) -> Any:
        """Open a level.

        Raises
        ------
        ImageError
            If there is no such level, its pixels are no numbers, or it cannot be read.
        """
        check_level(self.path, level, len(self.shapes))
        check_pixels(self.path, self.shapes[level], self.dtype)
        with reading(self.path):
            array = self.open_level(level)
        lost = self.absent[level] if level < len(self.absent) else {}
        return WithGaps(self.path, array, self.likely_axes, lost) if lost else array


@contextmanager
def reading(path: Path, pixels: bool = False, by: str = "") -> Iterator[None]:
    """Turn whatever a reader raises into a message that names the file.

    Parameters
    ----------
    path : Path
        The file.
    pixels : bool
        Whether the file is open already.
    by : str
        What reads it, if that is a choice.

    Raises
    ------
    ImageError
        In place of any other exception.
    """
    failed = f"cannot read the pixels of {path}" if pixels else f"{path} cannot be read"
    failed += f" by {by}" if by else ""
    try:
        yield
    except AutomaskError:
        raise
    except Exception as raised:  # the decoders raise whatever they meet in a damaged file
        error = _innermost(raised)
        if isinstance(error, AutomaskError):
            raise error from raised
        if isinstance(error, MemoryError):
            raise ImageError(f"{path} does not fit into memory: use a smaller image") from raised
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        why = "check the file" if isinstance(error, OSError) else "it is damaged or in an unknown format"
        raise ImageError(f"{failed} ({_short(told)}): {why}") from raised


def _innermost(error: Exception) -> Exception:
    """Return what was raised, of several that were raised side by side, as zarr reads chunks, the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _short(text: str) -> str:
    """Return the first line of a text, cut where it is long: some decoders tell what they met in full."""
    line = next(iter(text.splitlines()), "")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def check_pixels(path: Path, shape: Sequence[int], dtype: Any) -> None:
    """Raise `ImageError` unless an array holds real numbers of at most 8 bytes, and not too many."""
    if np.dtype(dtype).kind not in "biuf" or np.dtype(dtype).itemsize > 8:
        how = ", np.abs of it," if np.dtype(dtype).kind == "c" else ""
        raise ImageError(
            f"{path} holds {dtype} in place of pixels: save it{how} as integers, or floats of at most 64 bits"
        )
    if math.prod(map(int, shape)) > _MOST_PIXELS or any(n < 0 for n in shape):
        raise ImageError(
            f"{path} is said to have {'x'.join(map(str, shape))} pixels, which no file can hold: replace it, "
            "it is damaged"
        )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every error say of which file it is.

    Raises
    ------
    ImageError, SettingsError
        Those raised inside, with the file before what does not name it.
    """
    try:
        yield
    except (ImageError, SettingsError) as error:
        if path.name in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def check_whole(path: Path, cut_off: bool, remedy: str = "") -> None:
    """Raise `ImageError` if a file ends before all of its planes: what is left is not what was meant."""
    if cut_off:
        raise ImageError(f"{path} is cut off, planes of it are lost: copy it anew from where it came{remedy}")


def check_level(path: Path, level: int, count: int) -> None:
    """Raise `ImageError` if a file with `count` levels has no such level."""
    if not 0 <= WHOLE.check(level, "level") < count:
        raise ImageError(
            f"{path} has {count} level{'' if count == 1 else 's'}; there is no level {level}: choose from 0 "
            f"to {count - 1}"
        )

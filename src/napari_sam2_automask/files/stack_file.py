"""Stacks on disk: which of their axes are planes and channels, and one picture out of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.converted import Expanded
from napari_sam2_automask.files.opening import images_in, series_of
from napari_sam2_automask.files.pyramid import scale_at
from napari_sam2_automask.files.stored_image import reading
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.image.axes import check_axes, cut
from napari_sam2_automask.image.pick import POSITIONS, Pick
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.image.projection import project_planes
from napari_sam2_automask.settings.numbers import WHOLE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.files.pixel_size import FileScale, PixelSize
    from napari_sam2_automask.files.stored_image import StoredImage

__all__ = ["Stack", "check_plane", "open_stack", "stack_of"]

#: In bytes.
_LARGEST_PLANE = 2**32
# Of a plane that is read at once: each takes its time, though it is stored nowhere.
_MOST_CHUNKS = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """An image file of several axes, opened without reading its pixels.

    Attributes
    ----------
    path : Path
        The file.
    array : array_like
        Its pixels, read as they are sliced.
    axes : str
        One letter for each axis: Y, X, S (colours), C (channels), Z, T, P or R (positions); others are planes
        of unknown kind.
    scale : FileScale
        How large its pixels are and where the first one lies.
    channels : tuple of str
        What the file calls its channels; empty if it does not tell.
    singles : str
        Axes of length 1 that the file tells of without storing them.
    cut_off : bool
        Whether the file ends before all of its planes.
    """

    path: Path
    array: Any
    axes: str
    scale: FileScale
    channels: tuple[str, ...] = ()
    singles: str = ""
    cut_off: bool = False

    @classmethod
    def of(
        cls,
        image: StoredImage,
        axes: str = "",
        level: int = 0,
        size: PixelSize | None = None,
        series: int = 0,
    ) -> Stack:
        """Open a level of an image; raises what `open_stack` raises.

        Parameters
        ----------
        image : StoredImage
            The image.
        axes : str
            One letter for each axis, in place of what the file says; with or without those of length 1 that
            it tells of and does not store.
        level : int
            Which level of a pyramid.
        size : PixelSize, optional
            The voxel's size at full resolution, in place of what the file says.
        series : int
            Which of the file's images it is.
        """
        array, given = image.array(level), axes.upper()
        stored = image.stored_axes(given)
        told = given or image.singles
        singles = "".join(axis for axis in told if axis in image.singles and axis not in stored)
        axes = given or singles + stored
        check_axes(stored, image.shapes[level], image.path)
        scale = scale_at(image.path, image.shapes, stored, level, series, size)
        at = tuple(axes.index(axis) for axis in singles)
        if at:
            in_memory = isinstance(array, np.ndarray)
            array = np.expand_dims(array, at) if in_memory else Expanded(array, at)
        return cls(image.path, array, axes, scale, image.channels, singles, image.cut_off)

    @property
    def size(self) -> PixelSize | None:
        """Distance between planes, height and width of a pixel, unit; None where the file does not tell."""
        return self.scale.size

    def plane_axes(self, pick: Pick) -> str:
        """Return the axes whose positions are the planes of a pick.

        Raises
        ------
        ImageError
            If the file has nothing to project, or no channels to choose from.
        """
        left = "".join(a for a in self.axes if a not in "YXS" and (a != "C" or pick.channel is None))
        if pick.channel is not None and "C" not in self.axes:
            raise ImageError(f"{self._told()} has no channels: leave out --channel, or give its --axes")
        return left.replace(self.projected(pick), "") if pick.project else left

    def projected(self, pick: Pick) -> str:
        """Return the axis that a pick projects; empty if it projects none.

        Channels, time and positions are projected only where they are asked for by name.

        Raises
        ------
        ImageError
            If the file has no such axis, or more than one that may be meant.
        """
        if not pick.project:
            return ""
        left = "".join(a for a in self.axes if a not in "YXS" and (a != "C" or pick.channel is None))
        if pick.over:
            # Planes of no known meaning have small letters, which nobody has to know.
            found = [axis for axis in left if axis in (pick.over, pick.over.lower())][:1]
            told = f"no axis {pick.over} to project"
        else:
            free = [axis for axis in left if axis not in "TC" + POSITIONS]
            found = ["Z"] if "Z" in free else [axis for axis in free if self._length(axis) > 1] or free
            told = "no single axis of planes to project"
        if len(found) != 1:
            choice = f"choose one of {', '.join(left)} with --over" if left else "leave out --project"
            raise ImageError(f"{self._told()} has {told}: {choice}, or give its --axes")
        return found[0]

    def explicit(self, pick: Pick) -> Pick:
        """Return a pick of a record that does not say which axis it projects, with the one that was meant.

        Without z that was any axis which was the only one of planes, even one of channels or time. Axes of
        length 1 that a file does not store were not known.
        """
        if not pick.project or pick.over:
            return pick
        known = [axis for axis in self.axes if axis not in "YXS" + POSITIONS + self.singles]
        left = [axis for axis in known if axis != "C" or pick.channel is None]
        over = "Z" if "Z" in left else left[0] if len(left) == 1 else ""
        return replace(pick, over=over)

    def count(self, pick: Pick) -> int:
        """Return how many planes a pick chooses from."""
        return int(np.prod([self._length(a) for a in self.plane_axes(pick)], dtype=np.int64))

    def check(self, pick: Pick) -> None:
        """Raise `ImageError` if a pick does not say which of several planes it is of, or there is no such."""
        check_plane(pick.plane, self.count(pick), self._told())

    def read(self, pick: Pick) -> LoadedImage:
        """Read one picture.

        Raises
        ------
        ImageError
            If there is no such plane or channel, or the file cannot be read.
        """
        self.check(pick)
        self._check_size()
        axes = self.plane_axes(pick)
        where = np.unravel_index(pick.plane or 0, [self._length(a) for a in axes])
        place = dict(zip(axes, map(int, where), strict=True))
        size = None if self.size is None else self.size[1:3]
        unit = None if self.size is None else self.size[3]
        with reading(self.path, pixels=True):
            if not isinstance(pick.channel, str):
                place |= {} if pick.channel is None else {"C": self._channel(pick.channel)}
                return LoadedImage(self._plane(place, pick), "S" in self.axes, pick.plane, size, unit)
            if "S" in self.axes:
                raise ImageError(f"{self._told()} has colours and channels: choose one with --channel N")
            channels = [self._plane({**place, "C": k}, pick) for k in range(self._length("C"))]
        return LoadedImage(
            np.stack(channels, -1),
            False,
            pick.plane,
            size,
            unit,
            pick.channel,
            names=self._names(len(channels)),
        )

    def _names(self, count: int) -> tuple[str, ...] | None:
        """Return names for so many channels that can stand in a table; None if the file tells none."""
        names = tuple(" ".join(name.split()) for name in self.channels)
        return names if len(names) == len(set(names)) == count and all(names) else None

    def _plane(self, place: dict[str, int], pick: Pick) -> NDArray[Any]:
        if pick.project is None:
            pixels = cut(self.array, self.axes, place)
            # In memory of its own: a file that is mapped may change or go.
            return pixels.astype(pixels.dtype.newbyteorder("="), copy=isinstance(self.array, np.memmap))
        axis = self.projected(pick)
        planes = (cut(self.array, self.axes, {**place, axis: k}) for k in range(self._length(axis)))
        return project_planes(planes, pick.project)

    def _check_size(self) -> None:
        """Refuse planes that are not to be held in memory."""
        size = math.prod(self._length(axis) for axis in "YXS" if axis in self.axes)
        if size * np.dtype(self.array.dtype).itemsize > _LARGEST_PLANE:
            raise ImageError(
                f"a plane of {self._told()} is too large to be segmented at once: use sam2-automask large, "
                "or a coarser level"
            )
        chunks = dict(zip(self.axes, getattr(self.array, "chunks", None) or (), strict=False))
        if (
            math.prod(-(-self._length(axis) // chunks[axis]) for axis in "YXS" if axis in chunks)
            > _MOST_CHUNKS
        ):
            raise ImageError(
                f"a plane of {self._told()} is stored in more than {_MOST_CHUNKS:,} chunks: save it in "
                "larger ones"
            )

    def _channel(self, number: int) -> int:
        if not 0 <= number < self._length("C"):
            raise ImageError(
                f"there is no channel {number} in {self._told()}: choose from 0 to {self._length('C') - 1}"
            )
        return number

    def position_of(self, plane: int | None, pick: Pick) -> int | None:
        """Return at which position a plane of a pick is, counted over all axes of positions; None without."""
        axes = self.plane_axes(pick)
        positions = [axis for axis in axes if axis in POSITIONS and axis not in self.singles]
        if not positions:
            return None
        where = np.unravel_index(plane or 0, [self._length(axis) for axis in axes])
        found = 0
        for axis, place in zip(axes, where, strict=True):
            if axis in positions:
                found = found * self._length(axis) + int(place)
        return found

    def _length(self, axis: str) -> int:
        return int(self.array.shape[self.axes.index(axis)])

    def _told(self) -> str:
        return f"{self.path} ({self.axes} {'x'.join(map(str, self.array.shape))})"


def open_stack(
    path: str | Path, axes: str = "", series: int | None = None, level: int = 0, size: PixelSize | None = None
) -> Stack:
    """Open an image file of any kind.

    Parameters
    ----------
    path : str or Path
        A TIFF, PNG, JPEG, BMP, WebP, GIF, Zarr, OME-Zarr or ``.npy`` file, or a vendor's.
    axes : str
        One letter for each axis, in place of what the file says.
    series : int, optional
        Which image of a file with several.
    level : int
        Which level of a pyramid; 0 is full resolution.
    size : PixelSize, optional
        The voxel's size at full resolution, in place of what the file says.

    Raises
    ------
    ImageError
        If the file cannot be read or holds several images and none was chosen, it has no such level, or the
        axes do not fit it.
    """
    path = given_path(path)
    image = series_of(images_in(path), series)
    return Stack.of(image, axes, level, size, series or 0)


def stack_of(path: str | Path, pick: Pick, size: PixelSize | None = None) -> Stack:
    """Open a file as a pick asks for; raises what `open_stack` raises."""
    return open_stack(path, pick.axes, pick.series, pick.level, size)


def check_plane(plane: int | None, count: int, told: str) -> None:
    """Refuse a plane that is none of several, or that was not chosen.

    Parameters
    ----------
    plane : int or None
        Which plane was asked for.
    count : int
        How many there are.
    told : str
        What to call the file.

    Raises
    ------
    ImageError
        If there is no such plane, or none was chosen of several.
    """
    if plane is None and count > 1:
        raise ImageError(
            f"{told} holds {count} planes: choose one with --plane N, from 0 to {count - 1} (segment "
            "also takes several, with --planes A:B or all, or --project)"
        )
    if plane is not None and not 0 <= WHOLE.check(plane, "plane") < count:
        choice = f"from 0 to {count - 1}" if count > 1 else "0"
        raise ImageError(f"there is no plane {plane} in {told}: choose {choice}")

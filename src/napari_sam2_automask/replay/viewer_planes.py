"""The planes of a record from the viewer, cut out of their files as they were cut out of the layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.files.converted import Converted
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.image.axes import cut, plane_shape, shown_axes
from napari_sam2_automask.image.projection import project_planes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.record.entries import Viewer

__all__ = ["ViewerCut"]


@dataclass(frozen=True)
class ViewerCut:
    """How a viewer cut pictures out of its layers.

    Attributes
    ----------
    shape : tuple of int
        The shape of the layers, without colours.
    rows_columns : (int, int)
        The axes that it showed as rows and columns.
    level : int
        The level of multiscale layers.
    planes : tuple of tuple of int
        The position of each picture along the other axes but those of channels and of the projection.
    projected : {"max", "mean"} or None
        What was taken of planes.
    over : int or None
        The axis that they lie along; None for all the other axes.
    channel_axis : int or None
        The axis of channels, if the layer has one that was taken as such.
    """

    shape: tuple[int, ...]
    rows_columns: tuple[int, int]
    level: int
    planes: tuple[tuple[int, ...], ...]
    projected: str | None = None
    channel_axis: int | None = None
    over: int | None = None

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerCut | None:
        """Return what a record says; None if it is of a version that did not say it."""
        shape, rows_columns = viewer.shape, viewer.rows_columns
        if shape is None or rows_columns is None or viewer.planes is None:
            return None
        axis, over = None if viewer.channels is None else viewer.channels.axis, viewer.over
        used = [one for one in (*rows_columns, axis, over) if one is not None]
        if max(used) >= len(shape) or len(set(used)) != len(used):
            told = f"rows and columns {rows_columns}, channels {axis}, projected {over}"
            raise SettingsError(
                f"the record is damaged ({told} of an image of {len(shape)} axes): use a record that was not "
                "edited"
            )
        return cls(shape, rows_columns, viewer.level, viewer.planes, viewer.projected, axis, over)

    def picture(self, file: Path, number: int, stored: bool = False) -> NDArray[Any] | None:
        """Return a picture (Y, X), or with colours or channels last; None if the file does not fit.

        Parameters
        ----------
        file : Path
            The image file.
        number : int
            Which of `planes`.
        stored : bool
            Whether to leave colours as the file stores them, such as numbers of a palette: so do readers of
            the viewer.
        """
        array = self._open(file, stored)
        if array is None or number >= len(self.planes):
            return None
        axes = shown_axes(len(self.shape), *self.rows_columns, self.channel_axis)
        others, counts = [axis for axis in axes if axis not in "YXS"], plane_shape(axes, self.shape)
        over = [] if not self.projected else others if self.over is None else [axes[self.over]]
        kept = [axis for axis in others if axis not in over]
        lengths = dict(zip(others, counts, strict=True))
        place = dict(zip(kept, self.planes[number], strict=False))
        if len(self.planes[number]) != len(kept) or any(place[a] >= lengths[a] for a in kept):
            return None
        pictures = (
            cut(array, axes, place | dict(zip(over, along, strict=True)))
            for along in np.ndindex(*(lengths[axis] for axis in over))
        )
        return project_planes(pictures, self.projected) if self.projected else next(pictures)

    def _open(self, file: Path, stored: bool) -> Any | None:
        try:
            array = open_file(file, self.level)[0]
        except ImageError:
            return None
        if stored:
            if not isinstance(array, Converted):
                return None
            array = array.stored
        shape = tuple(int(n) for n in array.shape)
        fits = shape == self.shape or (shape[:-1] == self.shape and self.channel_axis is None)
        return array if fits else None

    def stacked(self, files: Sequence[Path], number: int) -> NDArray[Any] | None:
        """Return a picture whose channels are on the last axis, from one file or from one for each."""
        if self.channel_axis is not None:
            return self.picture(files[0], number)
        pictures = [self.picture(file, number) for file in files]
        known = [picture for picture in pictures if picture is not None]
        return np.stack(known, -1) if len(known) == len(files) else None

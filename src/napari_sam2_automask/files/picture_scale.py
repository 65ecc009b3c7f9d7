"""Where the pixels lie that a pick takes of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.pyramid import steps_along
from napari_sam2_automask.files.reading import image_of_plane
from napari_sam2_automask.files.stack_file import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.files.pixel_size import FileScale, PixelSize
    from napari_sam2_automask.image.pick import Pick

__all__ = ["scale_of_picture"]


def scale_of_picture(path: Path, pick: Pick, size: PixelSize | None = None) -> FileScale:
    """Return how large the pixels of a picture are and where they lie, also along z and time.

    Parameters
    ----------
    path : Path
        The file.
    pick : Pick
        What is taken of it.
    size : PixelSize, optional
        How large the pixels are at the level of the pick, in place of what the file says. A place that the
        file tells is kept, in the unit of the size.

    Raises
    ------
    ImageError
        If the file cannot be read, or does not hold what is to be taken of it.
    """
    images, number, plane = images_in(path), pick.series or 0, pick.plane or 0
    if pick.is_plain:
        number, plane = image_of_plane(images, plane)
    image = images[number]
    if size is not None and pick.level:
        steps = steps_along(image.shapes, image.stored_axes(pick.axes), pick.level)
        z, y, x, unit = size
        size = None if z is None else z / steps["Z"], y / steps["Y"], x / steps["X"], unit
    stack = Stack.of(image, pick.axes, pick.level, size, number)
    axes, found = stack.plane_axes(pick), stack.scale
    lengths = [int(stack.array.shape[stack.axes.index(axis)]) for axis in axes]
    at = dict(zip(axes, map(int, np.unravel_index(plane, lengths)), strict=True))
    first, between = found.origin, (found.spacing or (None,))[0]
    return replace(
        found,
        origin=(first[0] + at.get("Z", 0) * (between or 0.0), *first[1:]),
        start=found.start + at.get("T", 0) * (found.interval or 0.0),
    )

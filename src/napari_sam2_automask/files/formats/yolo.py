"""YOLO segmentation text: a line for each object, its class and its polygon in fractions of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.formats.outlined import Outlines, read_outlines
from napari_sam2_automask.files.web_address import given_path

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_yolo", "yolo_text"]

_KIND = "YOLO text"
_LARGEST = 1 << 28


def yolo_text(outlines: Outlines) -> bytes:
    """Return a line for each object: class 0, then x and y of the corners along the edges of its pixels.

    Raises
    ------
    FormatError
        If an object has holes or several parts, which one polygon does not, or there is a stack.
    """
    outlines.refuse_stack(_KIND)
    parts = [one.polygons for one in outlines.objects]
    objects = list(zip(outlines.objects, parts, strict=True))
    holes = [one for one, found in objects if any(part.holes for part in found)]
    advice = "clean masks with min_mask_region_area, or save another format"
    outlines.refuse(holes, _KIND, "holes", advice)
    outlines.refuse(
        [one for one, found in objects if len(found) > 1], _KIND, "objects of several parts", advice
    )
    rows, columns = outlines.shape
    # Seven digits tell the corner of a pixel in any image that fits into memory.
    lines = [
        " ".join(["0", *(f"{value:.7f}" for value in (found[0].outer / (columns, rows)).ravel())])
        for _, found in objects
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def read_yolo(path: str | Path, shape: tuple[int, int]) -> Outlines:
    """Read YOLO segmentation text.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : (int, int)
        Rows and columns of the image, which the file does not tell.

    Returns
    -------
    Outlines
        Numbered from 1 in the order of the lines.

    Raises
    ------
    ImageError
        If the file cannot be read, or a line is no polygon.
    """
    path = given_path(path)
    try:
        if check_regular(path).st_size > _LARGEST:
            raise ImageError(f"{path} has more than {_LARGEST:,} bytes: give a smaller file")
        text = path.read_text("utf-8")
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except UnicodeDecodeError as error:
        raise ImageError(f"{path} is no text: give YOLO segmentation text") from error
    rows, columns = shape
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = np.array(line.split()[1:], np.float64)
            corners = values.reshape(-1, 2)
        except ValueError as error:
            raise ImageError(f"{path}: line {number} is no polygon: give YOLO segmentation text") from error
        if len(corners) < 3 or not ((corners >= 0) & (corners <= 1)).all():
            raise ImageError(
                f"{path}: line {number} has not three corners from 0 to 1: give YOLO segmentation text"
            )
        exact = corners * (columns, rows)
        whole = np.rint(exact)
        # Fractions of seven digits: what was a corner of a pixel is one again.
        found.append(("", None, [np.where(np.abs(exact - whole) < 1e-2, whole, exact)]))
    return read_outlines(path, found, shape, {})

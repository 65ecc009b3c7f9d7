"""Masks as COCO's run lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compressed_rle", "uncompressed_rle"]


def uncompressed_rle(y0: int, x0: int, mask: NDArray[np.bool_], shape: tuple[int, int]) -> dict[str, Any]:
    """Return COCO's uncompressed run lengths of a mask inside a larger image.

    Parameters
    ----------
    y0, x0 : int
        Where the mask's first row and column lie in the image.
    mask : ndarray of bool, shape (h, w)
        The mask inside its box.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    dict
        ``size`` ([rows, columns]) and ``counts``: lengths of runs down the columns, background first, as
        Meta's ``mask_to_rle_pytorch`` gives them.
    """
    rows, columns = shape
    # Columns of the mask with background above and below: each change is a run's start or end.
    padded = np.zeros((mask.shape[1], mask.shape[0] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask.T
    column, row = np.nonzero(np.diff(padded, axis=1))
    changes = (column + x0) * rows + row + y0
    # A run that reaches the image's last row goes on when the next column starts with the mask: the end and
    # the start fall on the same pixel and are no change.
    repeated = np.flatnonzero(changes[1:] == changes[:-1])
    changes = np.delete(changes, np.concatenate([repeated, repeated + 1]))
    if changes.size and changes[-1] == rows * columns:
        changes = changes[:-1]
    counts = np.diff(changes, prepend=0, append=rows * columns)
    return {"size": [int(rows), int(columns)], "counts": counts.tolist()}


def compressed_rle(y0: int, x0: int, mask: NDArray[np.bool_], shape: tuple[int, int]) -> dict[str, Any]:
    """Return COCO's compressed run lengths, with the counts as text; see `uncompressed_rle`."""
    from pycocotools import mask as coco_mask

    rle = coco_mask.frPyObjects(uncompressed_rle(y0, x0, mask, shape), *shape)
    return {"size": [int(size) for size in rle["size"]], "counts": rle["counts"].decode("ascii")}

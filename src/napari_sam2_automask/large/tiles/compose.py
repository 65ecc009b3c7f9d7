"""Draw one block of the finished labels from the tiles that reach into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.large.tiles.grid import Box, Grid
    from napari_sam2_automask.large.tiles.seam_rule import Plan

__all__ = ["BLOCK_FIELDS", "block_rows", "compose", "halve"]

#: What one block holds of each object: its number, pixels, sums of their rows and columns, and extent.
BLOCK_FIELDS = np.dtype(
    [
        ("number", "<u8"), ("area", "<i8"), ("y", "<f8"), ("x", "<f8"),
        ("y0", "<i4"), ("x0", "<i4"), ("y1", "<i4"), ("x1", "<i4"),
    ]
)  # fmt: skip


def compose(
    grid: Grid, plan: Plan, plane: int, box: Box, tile_labels: Callable[[int], NDArray[Any] | None]
) -> NDArray[np.unsignedinteger[Any]]:
    """Draw one block.

    Parameters
    ----------
    grid : Grid
        The grid.
    plan : Plan
        From `make_plan`.
    plane : int
        The plane of the block.
    box : Box
        The block.
    tile_labels : callable
        Returns the labels (Y, X) of a tile, or None for a tile without a result.

    Returns
    -------
    ndarray of uint32 or uint64, shape (Y, X)
        The numbers of the plan; it does not depend on how the image is cut in blocks.
    """
    out = np.zeros(box.shape, plan.number.dtype)
    for index in grid.touching(plane, box):
        start, end = int(plan.starts[index]), int(plan.starts[index + 1])
        labels = tile_labels(index) if end > start else None
        if labels is None:
            continue
        outer = grid[index].outer
        part = outer & box
        numbers = np.zeros(end - start + 1, plan.number.dtype)
        numbers[1:] = plan.number[start:end]
        new = numbers[labels[part.inside(outer)]]
        old = out[part.inside(box)]
        np.copyto(old, new, where=plan.rank[new] > plan.rank[old])
    return out


def block_rows(labels: NDArray[np.unsignedinteger[Any]], box: Box) -> NDArray[np.void]:
    """Measure the objects in one block, so that those of all blocks can be added up.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        The block's labels.
    box : Box
        Where the block lies.

    Returns
    -------
    ndarray of BLOCK_FIELDS
        One row per object in the block, in order of its number.
    """
    ys, xs = np.nonzero(labels)
    numbers, rows = np.unique(labels[ys, xs], return_inverse=True)
    out = np.zeros(len(numbers), BLOCK_FIELDS)
    out["number"] = numbers
    out["area"] = np.bincount(rows, minlength=len(numbers))
    for name, values, start in (("y", ys, box.y0), ("x", xs, box.x0)):
        values = values + start
        out[name] = np.bincount(rows, values.astype(np.float64), len(numbers))
        out[name + "0"] = np.iinfo(np.int32).max
        np.minimum.at(out[name + "0"], rows, values)
        np.maximum.at(out[name + "1"], rows, values + 1)
    return out


def halve(labels: NDArray[Any]) -> NDArray[Any]:
    """Take every second row and column: a label of the pyramid is always one of the labels below it."""
    return labels[::2, ::2]

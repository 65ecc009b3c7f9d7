"""All masks whole: those that lie in others go into further label images, so that none hides another.

A mask's parent is the smallest mask that contains it. Masks without a parent belong on level 0, what lies in
them on level 1, what lies in that on level 2, and so on. Two masks of one level may share pixels although
neither contains the other: then the better one stays and the other goes to the next level on which all of its
pixels are free. So no mask loses a pixel, and a mask always lies on a higher level than those around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.selection.nesting import CONTAINED, depths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed

__all__ = ["Levels", "paint_levels"]


class Levels(NamedTuple):
    """Objects on levels.

    Attributes
    ----------
    labels : (L, Y, X) array of unsigned int
        A label image for each level, at least one; an object has its label on one of them.
    ids : (K,) int64 array
        The labels, rising.
    level : (K,) int64 array
        The level of each.
    parent : (K,) int64 array
        The label of the smallest mask that contains each; 0 if there is none.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    ids: NDArray[np.int64]
    level: NDArray[np.int64]
    parent: NDArray[np.int64]

    def tell(self, table: pd.DataFrame) -> None:
        """Add the columns ``level`` and ``parent`` to a table of objects, in place."""
        rows = np.searchsorted(self.ids, table["index"].to_numpy())
        table["level"] = self.level[rows]
        table["parent"] = self.parent[rows]


def paint_levels(
    shape: tuple[int, int],
    masks: Mapping[int, Placed],
    dtype: type[np.unsignedinteger[Any]],
    tick: Callable[[], None] | None = None,
) -> Levels:
    """Paint every mask whole, on as many levels as that takes.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    masks : mapping of int to Placed
        The masks by label; of two equal masks, and of two that share pixels of one level, the lower label
        counts as the better.
    dtype : type
        Of the label images.
    tick : callable, optional
        Called after each mask; may raise to stop.

    Returns
    -------
    Levels
        The label images, and where each object lies.
    """
    ids = np.array(sorted(masks), np.int64)
    placed = [masks[label] for label in ids.tolist()]
    parent = _parents(placed, tick)
    depth = depths(np.ones(len(ids), bool), parent)
    level = np.zeros(len(ids), np.int64)
    images = [np.zeros(shape, dtype)]
    # Parents come before what lies in them; of one depth the better first.
    for k in np.lexsort((ids, depth)).tolist():
        one = placed[k]
        n = int(level[parent[k]]) + 1 if parent[k] >= 0 else 0
        while n < len(images) and images[n][one.window][one.mask].any():
            n += 1
        if n == len(images):
            images.append(np.zeros(shape, dtype))
        images[n][one.window][one.mask] = ids[k]
        level[k] = n
        if tick is not None:
            tick()
    found = np.where(parent >= 0, ids[parent], 0) if len(ids) else parent
    return Levels(np.stack(images), ids, level, found)


def _parents(placed: list[Placed], tick: Callable[[], None] | None) -> NDArray[np.int64]:
    """Return the position of the smallest mask that contains each, (K,) int64; -1 if there is none."""
    area = np.array([one.area for one in placed], np.int64)
    boxes = np.array([one.extent for one in placed], np.int64).reshape(-1, 4)
    found = np.full(len(placed), -1, np.int64)
    # From the largest to the smallest; of equal ones the first is the better and counts as larger.
    order = np.lexsort((np.arange(len(placed)), -area))
    for position, k in enumerate(order.tolist()):
        larger = order[:position]
        height = np.minimum(boxes[larger, 2], boxes[k, 2]) - np.maximum(boxes[larger, 0], boxes[k, 0])
        width = np.minimum(boxes[larger, 3], boxes[k, 3]) - np.maximum(boxes[larger, 1], boxes[k, 1])
        least = CONTAINED * area[k]
        possible = larger[(height > 0) & (width > 0) & (height * width >= least)]
        # The smallest first: the first that contains it is the parent.
        for j in possible[::-1].tolist():
            if _shared(placed[k], placed[j]) >= least:
                found[k] = j
                break
        if tick is not None:
            tick()
    return found


def _shared(one: Placed, other: Placed) -> int:
    """Count the pixels that two masks share."""
    common = one.common(other)
    return 0 if common is None else int(np.count_nonzero(one.mask[common[0]] & other.mask[common[1]]))

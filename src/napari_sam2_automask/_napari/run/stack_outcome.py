"""The results of planes to one array of the stack's shape, and one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask.stack.numbering import number_through

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.snapshot import ImageSource
    from napari_sam2_automask._napari.run.outcome import PlaneResult
    from napari_sam2_automask._napari.run.request import Previous

    Index = tuple[int, ...]

__all__ = ["axis_name", "stack_planes"]


def stack_planes(
    source: ImageSource, indices: tuple[Index, ...], results: list[PlaneResult], previous: Previous | None
) -> tuple[NDArray[Any], pd.DataFrame, dict[Index, str]]:
    """Put planes into an array of the stack's shape, with label ids unique over all planes.

    An earlier array is continued in place: a copy of a whole stack for one more plane could cost more than
    the run. The viewer draws planes, and redraws when it is told of the change.
    """
    import pandas as pd

    data = np.zeros(source.shape, np.uint32)
    if previous is not None:
        data = previous.data if previous.data.dtype == np.uint32 else previous.data.astype(np.uint32)
    first = 1 if previous is None else previous.next_id
    tables, digests = [], {}
    names = [axis_name(source, axis) for axis in source.other_axes]
    numbered = number_through(((result.labels, result.table) for result in results), first)
    for index, (labels, table) in zip(indices, numbered, strict=True):
        plane = source.oriented(labels)
        data[source.slices(index)] = plane
        digests[index] = digest(plane)
        for position, (name, value) in enumerate(zip(names, index, strict=True)):
            table.insert(1 + position, name, value)
        tables.append(table)
    filled = [table for table in tables if len(table)]
    return data, pd.concat(filled or tables[:1], ignore_index=True), digests


def axis_name(source: ImageSource, axis: int) -> str:
    """Return the column of the table that says on which plane an object lies."""
    name = source.axis_labels[axis] if axis < len(source.axis_labels) else ""
    return name if name and not name.lstrip("-").isdigit() and not name.startswith("axis") else f"axis_{axis}"

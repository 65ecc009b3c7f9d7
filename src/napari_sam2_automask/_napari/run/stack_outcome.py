"""The results of planes to one array of the stack's shape and one table, linked if that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.run.outcome import TracksData, digest
from napari_sam2_automask.settings.units import short_unit
from napari_sam2_automask.stack.linked_planes import link_planes
from napari_sam2_automask.stack.numbering import number_through
from napari_sam2_automask.stack.track_arrays import tracks

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.snapshot import ImageSource
    from napari_sam2_automask._napari.run.outcome import PlaneResult
    from napari_sam2_automask._napari.run.request import Previous

    Index = tuple[int, ...]

__all__ = ["LinkedPlanes", "axis_name", "linked_planes", "stack_planes"]

LinkedPlanes = tuple[
    "NDArray[Any]", "pd.DataFrame", "dict[Index, str]", "TracksData | None", "dict[str, Any]"
]


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


def linked_planes(
    source: ImageSource, link: str, results: list[PlaneResult], indices: tuple[Index, ...]
) -> LinkedPlanes:
    """Link the labels of planes of a stack with one axis of planes.

    Parameters
    ----------
    source : ImageSource
        The stack.
    link : {"z", "t"}
        What the planes are.
    results : list of PlaneResult
        One per plane segmented, in their order.
    indices : tuple of plane indices
        Which planes these are; planes are counted in the whole stack, and the others hold nothing.

    Returns
    -------
    data : ndarray of unsigned int
        Labels of the stack's shape.
    table : DataFrame
        One row per object, see `link_planes`.
    digests : dict of plane index to str
        Of each plane written.
    tracks : TracksData or None
        For time: what a Tracks layer takes.
    record : dict
        What was linked, JSON-able.
    """
    (axis,) = source.other_axes
    spacing, unit = None, "px"
    if source.unit:
        between = abs(float(source.transform["scale"][axis]))
        spacing, unit = (between, *source.pixel_size), short_unit(source.unit)
    nothing = np.zeros_like(results[0].labels)
    labels = {index[0]: result.labels for index, result in zip(indices, results, strict=True)}
    found = link_planes(
        [labels.get(number, nothing) for number in range(source.plane_count)],
        axis="t" if link == "t" else "z",
        spacing=spacing,
        unit=unit,
    )
    data = np.zeros(source.shape, found.labels.dtype)
    digests: dict[Index, str] = {}
    for number, linked in enumerate(found.labels):
        plane = source.oriented(linked)
        data[source.slices((number,))] = plane
        digests[number,] = digest(plane)
    events = [f"{e.kind} at plane {e.plane}: {e.other} and {e.number}" for e in found.events]
    record = {"along": "time" if link == "t" else "z", "spacing": spacing, "unit": unit, "events": events}
    return data, found.table, digests, _tracks(source, axis, found) if link == "t" else None, record


def _tracks(source: ImageSource, axis: int, found: Any) -> TracksData:
    """Return the tracks in the axes of the stack: napari takes (track, time, y, x) in the layer's order."""
    made = tracks(found)
    order = [axis, *source.rows_columns]
    coordinates = np.empty_like(made.data)
    coordinates[:, 0] = made.data[:, 0]
    for column, place in enumerate(order, 1):
        coordinates[:, 1 + place] = made.data[:, column]
    return TracksData(coordinates, made.graph, dict(made.features))

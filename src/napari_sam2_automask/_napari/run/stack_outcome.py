"""The results of planes to one array of the stack's shape and one table, linked if that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.plane_axes import is_named
from napari_sam2_automask._napari.layers.reduce_axes import reduced
from napari_sam2_automask._napari.run.outcome import TracksData, digest
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.measures.cells import expand
from napari_sam2_automask.measures.measuring import sides_in_micrometres
from napari_sam2_automask.settings.units import short_unit
from napari_sam2_automask.stack.linked_planes import link_planes
from napari_sam2_automask.stack.links import Links
from napari_sam2_automask.stack.measured import measure_linked
from napari_sam2_automask.stack.numbering import number_through, numbered_as
from napari_sam2_automask.stack.numbers import Numbers
from napari_sam2_automask.stack.track_arrays import tracks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask._napari.run.outcome import PlaneResult
    from napari_sam2_automask._napari.run.request import Previous, Request
    from napari_sam2_automask.stack.linked_planes import Linked

    Index = tuple[int, ...]

__all__ = [
    "LinkedPlanes",
    "axis_name",
    "grown",
    "linked_planes",
    "measured_links",
    "spacing_of",
    "stack_planes",
    "tracks_of",
]

LinkedPlanes = tuple[
    "NDArray[Any]",
    "pd.DataFrame",
    "dict[Index, str]",
    "TracksData | None",
    "dict[str, Any]",
    "Numbers",
    "Links",
]

#: A Tracks layer has time, and three axes of space at most.
_MOST_AXES = 4


def stack_planes(
    source: ImageSource, indices: tuple[Index, ...], results: list[PlaneResult], previous: Previous | None
) -> tuple[NDArray[Any], pd.DataFrame, dict[Index, str], Numbers]:
    """Put planes into an array of the stack's shape, with label ids unique over all planes.

    What comes back last are the numbers that the labels of the planes have there.

    Labels that have numbers in the stack already keep them, also those that planes share.

    An earlier array is continued in place: a copy of a whole stack for one more plane could cost more than
    the run. The viewer draws planes, and redraws when it is told of the change.
    """
    import pandas as pd

    data = np.zeros(source.shape, np.uint32)
    if previous is not None:
        data = previous.data if previous.data.dtype == np.uint32 else previous.data.astype(np.uint32)
    first = 1 if previous is None else previous.next_id
    tables, digests, numbers = [], {}, Numbers()
    numbers.largest = first - 1
    names = [axis_name(source, axis) for axis in source.other_axes]
    if results[0].numbers is None:
        numbered = number_through(((result.labels, result.table) for result in results), first)
    else:
        numbered = map(_as_they_are, results)
    for index, result, (labels, table) in zip(indices, results, numbered, strict=True):
        numbers.put(index, zip(result.table["index"].tolist(), table["index"].tolist(), strict=True))
        plane = source.oriented(labels)
        data[source.slices(index)] = plane
        digests[index] = digest(plane)
        for position, (name, value) in enumerate(zip(names, index, strict=True)):
            table.insert(1 + position, name, value)
        tables.append(table)
    filled = [table for table in tables if len(table)]
    return data, pd.concat(filled or tables[:1], ignore_index=True), digests, numbers


def _as_they_are(result: PlaneResult) -> tuple[NDArray[np.uint32], pd.DataFrame]:
    """Return labels and table of a plane in the numbers that they have in the stack."""
    pairs = result.numbers or ()
    return numbered_as(result.labels, pairs), result.table.assign(
        index=result.table["index"].map(dict(pairs))
    )


def axis_name(source: ImageSource, axis: int) -> str:
    """Return the column of the table that says on which plane an object lies."""
    name = source.axis_labels[axis] if axis < len(source.axis_labels) else ""
    return name if is_named(name) else f"axis_{axis}"


def linked_planes(request: Request, results: list[PlaneResult], indices: tuple[Index, ...]) -> LinkedPlanes:
    """Link the labels of planes of a stack with one axis of several planes.

    Parameters
    ----------
    request : Request
        The run: its stack, what the planes are, and what is to be measured.
    results : list of PlaneResult
        One per plane segmented, in their order.
    indices : tuple of plane indices
        Which planes these are; planes are counted in the whole stack, and the others hold nothing.

    Returns
    -------
    data : ndarray of unsigned int
        Labels of the stack's shape.
    table : DataFrame
        One row per object, see `link_planes` and `measure_bodies`.
    digests : dict of plane index to str
        Of each plane written.
    tracks : TracksData or None
        For time: what a Tracks layer takes, if it takes that many axes.
    record : dict
        What was linked, JSON-able.
    numbers : Numbers
        Those that the labels of the planes have.
    links : Links
        What can be cut and joined.
    """
    source, link = request.source, request.link
    places = source.all_indices()
    spacing, unit = spacing_of(source, link)
    nothing = np.zeros_like(results[0].labels)
    labels = {index: result.labels for index, result in zip(indices, results, strict=True)}
    found = link_planes(
        [labels.get(place, nothing) for place in places],
        axis="t" if link == "t" else "z",
        spacing=spacing,
        unit=unit,
    )
    data = np.zeros(source.shape, np.uint32)  # wide enough for objects that are yet to come
    digests: dict[Index, str] = {}
    for place, linked in zip(places, found.labels, strict=True):
        plane = source.oriented(linked)
        data[source.slices(place)] = plane
        digests[place] = digest(plane)
    events = [event.text for event in found.events]
    record = {"along": "time" if link == "t" else "z", "spacing": spacing, "unit": unit, "events": events}
    links = Links(dict(found.nodes), found.events, "t" if link == "t" else "z", spacing, unit)
    distance = request.settings.expand_distance
    cells = np.stack([grown(request, plane, distance) for plane in found.labels]) if distance > 0 else None
    table, frames = measured_links(request, found, links, cells)
    in_time = tracks_of(source, found, frames) if link == "t" else None
    return data, table, digests, in_time, record, _numbers(found, places), links


def spacing_of(source: ImageSource, link: str) -> tuple[tuple[float, float, float] | None, str]:
    """Return the distance between planes that are linked, height and width of a pixel, and their unit."""
    axis = next(axis for axis in source.other_axes if source.shape[axis] > 1)
    between = 1.0 if link == "t" else source.between(axis)
    if not source.unit or between is None:
        return None, "px"
    return (between, *source.pixel_size), short_unit(source.unit)


def measured_links(
    request: Request, found: Linked, links: Links, cells: NDArray[Any] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the table of linked objects with the measures of the run, and in time those of each frame.

    `cells` (P, Y, X) are the objects grown to cells, if they are.
    """
    source = request.source
    places = source.all_indices()
    return measure_linked(
        found,
        links.axis,
        request.settings.measures,
        lambda plane: request.picture(source.plane(places[plane])).intensities,
        links.spacing,
        links.unit,
        cells,
    )


def grown(request: Request, labels: NDArray[Any], distance: float) -> NDArray[Any]:
    """Return the objects of a plane (Y, X) grown to cells, within the region if there is one."""
    source, region = request.source, request.region
    sides = sides_in_micrometres(source.pixel_size, source.unit, 2)
    if region is None:
        return expand(labels, distance, sides)
    return region.widened(expand(region.cut(labels), distance, sides), labels.shape)


def _numbers(found: Linked, places: Sequence[Index]) -> Numbers:
    """Return the numbers that the labels of planes have after linking."""
    nodes, numbers = found.nodes, Numbers()
    for k, place in enumerate(places):
        here = nodes["plane"] == k
        numbers.put(place, zip(nodes["label"][here].tolist(), nodes["number"][here].tolist(), strict=True))
    return numbers


def tracks_of(source: ImageSource, found: Linked, frames: pd.DataFrame | None) -> TracksData | None:
    """Return the tracks in the axes of the stack: napari takes (track, time, y, x) in the layer's order.

    Axes of one position before them are left out, for napari takes the first one for time. None if the
    others are more than it takes, or have no place of their own.
    """
    axis = next(axis for axis in source.other_axes if source.shape[axis] > 1)
    places = (axis, *source.rows_columns)
    kept = list(range(min(places), len(source.shape)))
    try:
        transform = source.transform if kept[0] == 0 else reduced(source, kept).transform
    except ImageError:  # turned out of these axes
        return None
    if len(kept) > _MOST_AXES:
        return None
    made = tracks(found, frames)
    coordinates = np.zeros((len(made.data), 1 + len(source.shape)), made.data.dtype)
    coordinates[:, 0] = made.data[:, 0]
    for column, place in enumerate(places, 1):
        coordinates[:, 1 + place] = made.data[:, column]
    coordinates = coordinates[:, [0, *(1 + place for place in kept)]]
    return TracksData(coordinates, made.graph, dict(made.features), transform)

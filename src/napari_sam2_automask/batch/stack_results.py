"""The files of stacks: objects that have one number in all planes, or numbers of their own in each."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.batch.jobs import labels_inside
from napari_sam2_automask.disk.atomic import write_all
from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.files.formats.exporting import FORMATS
from napari_sam2_automask.files.formats.outlined import Outlines
from napari_sam2_automask.files.labels_tiff import size_in_record, write_labels
from napari_sam2_automask.files.pixel_size import scale_in_file
from napari_sam2_automask.files.results import stale_of
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.measures.cells import expand
from napari_sam2_automask.measures.measuring import sides_in_micrometres
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.stack.measured import measure_linked
from napari_sam2_automask.stack.numbering import number_through
from napari_sam2_automask.stack.track_arrays import tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.batch.jobs import StackJob
    from napari_sam2_automask.disk.atomic import Content
    from napari_sam2_automask.files.pixel_size import PixelSize
    from napari_sam2_automask.files.results import ResultPaths
    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.painting.segmentation import Segmentation
    from napari_sam2_automask.stack.linked_planes import Linked

__all__ = ["write_objects", "write_planes"]


def write_objects(
    stack: StackJob,
    linked: Linked,
    record: Record,
    *,
    overwrite: bool = False,
    channels: Callable[[int], Mapping[str, NDArray[Any]]] | None = None,
    region: Region | None = None,
) -> Record:
    """Write labels, table, tracks (for time) and record of linked objects; return the record.

    Labels of that name inside the image are replaced with `overwrite`. `channels` takes the number of a plane
    and returns its channels by name; those of the stack's files if left out. Cells lie within
    `region`, where no more than that of the planes was segmented.
    """
    assert stack.link is not None
    axis = stack.link.letter
    events = [event.text for event in linked.events]
    record = record.model_copy(
        update={
            "objects": len(linked.table),
            "events": tuple(events),
            "labels_sha256": image_hash(linked.labels),
        }
    )
    settings, (size, interval) = record.each_plane[0].settings, _scale(stack, record)
    cells = None
    if settings.expand_distance > 0:
        cells = grown(linked.labels, settings.expand_distance, size, region)
    table, frames = measure_linked(
        linked,
        axis,
        settings.measures,
        channels or (lambda plane: stack.planes[plane].read().intensities),
        stack.spacing,
        stack.unit,
        cells,
    )
    files: dict[Path, Content] = {}
    if stack.paths.also:
        between = None if stack.spacing is None else stack.spacing[0]
        outlines = replace(
            Outlines.of_labels(linked.labels, stack.source.name, table, axis),
            scale=stack.planes[0].scale(between),
        )
        files |= {path: FORMATS[form].content(outlines) for form, path in stack.paths.also}
    files[stack.paths.objects] = lambda file: table.to_csv(file, index=False)
    if axis == "t":
        files[stack.paths.tracks] = lambda file: _tracks_csv(file, linked, frames)
    files[stack.paths.record] = json_bytes(record.to_json())
    axes = f"{axis.upper()}YX"
    if cells is not None:
        files[stack.paths.cells] = lambda file: write_labels(file, cells, axes, size, interval)
    files[stack.paths.labels] = lambda file: write_labels(file, linked.labels, axes, size, interval)
    stale = stale_of([stack.paths.cells], files)
    with labels_inside(stack, linked.labels, overwrite):
        write_all(files, stale=stale)
    return record


def write_planes(
    results: Sequence[Segmentation],
    paths: ResultPaths,
    record: Record,
    indices: Sequence[tuple[int, ...]],
    region: Region | None = None,
) -> Record:
    """Write labels, table and record of planes whose objects are numbered through; return the record.

    Parameters
    ----------
    results : sequence of Segmentation
        One for each plane.
    paths : ResultPaths
        Where to; there is no COCO JSON of several planes.
    record : Record
        What the record says apart from what it counts and hashes.
    indices : sequence of tuple of int
        Where each plane lies along the axes of planes: columns ``plane`` of the table, or ``plane_0`` and so
        on of several axes.
    region : Region, optional
        What of the planes was segmented, if that was not all.
    """
    import pandas as pd

    images, tables = [], []
    each = [(one.labels, one.table) for one in results]
    known = all("numbers" in one.record for one in results)  # which they have then
    numbered = ((labels, table.copy()) for labels, table in each) if known else number_through(each)
    for index, (labels, table) in zip(indices, numbered, strict=True):
        names = ["plane"] if len(index) == 1 else [f"plane_{k}" for k in range(len(index))]
        for column, (name, place) in enumerate(zip(names, index, strict=True), 1):
            table.insert(column, name, place)
        images.append(labels)
        tables.append(table)
    labels, table = np.stack(images), pd.concat(tables, ignore_index=True)
    size, settings = size_in_record(results[0].record), results[0].settings
    more: dict[Path, Content] = {}
    if settings.expand_distance > 0:
        cells = grown(labels, settings.expand_distance, size, region)
        more[paths.cells] = lambda file: write_labels(file, cells, "QYX", size)
    counted = {"objects": len(table), "labels_sha256": image_hash(labels)}
    planes = tuple(Record.of(one.record) for one in results)
    record = record.model_copy(update={"planes": planes, **counted})
    write_all(
        {
            **more,
            paths.table: lambda file: table.to_csv(file, index=False),
            paths.record: json_bytes(record.to_json()),
            paths.labels: lambda file: write_labels(file, labels, "QYX", size),
        },
        stale=stale_of([paths.cells], more),
    )
    return record


def grown(
    labels: NDArray[Any], distance: float, size: PixelSize | None, region: Region | None = None
) -> NDArray[Any]:
    """Return objects (P, Y, X) grown to cells in each plane by itself, within a region if there is one."""
    sides = None if size is None else sides_in_micrometres(size[1:3], size[3], 2)
    if region is None:
        return expand(labels, distance, sides)
    y0, x0, y1, x1 = region.box
    return region.widened(expand(labels[:, y0:y1, x0:x1], distance, sides), labels.shape[1:])


def _scale(stack: StackJob, record: Record) -> tuple[PixelSize | None, float | None]:
    """Return how large the voxels of a linked stack are, and the seconds between its frames."""
    series = stack.planes[0].pick.series if stack.planes else None
    interval = scale_in_file(stack.source, series or 0).seconds if stack.link is Along.time else None
    if stack.spacing is None:
        return size_in_record(record.each_plane[0].to_json()), interval
    z, y, x = stack.spacing
    return (z if stack.link is Along.z else None, y, x, stack.unit), interval


def _tracks_csv(file: IO[bytes], linked: Linked, frames: pd.DataFrame | None) -> None:
    """Write the tracks as napari's Tracks layer takes them, with the tracks that each comes from."""
    import pandas as pd

    found = tracks(linked, frames)
    table = pd.DataFrame(found.data, columns=["track", "t", "y", "x"])
    table[["track", "t"]] = table[["track", "t"]].astype(np.int64)
    for name, values in found.features.items():
        table[name] = values
    table["parents"] = [" ".join(map(str, found.graph.get(track, []))) for track in table["track"]]
    table.to_csv(file, index=False)

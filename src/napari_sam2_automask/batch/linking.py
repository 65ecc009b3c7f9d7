"""What planes of a stack have in common: one contrast, and objects that keep their numbers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.batch.existing import check_linked, existing
from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.batch.jobs import is_whole
from napari_sam2_automask.batch.stack_results import write_objects
from napari_sam2_automask.errors import AutomaskError, OutputError
from napari_sam2_automask.files.stack_file import stack_of
from napari_sam2_automask.files.stored_image import naming
from napari_sam2_automask.image.view import contrast_of_planes
from napari_sam2_automask.progress import Progress, ProgressCallback
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.stack.linked_planes import link_planes, number_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from napari_sam2_automask.batch.jobs import StackJob
    from napari_sam2_automask.stack.splits_and_merges import Event

__all__ = ["limits_of", "link_records", "link_stack", "write_linked"]


def limits_of(stack: StackJob) -> tuple[float, float] | None:
    """Return contrast limits for all planes of a file; None for colours that are shown as they are.

    They are those of the whole file, also where only some of its planes are segmented.
    """
    pick = stack.planes[0].pick
    opened = stack_of(stack.source, pick)
    count = opened.count(pick)
    if "S" in opened.axes:
        return None
    planes = [replace(pick, plane=k if count > 1 else None) for k in range(count)]
    with naming(stack.source):
        return contrast_of_planes(lambda k: opened.read(planes[k]).array, count)


def link_stack(stack: StackJob, failed: int, overwrite: bool, progress: ProgressCallback) -> FileResult:
    """Link the planes whose results are on disk, unless that was done."""
    begun, paths = time.perf_counter(), stack.paths
    if failed:
        return FileResult(stack.source, "failed", f"{stack.source}: not linked, since {failed} planes failed")
    try:
        records = [Record.read(job.paths.record) for job in stack.planes]
        asked = link_records(stack, records)
        if (
            not overwrite
            and (there := existing(paths.labels, paths.record, stack.source, lambda old: _asked(old, asked)))
            and (there.status == "failed" or is_whole(stack))
        ):
            return there
        if not overwrite:
            check_linked(stack)
        objects = write_linked(stack, records, _Planes(stack, progress), overwrite=overwrite).objects or 0
    except (AutomaskError, OSError, ValueError, KeyError, MemoryError) as error:
        if type(error) is OutputError:
            raise
        return FileResult(stack.source, "failed", f"{stack.source}: cannot link its planes ({error})")
    return FileResult(stack.source, "done", "", objects, time.perf_counter() - begun)


def _asked(old: Record, record: Record) -> dict[str, Any]:
    """Return what the record would say: the same planes, told by their labels, linked alike."""
    same = [(one.labels_sha256, one.plane) for one in old.each_plane] == [
        (one.labels_sha256, one.plane) for one in record.each_plane
    ]
    return {"link": record.link, "planes": old.planes if same else record.planes}


class _Planes:
    """The label images of a stack, read one at a time."""

    def __init__(self, stack: StackJob, progress: ProgressCallback) -> None:
        self._stack, self._progress = stack, progress

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        import tifffile

        for k, job in enumerate(self._stack.planes):
            self._progress(Progress("linking", k, len(self._stack.planes)))
            yield tifffile.imread(job.paths.labels)


def link_records(stack: StackJob, records: list[Record]) -> Record:
    """Return the record of a linked stack, which holds those of its planes."""
    link = {"along": stack.link, "spacing": stack.spacing, "unit": stack.unit}
    return records[0].of_planes(records, link=link)


def write_linked(
    stack: StackJob, records: list[Record], planes: Any, events: Sequence[Event] = (), **how: Any
) -> Record:
    """Link planes and write labels, table, tracks (for time) and record; return the record.

    Where each plane has the numbers of its objects already, they are kept, and `events` are what is known of
    splits and merges. See `write_objects` for the rest.
    """
    assert stack.link is not None
    if all(record.numbers is not None for record in records):
        linked = number_planes(
            planes,
            axis=stack.link.letter,
            spacing=stack.spacing,
            unit=stack.unit,
            keep=True,
            events=events,
        )
    else:
        linked = link_planes(planes, axis=stack.link.letter, spacing=stack.spacing, unit=stack.unit)
    return write_objects(stack, linked, link_records(stack, records), **how)

"""Stacks from files: their planes segmented one by one, then linked so that objects keep their numbers."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.batch.run_images import run_jobs
from napari_sam2_automask.batch.run_propagation import propagate_stack
from napari_sam2_automask.batch.stack_results import write_objects
from napari_sam2_automask.errors import AutomaskError, OutputError, SettingsError
from napari_sam2_automask.files.stack_file import stack_of
from napari_sam2_automask.image.view import contrast_of_planes
from napari_sam2_automask.progress import Progress, ProgressCallback, no_progress
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.stack.linked_planes import link_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from napari_sam2_automask.batch.image_jobs import Job
    from napari_sam2_automask.batch.stack_jobs import StackJob
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.physical import AnySettings

__all__ = ["limits_of", "link_records", "link_stack", "run_stacks", "write_linked"]


def run_stacks(
    stacks: Sequence[StackJob],
    settings: AnySettings,
    load: Callable[[], Model],
    *,
    overwrite: bool = False,
    contrast_limits: tuple[float, float] | None = None,
    floor: tuple[float, float] | None = None,
    contrast_of_stack: bool = False,
    progress: ProgressCallback = no_progress,
    started: Callable[[Job], None] = lambda job: None,
) -> Iterator[FileResult]:
    """Segment the planes of stacks, and link the objects of each stack that asks for it.

    Parameters
    ----------
    stacks : sequence of StackJob
        From `plan_stacks`.
    settings, load, overwrite, contrast_limits, floor, progress, started
        As for `run_jobs`.
    contrast_of_stack : bool
        Take the percentiles of the contrast from the whole stack in place of each plane.

    Yields
    ------
    FileResult
        One for each plane, then one for the linked stack, whose `plane` is None.
    """
    load = cache(load)
    for stack in stacks:
        limits, failed = contrast_limits, 0
        if contrast_of_stack and limits is None:
            try:
                limits = limits_of(stack)
            except AutomaskError as error:
                yield FileResult(stack.source, "failed", str(error))
                continue
        if stack.propagate is not None:
            yield propagate_stack(
                stack, settings, load, overwrite=overwrite, contrast_limits=limits, progress=progress
            )
            continue
        for result in run_jobs(
            stack.planes,
            settings,
            load,
            overwrite=overwrite,
            contrast_limits=limits,
            floor=floor,
            progress=progress,
            started=started,
        ):
            failed += result.status == "failed"
            yield result
        if stack.link is not None:
            yield link_stack(stack, failed, overwrite, progress)


def limits_of(stack: StackJob) -> tuple[float, float] | None:
    """Return contrast limits for all planes of a file; None for colours that are shown as they are.

    They are those of the whole file, also where only some of its planes are segmented.
    """
    pick = stack.planes[0].pick
    assert pick is not None
    opened = stack_of(stack.source, pick)
    count = opened.count(pick)
    if "S" in opened.axes:
        return None
    planes = [replace(pick, plane=k if count > 1 else None) for k in range(count)]
    return contrast_of_planes(lambda k: opened.read(planes[k]).array, count)


def link_stack(stack: StackJob, failed: int, overwrite: bool, progress: ProgressCallback) -> FileResult:
    """Link the planes whose results are on disk, unless that was done."""
    begun, name = time.perf_counter(), stack.paths.labels
    if failed:
        return FileResult(stack.source, "failed", f"{stack.source}: not linked, since {failed} planes failed")
    try:
        records = [_read(job.paths.record) for job in stack.planes]
        if name.exists() and not overwrite:
            old = _read(stack.paths.record)
            if _signature(old) == _signature(link_records(stack, records)):
                return FileResult(stack.source, "skipped", f"linked objects are in {name}", old.objects or 0)
            return FileResult(
                stack.source, "failed", f"{name} is of other planes: use --overwrite or another --out"
            )
        objects = write_linked(stack, records, _Planes(stack, progress)).objects or 0
    except OutputError:
        raise
    except (AutomaskError, OSError, ValueError, KeyError, MemoryError) as error:
        return FileResult(stack.source, "failed", f"{stack.source}: cannot link its planes ({error})")
    return FileResult(stack.source, "done", "", objects, time.perf_counter() - begun)


class _Planes:
    """The label images of a stack, read one at a time."""

    def __init__(self, stack: StackJob, progress: ProgressCallback) -> None:
        self._stack, self._progress = stack, progress

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        import tifffile

        for k, job in enumerate(self._stack.planes):
            self._progress(Progress("linking", k, len(self._stack.planes)))
            yield tifffile.imread(job.paths.labels)


def _read(path: Path) -> Record:
    return Record.of(json.loads(path.read_bytes()), str(path))


def link_records(stack: StackJob, records: list[Record]) -> Record:
    """Return the record of a linked stack, which holds those of its planes."""
    if stack.link not in ("z", "time"):
        raise SettingsError(f"planes are linked along z or time, not {stack.link!r}")
    link = {"along": stack.link, "spacing": stack.spacing, "unit": stack.unit}
    return records[0].of_planes(records, link=link)


def _signature(record: Record) -> Any:
    return record.link, [(plane.labels_sha256, plane.plane) for plane in record.each_plane]


def write_linked(stack: StackJob, records: list[Record], planes: Any) -> Record:
    """Link planes and write labels, table, tracks (for time) and record; return the record."""
    axis: Any = "t" if stack.link == "time" else "z"
    linked = link_planes(planes, axis=axis, spacing=stack.spacing, unit=stack.unit)
    return write_objects(stack, linked, link_records(stack, records))

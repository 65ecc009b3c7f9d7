"""Doing all jobs, here or on workers: each is a task of its own, and a bad one does not stop the rest."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.batch.job_task import Item
from napari_sam2_automask.batch.linking import limits_of, link_stack
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.files.formats.zarr_labels import check_name_of_labels
from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.models.catalogue.identity import by_hash
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.workers.executor import KILLED, Serial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_sam2_automask.batch.job_task import JobTask
    from napari_sam2_automask.batch.jobs import Job, StackJob
    from napari_sam2_automask.workers.executor import Executor, Outcome

__all__ = ["run"]


def run(
    stacks: Sequence[StackJob],
    task: JobTask,
    executor: Executor | None = None,
    *,
    contrast_limits: tuple[float, float] | None = None,
    progress: ProgressCallback = no_progress,
) -> Iterator[FileResult]:
    """Do the pictures of stacks, and link the objects of those that ask for it when their planes are done.

    Parameters
    ----------
    stacks : sequence of StackJob
        From `plan`.
    task : JobTask
        How each is done.
    executor : Executor, optional
        Who does them; this process, one after the other, if left out. All workers must see the files under
        the same absolute paths.
    contrast_limits : (float, float), optional
        As for `segment`.
    progress : callable
        Takes the progress of linking.

    Yields
    ------
    FileResult
        One for each picture, as soon as its files are complete, then one for the linked stack, whose `plane`
        is None. In this process they come in order.

    Raises
    ------
    OutputError
        If results cannot be written: the next image's could not be either.
    ModelError
        If the model cannot be loaded.
    ImageError
        If the contrast limits are not an increasing pair.
    Cancelled
        If the task's progress raised it.
    """
    if contrast_limits is not None:
        contrast_range(np.zeros((1, 1)), contrast_limits)  # refused here, not once for every image
    useless: list[FileResult] = []
    left: Counter[int] = Counter()
    failed: Counter[int] = Counter()

    def items() -> Iterator[Item]:
        for number, stack in enumerate(stacks):
            jobs, limits = _jobs_of(stack), contrast_limits
            left[number] = len(jobs)
            try:
                if stack.inside and not task.overwrite and not stack.paths.labels.exists():
                    check_name_of_labels(stack.source, stack.inside)
                if stack.one_contrast and limits is None:
                    limits = limits_of(stack)
            except AutomaskError as error:
                useless.append(FileResult(stack.source, "failed", str(error)))
                continue
            for job in jobs:
                yield Item(number, _absolute(job), limits)

    # Workers may have another model of that name.
    task = task if executor is None else replace(task, model=by_hash(task.model))
    with contextlib.closing((executor or Serial()).run(task, items(), heavy=True)) as outcomes:
        for outcome in outcomes:
            number, stack = outcome.index.number, stacks[outcome.index.number]
            result = _result(outcome, stack.source)
            yield result
            left[number] -= 1
            failed[number] += result.status == "failed"
            if left[number] == 0 and stack.link is not None and stack.propagate is None:
                yield link_stack(stack, failed[number], task.overwrite, progress)
    yield from useless


def _jobs_of(stack: StackJob) -> Sequence[Job | StackJob]:
    """Return what can be done by itself: objects are carried from plane to plane by one worker."""
    return stack.planes if stack.propagate is None else [stack]


def _absolute(job: Job | StackJob) -> Job | StackJob:
    """Return a job for a process that may run in another folder."""
    own = {field.name: getattr(job.paths, field.name) for field in fields(job.paths) if field.name != "also"}
    also = tuple((form, path.absolute()) for form, path in job.paths.also)
    paths: Any = type(job.paths)(**{name: path.absolute() for name, path in own.items()}, also=also)
    return replace(job, source=job.source.absolute(), paths=paths)


def _result(outcome: Outcome, source: Path) -> FileResult:
    """Return what became of a job, under the name that its file was given by."""
    if outcome.done:
        result: FileResult = outcome.value
        return replace(result, source=source)
    reason = outcome.errors[-1].splitlines()[0]
    if reason.startswith(KILLED):
        message = "the workers that tried it died (out of memory, perhaps): give fewer --workers"
    else:
        message = f"it failed on the workers ({reason}): please report it with this image"
    pick = getattr(outcome.index.job, "pick", None)
    return FileResult(source, "failed", f"{source}: {message}", plane=None if pick is None else pick.plane)

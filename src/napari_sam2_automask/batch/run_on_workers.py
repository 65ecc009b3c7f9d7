"""Many images and planes on workers: each is a task of its own, and a bad one does not stop the rest."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.batch.run_images import run_jobs
from napari_sam2_automask.batch.run_propagation import propagate_stack
from napari_sam2_automask.batch.run_stacks import limits_of, link_stack
from napari_sam2_automask.batch.stack_jobs import StackJob
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.workers.process import check_stopped, model_of, use_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_sam2_automask.batch.image_jobs import Job
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.workers.executor import Executor, Outcome

__all__ = ["JobTask", "run_on_workers"]


@dataclass(frozen=True)
class JobTask:
    """What a worker needs to know to do any of the jobs; small, and can be sent to another process.

    Attributes
    ----------
    settings
        As for `run_jobs`.
    model, device : str
        As for `load_model`; each worker loads the model once.
    threads : int
        Threads of torch in each worker.
    overwrite, floor
        As for `run_jobs`.
    """

    settings: Any
    model: str = "bundled"
    device: str = "auto"
    threads: int = 1
    overwrite: bool = False
    floor: tuple[float, float] | None = None

    def __call__(self, item: _Item) -> FileResult:
        """Do one job."""
        job = item.job
        more: dict[str, Any] = {"contrast_limits": item.contrast_limits, "progress": check_stopped}
        if isinstance(job, StackJob):
            return propagate_stack(job, self.settings, self._load, overwrite=self.overwrite, **more)
        (result,) = run_jobs(
            [job], self.settings, self._load, overwrite=self.overwrite, floor=self.floor, **more
        )
        return result

    def _load(self) -> Model:
        use_threads(self.threads)
        return model_of(self.model, self.device)


@dataclass(frozen=True, slots=True)
class _Item:
    """A job on its way to a worker: the number of the file it is of, and the contrast of its stack."""

    number: int
    job: Job | StackJob
    contrast_limits: tuple[float, float] | None


def run_on_workers(
    work: Sequence[Job | StackJob],
    task: JobTask,
    executor: Executor,
    *,
    contrast_limits: tuple[float, float] | None = None,
    contrast_of_stack: bool = False,
    progress: ProgressCallback = no_progress,
) -> Iterator[FileResult]:
    """Segment images, and planes of stacks, on workers; link a stack here when its planes are done.

    Parameters
    ----------
    work : sequence of Job or StackJob
        From `plan_jobs` or `plan_stacks`.
    task : JobTask
        How each is done.
    executor : Executor
        Who does them. All workers must see the files under the same absolute paths.
    contrast_limits, contrast_of_stack
        As for `run_stacks`.
    progress : callable
        Takes the progress of linking.

    Yields
    ------
    FileResult
        As `run_stacks` does, with the same results, in the order in which they come.

    Raises
    ------
    OutputError, ModelError, ImageError
        As `run_jobs` does.
    """
    if contrast_limits is not None:
        contrast_range(np.zeros((1, 1)), contrast_limits)
    useless: list[FileResult] = []
    left: Counter[int] = Counter()
    failed: Counter[int] = Counter()

    def items() -> Iterator[_Item]:
        for number, one in enumerate(work):
            jobs, limits = _jobs_of(one), contrast_limits
            left[number] = len(jobs)
            if contrast_of_stack and limits is None and isinstance(one, StackJob):
                try:
                    limits = limits_of(one)
                except AutomaskError as error:
                    useless.append(FileResult(one.source, "failed", str(error)))
                    continue
            for job in jobs:
                yield _Item(number, _absolute(job), limits)

    with contextlib.closing(executor.run(task, items(), heavy=True)) as outcomes:
        for outcome in outcomes:
            number, one = outcome.index.number, work[outcome.index.number]
            result = _result(outcome, one.source)
            yield result
            left[number] -= 1
            failed[number] += result.status == "failed"
            planes = isinstance(one, StackJob) and one.propagate is None
            if left[number] == 0 and isinstance(one, StackJob) and planes and one.link is not None:
                yield link_stack(one, failed[number], task.overwrite, progress)
    yield from useless


def _jobs_of(one: Job | StackJob) -> Sequence[Job | StackJob]:
    """Return what can be done by itself: objects are carried from plane to plane by one worker."""
    return one.planes if isinstance(one, StackJob) and one.propagate is None else [one]


def _absolute(job: Job | StackJob) -> Job | StackJob:
    """Return a job for a process that may run in another folder."""
    named = {field.name: getattr(job.paths, field.name).absolute() for field in fields(job.paths)}
    paths: Any = type(job.paths)(**named)
    return replace(job, source=job.source.absolute(), paths=paths)


def _result(outcome: Outcome, source: Path) -> FileResult:
    """Return what became of a job, under the name that its file was given by."""
    if outcome.done:
        result: FileResult = outcome.value
        return replace(result, source=source)
    reason = outcome.errors[-1].splitlines()[0]
    if reason.startswith("KilledWorker"):
        message = "the workers that tried it died (out of memory, perhaps): give fewer --workers"
    else:
        message = f"it failed on the workers ({reason}): please report it with this image"
    return FileResult(
        source, "failed", f"{source}: {message}", plane=getattr(outcome.index.job, "plane", None)
    )

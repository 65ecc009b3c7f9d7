"""What `segment` does with what was planned: here or on workers, told line by line, summed up at the end."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from napari_sam2_automask.cli.console import WorkProgress, complain, say
from napari_sam2_automask.selection.familiarity import UNFAMILIAR

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_sam2_automask.batch.file_results import FileResult
    from napari_sam2_automask.batch.job_task import JobTask
    from napari_sam2_automask.batch.planning import Plan
    from napari_sam2_automask.cli.option_groups import WorkOptions

__all__ = ["ADVICE", "run_and_report"]

#: What is said at the end of doubtful results.
ADVICE = (
    f"{{images}} {UNFAMILIAR}: look closely at the results. --model sam2.1-tiny may do better, or a model "
    "that learned from a few results that you corrected (sam2-automask learn)"
)


def run_and_report(
    images: Sequence[Path],
    planned: Plan,
    task: JobTask,
    work: WorkOptions,
    contrast_limits: tuple[float, float] | None,
    summary: Path | None,
) -> None:
    """Do the work; say what became of each image, the failures and the sums at the end.

    Parameters
    ----------
    images : sequence of Path
        The images in the order in which they are told.
    planned : Plan
        What is to be done.
    task : JobTask
        How, for a process by itself.
    work : WorkOptions
        Who does it.
    contrast_limits : (float, float) or None
        As for `segment`.
    summary : Path or None
        Where to write the summary.

    Raises
    ------
    typer.Exit
        With code 1 if something failed, 130 if stopped from the keyboard; what is done is kept.
    """
    from napari_sam2_automask.batch.file_results import write_summary

    results: list[FileResult] = []
    stopped: list[str] = []
    with WorkProgress(planned.results) as progress:
        try:
            with contextlib.closing(_results(planned, task, work, contrast_limits, progress)) as found:
                for result in found:
                    progress.advance()
                    results.append(result)
                    if result.status != "failed":
                        say(_line(result))
        except KeyboardInterrupt:
            stopped.append("stopped from the keyboard: run the same command again to go on")
            raise typer.Exit(130) from None
        finally:
            # Workers finish in any order.
            place = {source: k for k, source in enumerate(images)}
            results.sort(key=lambda r: (place[r.source], r.plane is None, r.plane or 0))
            failures = [r.message for r in results if r.status == "failed"]
            for failure in (*planned.useless.values(), *failures, *stopped):
                complain(f"error: {failure}")
            if summary is not None:
                write_summary(summary, results, planned.useless)
            counts = {"done": 0, "skipped": 0, "failed": len(planned.useless)}
            for result in results:
                counts[result.status] += 1
            doubted = sum(result.unfamiliar for result in results)
            if doubted:
                say(ADVICE.format(images="1 image is" if doubted == 1 else f"{doubted} images are"))
            say(", ".join(f"{count} {status}" for status, count in counts.items()))
    if counts["failed"]:
        raise typer.Exit(1)


def _results(
    planned: Plan,
    task: JobTask,
    work: WorkOptions,
    contrast_limits: tuple[float, float] | None,
    progress: WorkProgress,
) -> Generator[FileResult]:
    from napari_sam2_automask.batch.running import run
    from napari_sam2_automask.workers.clusters import workers_of
    from napari_sam2_automask.workers.process import threads_for

    if work.workers > 1 or work.scheduler:
        progress.start("starting workers")
        # Nothing is known here of a cluster's machines, and Dask gives them a task for each core.
        threads = work.threads or (1 if work.scheduler else threads_for(work.workers))
        task = replace(task, threads=threads)
    else:
        task = _here(task, work.threads, progress)
    with workers_of(work.workers, work.scheduler, work.gpus, work.tls) as executor:
        if executor is not None:
            progress.start("on the workers")
        yield from run(planned.stacks, task, executor, contrast_limits=contrast_limits, progress=progress)


def _here(task: JobTask, threads: int, progress: WorkProgress) -> JobTask:
    """Return the task for this process, which shows how far each image is."""
    from napari_sam2_automask.models import load_model

    @cache
    def load() -> Any:
        if threads:
            from napari_sam2_automask.workers.process import use_threads

            use_threads(threads)
        return load_model(task.model, device=task.device, progress=progress)

    return replace(task, load=load, progress=progress, started=lambda job: progress.start(job.source.name))


def _line(result: FileResult) -> str:
    """Say in a line what became of an image."""
    name = f"{result.source}" if result.plane is None else f"{result.source} plane {result.plane}"
    if result.status == "skipped":
        return f"{name}: skipped, {result.message}"
    objects = f"{result.objects} objects" if result.objects else f"no objects ({result.removed})"
    fitted = f", {result.fitted}" if result.fitted else ""
    left_out = f"; {result.message}" if result.message else ""
    projected = f" ({result.projected})" if result.projected else ""
    doubted = f"; {UNFAMILIAR}" if result.unfamiliar else ""
    return f"{name}{projected}: {objects}, {result.seconds:.1f} s{fitted}{left_out}{doubted}"

"""What `segment` does with what was planned: here or on workers, told line by line, summed up at the end."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_sam2_automask.cli.console import WorkProgress, complain, say

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_sam2_automask.batch.file_results import FileResult
    from napari_sam2_automask.cli.segment_plan import Planned
    from napari_sam2_automask.settings.physical import AnySettings

__all__ = ["How", "run_and_report"]


@dataclass(frozen=True)
class How:
    """How images are to be done; the fields are the options of `segment`."""

    settings: AnySettings
    model: str
    device: str
    overwrite: bool
    contrast_limits: tuple[float, float] | None
    floor: tuple[float, float] | None
    workers: int
    scheduler: str
    gpus: bool
    threads: int


def run_and_report(images: Sequence[Path], planned: Planned, how: How, summary: Path | None) -> None:
    """Do the work; say what became of each image, the failures and the sums at the end.

    Raises
    ------
    typer.Exit
        With code 1 if something failed, 130 if stopped from the keyboard; what is done is kept.
    """
    from napari_sam2_automask.batch.file_results import write_summary

    results: list[FileResult] = []
    stopped: list[str] = []
    with WorkProgress(planned.number) as progress:
        try:
            with contextlib.closing(_results(planned, how, progress)) as found:
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
            say(", ".join(f"{count} {status}" for status, count in counts.items()))
    if counts["failed"]:
        raise typer.Exit(1)


def _results(planned: Planned, how: How, progress: WorkProgress) -> Generator[FileResult]:
    if how.workers > 1 or how.scheduler:
        yield from _on_workers(planned, how, progress)
        return
    from napari_sam2_automask.models import load_model

    def load() -> Any:
        if how.threads:
            from napari_sam2_automask.workers.process import use_threads

            use_threads(how.threads)
        return load_model(how.model, device=how.device, progress=progress)

    yield from planned.run(
        how.settings,
        load,
        overwrite=how.overwrite,
        contrast_limits=how.contrast_limits,
        floor=how.floor,
        progress=progress,
        started=lambda job: progress.start(job.source.name),
    )


def _on_workers(planned: Planned, how: How, progress: WorkProgress) -> Iterator[FileResult]:
    from napari_sam2_automask.batch.run_on_workers import JobTask, run_on_workers
    from napari_sam2_automask.workers.clusters import threads_for, workers_of

    model = str(Path(how.model).absolute()) if Path(how.model).is_file() else how.model
    # Nothing is known here of a cluster's machines, and Dask gives them a task for each core.
    threads = how.threads or (1 if how.scheduler else threads_for(how.workers))
    task = JobTask(how.settings, model, how.device, threads, how.overwrite, how.floor)
    progress.start("starting workers")
    with workers_of(how.workers, how.scheduler, how.gpus) as executor:
        assert executor is not None
        progress.start("on the workers")
        yield from run_on_workers(
            planned.work,
            task,
            executor,
            contrast_limits=how.contrast_limits,
            contrast_of_stack=planned.contrast_of_stack,
            progress=progress,
        )


def _line(result: FileResult) -> str:
    """Say in a line what became of an image."""
    name = f"{result.source}" if result.plane is None else f"{result.source} plane {result.plane}"
    if result.status == "skipped":
        return f"{name}: skipped, {result.message}"
    objects = f"{result.objects} objects" if result.objects else f"no objects ({result.removed})"
    fitted = f", fitted to objects {result.width} wide" if result.width else ""
    left_out = f"; {result.message}" if result.message else ""
    return f"{name}: {objects}, {result.seconds:.1f} s{fitted}{left_out}"

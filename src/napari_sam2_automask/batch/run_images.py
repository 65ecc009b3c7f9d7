"""Many image files: what to read, what to write, and one bad file does not stop the rest."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.batch.file_results import FileResult, removed_text
from napari_sam2_automask.candidates.candidates import Floor, left_out_text
from napari_sam2_automask.errors import AutomaskError, ImageError, OutputError, SettingsError
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.results import make_folder, write_results
from napari_sam2_automask.files.series import folder_hash
from napari_sam2_automask.files.stack_file import stack_of
from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.pipeline import segment_loaded
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.settings.physical import AnySettings, measured
from napari_sam2_automask.settings.units import Pixel, width_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_sam2_automask.batch.image_jobs import Job
    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.settings.presets import Preset

__all__ = ["file_hash", "read_job", "run_jobs"]


def run_jobs(
    jobs: Sequence[Job],
    settings: AnySettings,
    load: Callable[[], Model],
    *,
    overwrite: bool = False,
    contrast_limits: tuple[float, float] | None = None,
    floor: tuple[float, float] | None = None,
    progress: ProgressCallback = no_progress,
    started: Callable[[Job], None] = lambda job: None,
) -> Iterator[FileResult]:
    """Segment image files one after another.

    Parameters
    ----------
    jobs : sequence of Job
        What to do, from `plan_jobs`.
    settings : AmgSettings, Preset, str or Unmeasured
        As for `segment`; values in physical units are turned into pixels for each image by itself.
    load : callable
        Returns the model; called once, when the first image needs it.
    overwrite : bool
        Whether to do images again whose results are there.
    contrast_limits, floor : (float, float), optional
        As for `segment`.
    progress : callable
        Takes the progress within each image; may raise `Cancelled`.
    started : callable
        Called with each job when it starts.

    Yields
    ------
    FileResult
        One per job, in order, as soon as its files are complete. A file that cannot be read or segmented
        yields ``"failed"``.

    Raises
    ------
    OutputError
        If results cannot be written: the next image's could not be either.
    ModelError
        If the model cannot be loaded.
    ImageError
        If the contrast limits are not an increasing pair.
    Cancelled
        If `progress` raised it.
    """
    if contrast_limits is not None:
        contrast_range(np.zeros((1, 1)), contrast_limits)  # refused here, not once for every image
    model: Model | None = None
    for job in jobs:
        started(job)
        try:
            checksum = file_hash(job.source)
            if job.paths.labels.exists() and not overwrite:
                yield _existing(job, checksum)
                continue
            image = read_job(job)
            own_settings = _measured(settings, image, job)
        except AutomaskError as error:
            yield FileResult(job.source, "failed", str(error))
            continue
        if model is None:
            for folder in {job.paths.labels.parent for job in jobs}:
                make_folder(folder)
            model = load()
        yield _run(job, image, checksum, own_settings, model, contrast_limits, floor, progress)


def read_job(job: Job) -> LoadedImage:
    """Read the picture that a job is of, with the size of its pixels if the job says it."""
    if job.pick is None:
        image = read_image(job.source, job.plane)
    else:
        image = stack_of(job.source, job.pick).read(job.pick)
    if job.pixel is None:
        return image
    return replace(image, pixel_size=(job.pixel.height, job.pixel.width), unit=job.pixel.unit)


def _measured(settings: AnySettings, image: LoadedImage, job: Job) -> AmgSettings | Preset | str:
    """Return the settings for this image, whose pixels may have a size of their own."""
    try:
        return measured(settings, Pixel.known(image.pixel_size, image.unit))
    except SettingsError as error:
        raise SettingsError(f"{job.source}: {error}") from error


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of all files of a Zarr, as hexadecimal digits."""
    try:
        if path.is_dir():
            return folder_hash(path)
        stat = path.stat()
        return _file_hash(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the file") from error


@lru_cache(maxsize=64)
def _file_hash(path: Path, changed: int, size: int) -> str:
    """Hash a file once, not for each of its planes, unless it changed meanwhile."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(
    job: Job,
    image: LoadedImage,
    checksum: str,
    settings: AmgSettings | Preset | str,
    model: Model,
    contrast_limits: tuple[float, float] | None,
    floor: tuple[float, float] | None,
    progress: ProgressCallback,
) -> FileResult:
    """Segment one image and write its results."""
    start = time.perf_counter()
    try:
        file = {"name": job.source.name, "sha256": checksum, "path": str(job.source.absolute())}
        done = segment_loaded(
            image,
            settings,
            model,
            name=job.source.name,
            contrast_limits=contrast_limits,
            floor=None if floor is None else Floor(*floor),
            progress=progress,
            file=file,
            pick=None if job.pick is None else job.pick.to_json(),
        )
        write_results(done, job.paths, job.source.name)
    except OutputError:
        raise
    except AutomaskError as error:
        return FileResult(job.source, "failed", str(error))
    except (RuntimeError, ValueError, ArithmeticError, LookupError, MemoryError, TypeError) as error:
        # Not foreseen, but it shall not cost the other images.
        reason = str(error).splitlines()[0] if str(error) else ""
        message = f"{job.source} failed in a way that was not foreseen ({type(error).__name__}: {reason})"
        return FileResult(job.source, "failed", f"{message}: please report it with this image")
    objects = len(done.table)
    removed = "" if objects else removed_text(done.record["removed"])
    fitted = done.record.get("object_diameter")
    width = width_text(fitted, Pixel.known(image.pixel_size, image.unit)) if fitted else ""
    left_out, seconds = left_out_text(done.record["removed"]), time.perf_counter() - start
    return FileResult(job.source, "done", left_out, objects, seconds, removed, job.plane, width)


def _existing(job: Job, checksum: str) -> FileResult:
    """Tell whether the results that are there are of this very file."""
    try:
        record = Record.of(json.loads(job.paths.record.read_bytes()))
        same = record.file is not None and record.file.sha256 == checksum
        same &= record.plane == job.plane and record.pick == job.pick
        objects = record.objects or 0
    except (OSError, ValueError, SettingsError):
        same, objects = False, 0
    if same:
        return FileResult(
            job.source, "skipped", f"results are in {job.paths.labels}", objects, plane=job.plane
        )
    return FileResult(
        job.source,
        "failed",
        f"{job.paths.labels} exists and belongs to another image or an older version of {job.source.name}: "
        "use --overwrite or another --out",
    )

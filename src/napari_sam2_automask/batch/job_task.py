"""Doing one job: a picture read, segmented and written, or a stack propagated; here or on a worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.batch.existing import check_result, existing, same_model
from napari_sam2_automask.batch.file_results import FileResult, removed_text
from napari_sam2_automask.batch.jobs import Job, StackJob, is_whole, labels_inside
from napari_sam2_automask.batch.propagation import propagate_stack
from napari_sam2_automask.candidates.candidates import Floor, left_out_text
from napari_sam2_automask.disk.atomic import make_folder
from napari_sam2_automask.errors import AutomaskError, OutputError
from napari_sam2_automask.files.formats.zarr_labels import check_zarr_labels
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.results import write_results
from napari_sam2_automask.files.stack_file import stack_of
from napari_sam2_automask.files.stored_image import naming
from napari_sam2_automask.models.catalogue.identity import presets_of_model, sha256_of_model
from napari_sam2_automask.pipeline import segment_loaded
from napari_sam2_automask.settings.physical import AnySettings, Unmeasured, measured
from napari_sam2_automask.settings.presets import resolve_settings
from napari_sam2_automask.settings.units import Pixel, fit_text
from napari_sam2_automask.workers.process import check_stopped, model_of, use_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.record.record import Record
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.settings.presets import Preset

__all__ = ["Item", "JobTask"]


@dataclass(frozen=True, slots=True)
class Item:
    """A job, the number of the stack that it is of, and the contrast of that stack."""

    number: int
    job: Job | StackJob
    contrast_limits: tuple[float, float] | None


_UNFORESEEN = (RuntimeError, ValueError, ArithmeticError, LookupError, MemoryError, TypeError)


def _untold(job: Job | StackJob) -> None:
    """Tell nobody that a job starts."""


@dataclass(frozen=True)
class JobTask:
    """How any of the jobs is done; small, and can be sent to another process as it is by default.

    Attributes
    ----------
    settings : AmgSettings, Preset, str or Unmeasured
        As for `segment`; values in physical units are turned into pixels for each image by itself.
    model, device : str
        As for `load_model`; each process loads the model once, when the first image needs it.
    load : callable, optional
        Returns the model, in its place.
    threads : int
        Threads of torch; 0 leaves them as they are.
    overwrite : bool
        Whether to do images again whose results are there.
    floor : Floor or (float, float), optional
        As for `segment`.
    progress : callable
        Takes the progress within each image; may raise `Cancelled`.
    started : callable
        Called with each job when it starts.
    """

    settings: AnySettings
    model: str = "bundled"
    device: str = "auto"
    load: Callable[[], Model] | None = None
    threads: int = 0
    overwrite: bool = False
    floor: Floor | tuple[float, float] | None = None
    progress: ProgressCallback = check_stopped
    started: Callable[[Job | StackJob], None] = _untold

    def __call__(self, item: Item) -> FileResult:
        """Do one job.

        Returns
        -------
        FileResult
            ``"failed"`` for a file that cannot be read or segmented, or whose results cannot be called so.

        Raises
        ------
        OutputError
            If results cannot be written: the next image's could not be either.
        ModelError
            If the model cannot be loaded.
        Cancelled
            If `progress` raised it.
        """
        self.started(item.job)
        if isinstance(item.job, StackJob):
            return propagate_stack(
                item.job,
                self.settings,
                self._load,
                model_sha256=self._model_sha256(),
                overwrite=self.overwrite,
                contrast_limits=item.contrast_limits,
                progress=self.progress,
            )
        return self._picture(item.job, item.contrast_limits)

    def _load(self) -> Model:
        if self.threads:
            use_threads(self.threads)
        return model_of(self.model, self.device) if self.load is None else self.load()

    def _model_sha256(self) -> str | None:
        return sha256_of_model(self.model)

    def _picture(self, job: Job, limits: tuple[float, float] | None) -> FileResult:
        plane = job.pick.plane
        try:
            job.paths.check()
            checksum = file_hash(job.source)
            if not self.overwrite:
                there = existing(
                    job.paths.labels,
                    job.paths.record,
                    job.source,
                    lambda old: self._asked(job, checksum, limits, old),
                    plane=plane,
                )
                if there is not None and (there.status == "failed" or is_whole(job)):
                    return there
                if there is None:
                    check_result(job.paths)
            image = job.read()
            if job.inside:
                shape = image.array.shape[:2]
                check_zarr_labels(job.source, shape, job.inside, overwrite=self.overwrite)
            settings = self._measured(job, image)
        except AutomaskError as error:
            return FileResult(job.source, "failed", str(error), plane=plane)
        except _UNFORESEEN as error:
            return _not_foreseen(job, error)
        _make_folder_once(job.paths.labels.parent)
        return self._do(job, image, checksum, settings, self._load(), limits)

    def _measured(self, job: Job, image: LoadedImage | None) -> AmgSettings | Preset | str:
        """Return the settings for this image, whose pixels may have a size of their own."""
        if not isinstance(self.settings, Unmeasured):
            return self.settings
        image = job.read() if image is None else image
        with naming(job.source):
            return measured(self.settings, Pixel.known(image.pixel_size, image.unit))

    def _asked(
        self, job: Job, checksum: str, limits: tuple[float, float] | None, old: Record
    ) -> dict[str, Any]:
        """Return what the record would say."""
        family = "sam2" if old.model is None or old.model.family is None else old.model.family
        settings, _ = resolve_settings(self._measured(job, None), presets_of_model(self.model, family))
        floor = Floor.given(self.floor) or Floor.of(settings)
        # A record may leave out what a number of a plane says.
        plain = job.pick.is_plain and (old.pick is None or old.pick.is_plain)
        if old.pick is not None and old.pick.project and not old.pick.over:
            plain = stack_of(job.source, job.pick).explicit(old.pick) == job.pick
        return {
            "file": old.file and old.file.model_copy(update={"sha256": checksum}),
            "plane": job.pick.plane,
            "pick": old.pick if plain else job.pick,
            "model": same_model(old, self._model_sha256()),
            "settings": settings,
            "contrast_limits": limits,
            "floor": (floor.pred_iou, floor.stability),
        }

    def _do(
        self,
        job: Job,
        image: LoadedImage,
        checksum: str,
        settings: AmgSettings | Preset | str,
        model: Model,
        limits: tuple[float, float] | None,
    ) -> FileResult:
        """Segment one image and write its results."""
        _forget_features()
        start = time.perf_counter()
        try:
            with naming(job.source):
                done = segment_loaded(
                    image,
                    settings,
                    model,
                    name=job.source.name,
                    contrast_limits=limits,
                    floor=Floor.given(self.floor),
                    progress=self.progress,
                    file={"name": job.source.name, "sha256": checksum, "path": str(job.source.absolute())},
                    pick=None if job.pick.is_plain else job.pick.to_json(),
                )
            scale = job.scale() if job.paths.also else None
            with labels_inside(job, done.labels, self.overwrite):
                write_results(done, job.paths, job.source.name, scale=scale)
        except AutomaskError as error:
            if type(error) is OutputError:
                raise
            return FileResult(job.source, "failed", str(error), plane=job.pick.plane)
        except _UNFORESEEN as error:
            return _not_foreseen(job, error)
        objects, removed = len(done.table), done.record["removed"]
        fitted = done.record.get("object_diameter")
        return FileResult(
            job.source,
            "done",
            left_out_text(removed),
            objects,
            time.perf_counter() - start,
            "" if objects else removed_text(removed),
            job.pick.plane,
            fit_text(fitted, Pixel.known(image.pixel_size, image.unit), done.settings.fit_objects),
            job.pick.projection,
            bool(done.record.get("unfamiliar")),
        )


def _not_foreseen(job: Job, error: Exception) -> FileResult:
    """Return the result of an image that shall not cost the others, whatever is wrong with it."""
    reason = str(error).splitlines()[0] if str(error) else ""
    message = f"{job.source} failed in a way that was not foreseen ({type(error).__name__}: {reason})"
    return FileResult(
        job.source, "failed", f"{message}: please report it with this image", plane=job.pick.plane
    )


def _forget_features() -> None:
    """Forget what the encoder said of the image before: those of a folder do not come again."""
    from napari_sam2_automask.engine.encoder.cache import features_cache

    features_cache.clear()


# A folder is tried once, not for each of its images.
_make_folder_once = cache(make_folder)

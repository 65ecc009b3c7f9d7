"""Stacks from files whose objects are carried from one plane to the others."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.batch.existing import check_linked, existing, same_model
from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.batch.jobs import is_whole
from napari_sam2_automask.batch.resume_point import Unfinished
from napari_sam2_automask.batch.stack_results import write_objects
from napari_sam2_automask.disk.atomic import make_folder
from napari_sam2_automask.errors import AutomaskError, ImageError, ModelError, OutputError, SettingsError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.models.catalogue.identity import presets_of_model
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.settings.physical import Unmeasured, measured
from napari_sam2_automask.settings.presets import resolve_settings
from napari_sam2_automask.settings.units import Pixel
from napari_sam2_automask.stack.propagating import propagate_planes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.batch.jobs import Job, StackJob
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.settings.physical import AnySettings
    from napari_sam2_automask.settings.presets import Preset

__all__ = ["propagate_again", "propagate_stack"]


def propagate_stack(
    stack: StackJob,
    settings: AnySettings,
    load: Callable[[], Model],
    *,
    model_sha256: str | None,
    overwrite: bool,
    contrast_limits: tuple[float, float] | None,
    progress: ProgressCallback,
) -> FileResult:
    """Carry the objects of one plane through a stack and write what linking would, unless that was done.

    Parameters
    ----------
    stack : StackJob
        From `plan`, with `propagate`.
    settings, overwrite, progress
        As for `JobTask`.
    load : callable
        Returns the model.
    model_sha256 : str or None
        The hash of its weights, if it is known before.
    contrast_limits : (float, float) or None
        As for `segment`.

    Returns
    -------
    FileResult
        Of the whole stack; its `plane` is None. A run that was stopped is gone on with.

    Raises
    ------
    OutputError, ModelError, Cancelled
        As `run` does; ModelError also if the model has no memory.
    """
    begun, paths = time.perf_counter(), stack.paths
    try:
        asked = _asked(stack, contrast_limits)
        if not overwrite:
            first = stack.planes[0]
            there = existing(
                paths.labels,
                paths.record,
                stack.source,
                lambda old: _entries(asked, old, _in_pixels(first, settings), model_sha256),
            )
            if there is not None and (there.status == "failed" or is_whole(stack)):
                return there
            check_linked(stack)
        views = _Views(stack, contrast_limits)
        make_folder(paths.labels.parent)
        kept = paths.unfinished
        record = _propagate(stack, settings, load(), views, asked, progress, kept=kept, overwrite=overwrite)
        objects = record.objects or 0
    except (AutomaskError, OSError, ValueError, KeyError, MemoryError) as error:
        if type(error) in (OutputError, ModelError):
            raise
        return FileResult(stack.source, "failed", f"{stack.source}: cannot propagate its objects ({error})")
    return FileResult(stack.source, "done", "", objects, time.perf_counter() - begun)


def _propagate(
    stack: StackJob,
    settings: AnySettings,
    model: Model,
    views: _Views,
    asked: dict[str, Any],
    progress: ProgressCallback,
    *,
    kept: Path | None = None,
    overwrite: bool = False,
) -> Record:
    import torch

    assert stack.link is not None
    in_pixels = _in_pixels(stack.planes[0], settings)
    resolved, preset = resolve_settings(in_pixels, model)
    made = make_record(
        resolved,
        preset=preset,
        model=model,
        image_name=stack.source.name,
        threads=torch.get_num_threads(),
        **{key: value for key, value in asked.items() if key != "file"},
        file=asked["file"] | {"path": str(stack.source.absolute())},
    )
    keeper = None if kept is None else _keeper(kept, made, model, overwrite)
    linked = propagate_planes(
        views,
        in_pixels,
        model,
        how=stack.propagate,
        axis=stack.link.letter,
        spacing=stack.spacing,
        unit=stack.unit,
        keeper=keeper,
        progress=progress,
    )
    record = write_objects(stack, linked, Record.of(made), overwrite=overwrite)
    if keeper is not None:
        keeper.remove()
    return record


def _keeper(path: Path, record: dict[str, Any], model: Model, overwrite: bool) -> Unfinished:
    """Return what keeps how far the run is that the record is to be of."""
    from napari_sam2_automask.engine.encoder.feature_folder import weights_digest

    file = {key: value for key, value in record["file"].items() if key != "path"}
    same = {key: value for key, value in record.items() if key != "time"} | {"file": file}
    asked = same | {"weights": weights_digest(model.network).hex()}
    return Unfinished(path, asked, overwrite=overwrite)


def propagate_again(stack: StackJob, record: Record, model: Model, progress: ProgressCallback) -> Record:
    """Do what a record of propagated objects says and write the results; return their record.

    Parameters
    ----------
    stack : StackJob
        The planes and the way of the record.
    record : Record
        Of the objects that were propagated.
    model : Model
        That of the record.
    progress : callable
        As for `propagate_planes`.
    """
    limits = record.contrast_limits
    return _propagate(stack, record.settings, model, _Views(stack, limits), _asked(stack, limits), progress)


def _asked(stack: StackJob, contrast_limits: tuple[float, float] | None) -> dict[str, Any]:
    """Return what tells this run from another one over the same file, as the record holds it."""
    how, pick = stack.propagate, stack.planes[0].pick
    if how is None or stack.link is None:
        raise SettingsError("objects are propagated along z or time: give --link as well")
    asked: dict[str, Any] = json_ready(
        {
            "file": {"name": stack.source.name, "sha256": file_hash(stack.source)},
            "link": {"along": stack.link, "spacing": stack.spacing, "unit": stack.unit},
            "propagate": how.to_json() | {"planes": [job.pick.plane for job in stack.planes]},
            "pick": replace(pick, plane=None).to_json(),
            "contrast_limits": contrast_limits,
        }
    )
    return asked


def _in_pixels(job: Job, settings: AnySettings) -> AmgSettings | Preset | str:
    if not isinstance(settings, Unmeasured):
        return settings
    first = job.read()
    return measured(settings, Pixel.known(first.pixel_size, first.unit))


def _entries(
    asked: dict[str, Any], old: Record, settings: AmgSettings | Preset | str, model_sha256: str | None
) -> dict[str, Any]:
    """Return what the record would say."""
    would = old.model_copy(update=dict(Record.model_validate(old.to_json() | asked)))
    family = "sam2" if old.model is None or old.model.family is None else old.model.family
    file = old.file and old.file.model_copy(update={"sha256": asked["file"]["sha256"]})
    return {name: getattr(would, name) for name in asked} | {
        "file": file,
        "model": same_model(old, model_sha256),
        "settings": resolve_settings(settings, presets_of_model(model_sha256 or "", family))[0],
    }


class _Views:
    """The planes of a stack as the model is to see them, read when they are asked for."""

    def __init__(self, stack: StackJob, contrast_limits: tuple[float, float] | None) -> None:
        self._stack, self._limits = stack, contrast_limits
        if stack.planes[0].pick.channel == "pool":
            raise ImageError("a memory is of one picture: give --channel N or mix in place of pool")

    def __len__(self) -> int:
        return len(self._stack.planes)

    def __getitem__(self, plane: int) -> NDArray[np.uint8]:
        return self._stack.planes[plane].read().views(self._limits)[0]

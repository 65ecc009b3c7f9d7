"""Stacks from files whose objects are carried from one plane to the others."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.batch.resume_point import Unfinished
from napari_sam2_automask.batch.run_images import file_hash, read_job
from napari_sam2_automask.batch.stack_results import write_objects
from napari_sam2_automask.errors import AutomaskError, ImageError, ModelError, OutputError, SettingsError
from napari_sam2_automask.files.results import make_folder
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.settings.physical import measured
from napari_sam2_automask.settings.presets import resolve_settings
from napari_sam2_automask.settings.units import Pixel
from napari_sam2_automask.stack.propagating import propagate_planes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.batch.stack_jobs import StackJob
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.physical import AnySettings

__all__ = ["propagate_again", "propagate_stack"]


def propagate_stack(
    stack: StackJob,
    settings: AnySettings,
    load: Callable[[], Model],
    *,
    overwrite: bool,
    contrast_limits: tuple[float, float] | None,
    progress: ProgressCallback,
) -> FileResult:
    """Carry the objects of one plane through a stack and write what linking would, unless that was done.

    Parameters
    ----------
    stack : StackJob
        From `plan_stacks`, with `propagate`.
    settings, load, overwrite, contrast_limits, progress
        As for `run_stacks`.

    Returns
    -------
    FileResult
        Of the whole stack; its `plane` is None. A run that was stopped is gone on with.

    Raises
    ------
    OutputError, ModelError, Cancelled
        As `run_jobs` does; ModelError also if the model has no memory.
    """
    begun, name = time.perf_counter(), stack.paths.labels
    try:
        asked = _asked(stack, contrast_limits)
        if name.exists() and not overwrite:
            old = _record(stack)
            if old is not None and _same(old, asked):
                return FileResult(
                    stack.source, "skipped", f"propagated objects are in {name}", old.objects or 0
                )
            return FileResult(
                stack.source, "failed", f"{name} is of something else: use --overwrite or another --out"
            )
        views = _Views(stack, contrast_limits)
        make_folder(name.parent)
        kept = stack.paths.unfinished
        record = _propagate(stack, settings, load(), views, asked, progress, kept=kept, overwrite=overwrite)
        objects = record.objects or 0
    except (OutputError, ModelError):
        raise
    except (AutomaskError, OSError, ValueError, KeyError, MemoryError) as error:
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

    first = read_job(stack.planes[0])
    in_pixels = measured(settings, Pixel.known(first.pixel_size, first.unit))
    resolved, preset = resolve_settings(in_pixels, model.family)
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
        axis="t" if stack.link == "time" else "z",
        spacing=stack.spacing,
        unit=stack.unit,
        keeper=keeper,
        progress=progress,
    )
    record = write_objects(stack, linked, Record.of(made))
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
    if how is None or stack.link not in ("z", "time"):
        raise SettingsError("objects are propagated along z or time: give --link as well")
    asked: dict[str, Any] = json_ready(
        {
            "file": {"name": stack.source.name, "sha256": file_hash(stack.source)},
            "link": {"along": stack.link, "spacing": stack.spacing, "unit": stack.unit},
            "propagate": how.to_json() | {"planes": [job.plane for job in stack.planes]},
            "pick": None if pick is None else replace(pick, plane=None).to_json(),
            "contrast_limits": contrast_limits,
        }
    )
    return asked


def _same(record: Record, asked: dict[str, Any]) -> bool:
    """Tell whether a record is of this very run; it also says where the file was."""
    old = record.to_json()
    file = {key: value for key, value in old.get("file", {}).items() if key != "path"}
    return {key: old.get(key) for key in asked} | {"file": file} == asked


def _record(stack: StackJob) -> Record | None:
    """Return the record of results that are there; None if it cannot be read."""
    try:
        return Record.of(json.loads(stack.paths.record.read_bytes()))
    except (OSError, ValueError, SettingsError):
        return None


class _Views:
    """The planes of a stack as the model is to see them, read when they are asked for."""

    def __init__(self, stack: StackJob, contrast_limits: tuple[float, float] | None) -> None:
        self._stack, self._limits = stack, contrast_limits
        pick = stack.planes[0].pick
        assert pick is not None
        if pick.channel == "pool":
            raise ImageError("a memory is of one picture: give --channel N or mix in place of pool")

    def __len__(self) -> int:
        return len(self._stack.planes)

    def __getitem__(self, plane: int) -> NDArray[np.uint8]:
        return read_job(self._stack.planes[plane]).views(self._limits)[0]

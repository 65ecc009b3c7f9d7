"""Do a run again from its record: the same image, model and settings, or a message that says what differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.batch.image_jobs import Job
from napari_sam2_automask.batch.run_images import file_hash
from napari_sam2_automask.batch.run_propagation import propagate_again
from napari_sam2_automask.batch.run_stacks import write_linked
from napari_sam2_automask.batch.stack_jobs import LinkPaths, StackJob
from napari_sam2_automask.batch.stack_results import write_planes
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.files.pick import Pick
from napari_sam2_automask.files.results import ResultPaths, make_folder, write_results
from napari_sam2_automask.pipeline import segment_loaded, with_hashes
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.proposal.passes import part
from napari_sam2_automask.record import package_versions, settings_from
from napari_sam2_automask.replay.inputs import (
    Inputs,
    Part,
    find_image,
    load_model_of,
    read_record,
    set_threads,
)
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.stack.carrying import Propagation

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.segmentation import Segmentation
    from napari_sam2_automask.selection.selecting import Masks

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay gave.

    Attributes
    ----------
    labels : Path
        The labels written; the other files lie beside it.
    objects : int
        How many objects the labels hold.
    same : bool or None
        Whether the labels are those of the record, byte for byte; None for a record that does not tell.
    differences : tuple of str
        Packages, devices and numbers of threads that are not those of the record.
    """

    labels: Path
    objects: int
    same: bool | None
    differences: tuple[str, ...]


def replay(
    path: Path,
    folder: Path,
    image: Path | None = None,
    *,
    model: str | None = None,
    device: str | None = None,
    progress: ProgressCallback = no_progress,
) -> Replay:
    """Do a run again and write its results.

    Parameters
    ----------
    path : Path
        The record, as `segment` wrote it, or as a layer holds it.
    folder : Path
        Where the results go.
    image : Path, optional
        The image's file; where the record says it was, or its name beside the record, when left out.
    model : str, optional
        The model's name or file, for a model that is not in the list.
    device : str, optional
        The device, if it shall be another than the record's.
    progress : callable
        As for `segment`.

    Returns
    -------
    Replay
        What came out.

    Raises
    ------
    AutomaskError
        If the record cannot be read, the image or the model is not that of the record, or results cannot be
        written; nothing is written then.
    """
    record = read_record(path)
    if "propagate" in record:
        return _replay_propagated(record, path, folder, image, model, device, progress)
    inputs = Inputs.of(record, path, image)
    first = inputs.load(0)  # refused before anything is written
    make_folder(folder)
    found = load_model_of(record, model, device, progress)
    set_threads(record)
    results = []
    for k, one in enumerate(inputs.planes):
        plane, report = inputs.load(k) if k else first, part(progress, k, len(inputs.planes))
        results.append(_segment(one, settings_from(one), plane, found, inputs.source, report))
    source, stem = inputs.source, _stem(path, inputs.source)
    if "link" in record:
        now, labels = _link(record, results, source, folder, stem.removesuffix("_linked"))
    elif len(results) > 1:
        paths = ResultPaths.of(folder, stem)
        now, labels = write_planes(results, paths, record, inputs.indices), paths.labels
    else:
        paths = ResultPaths.of(folder, stem)
        write_results(results[0], paths, source.name)
        now, labels = results[0].record, paths.labels
    return _told(record, now, labels)


def _told(record: dict[str, Any], now: dict[str, Any], labels: Path) -> Replay:
    """Compare what came out with the record."""
    hashes = [name for name in ("labels_sha256", "levels_sha256") if record.get(name) is not None]
    same = all(record[name] == now.get(name) for name in hashes) if hashes else None
    return Replay(labels, now["objects"], same, tuple(_differences(record, now)))


def _segment(
    record: dict[str, Any],
    settings: AmgSettings,
    part_of: Part,
    model: Model,
    source: Path,
    progress: ProgressCallback,
) -> Segmentation:
    loaded, region = part_of.image, part_of.region
    limits, floor = record.get("contrast_limits"), record.get("floor")
    proposal = AmgSettings.from_json(record["proposal"]) if record.get("proposal") else settings
    size, unit = record.get("pixel_size"), record.get("unit")
    if size is not None:
        loaded = replace(loaded, pixel_size=(float(size[0]), float(size[1])), unit=unit)
    try:
        done = segment_loaded(
            loaded,
            settings,
            model,
            name=str(record["image"].get("name") or source.name),
            contrast_limits=None if limits is None else (float(limits[0]), float(limits[1])),
            progress=progress,
            proposal=proposal,
            floor=None if floor is None else Floor(float(floor[0]), float(floor[1])),
            preset=record.get("preset"),
            file={"name": source.name, "sha256": file_hash(source), "path": str(source.absolute())},
            pick=record.get("pick"),
            region=region,
            viewer=record.get("viewer"),
        )
    except (TypeError, IndexError, ValueError) as error:
        if isinstance(error, AutomaskError):
            raise
        raise SettingsError(f"the record is damaged ({error}): use a record that was not edited") from error
    return done if region is None else _in_plane(done, region, part_of.shape)


def _in_plane(done: Segmentation, region: Region, shape: tuple[int, int]) -> Segmentation:
    """Return what was found in a region in the whole plane."""
    whole = region.restore(done, shape)
    levels = None if done.levels is None else region.widened(done.levels, shape)
    return with_hashes(replace(whole, levels=levels, masks=_masks_in_plane(done.masks, region, shape)))


def _masks_in_plane(masks: Masks, region: Region, shape: tuple[int, int]) -> Masks:
    """Return masks of a region's box with places counted in the whole plane, of `shape`."""
    y0, x0 = region.box[:2]
    corner = np.array([x0, y0], np.int64)
    return replace(
        masks,
        shape=shape,
        boxes=masks.boxes + np.tile(corner, 2),
        points=masks.points + corner.astype(np.float32),
        crop_boxes=masks.crop_boxes + np.tile(corner, 2),
    )


def _link(
    record: dict[str, Any], results: list[Segmentation], source: Path, folder: Path, stem: str
) -> tuple[dict[str, Any], Path]:
    """Link the planes as the record says; return the new record and where the labels are."""
    link, paths = record["link"], LinkPaths.of(folder, stem)
    try:
        spacing = None if link["spacing"] is None else tuple(float(s) for s in link["spacing"])
        stack = StackJob(source, (), link["along"], spacing, link["unit"], paths)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError("the record's link is damaged: use a record that was not edited") from error
    done = write_linked(stack, [one.record for one in results], [one.labels for one in results])
    return done, paths.labels


def _replay_propagated(
    record: dict[str, Any],
    path: Path,
    folder: Path,
    image: Path | None,
    model: str | None,
    device: str | None,
    progress: ProgressCallback,
) -> Replay:
    """Carry the objects of a stack from plane to plane once more."""
    source = find_image(record, path, image)
    stem = _stem(path, source).removesuffix("_linked")
    try:
        how, link = dict(record["propagate"]), record["link"]
        numbers, pick = how.pop("planes"), Pick.from_json(record["pick"] or {"axes": ""})
        # Planes have no results of their own; their paths are names only.
        jobs = [
            Job(source, ResultPaths.of(folder, stem), number, replace(pick, plane=number))
            for number in numbers
        ]
        spacing = None if link["spacing"] is None else tuple(float(s) for s in link["spacing"])
        stack = StackJob(
            source,
            tuple(jobs),
            link["along"],
            spacing,  # type: ignore[arg-type]
            link["unit"],
            LinkPaths.of(folder, stem),
            Propagation(**how),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, AutomaskError):
            raise
        raise SettingsError(f"the record is damaged ({error}): use a record that was not edited") from error
    make_folder(folder)
    found = load_model_of(record, model, device, progress)
    set_threads(record)
    return _told(record, propagate_again(stack, record, found, progress), stack.paths.labels)


def _stem(path: Path, source: Path) -> str:
    """Call the results as they were called, where the record's name tells."""
    suffix = ".record.json"
    return path.name.removesuffix(suffix) if path.name.endswith(suffix) else source.stem


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    versions = before.get("packages") or {}
    found = [
        f"{name} was {versions[name]}, is {version}"
        for name, version in package_versions().items()
        if name in versions and versions[name] != version
    ]
    for what, old, new in (
        ("the device", before["model"].get("device_description"), now["model"].get("device_description")),
        ("the number of threads", before.get("threads"), now.get("threads")),
    ):
        if old is not None and old != new:
            found.append(f"{what} was {old}, is {new}")
    return found

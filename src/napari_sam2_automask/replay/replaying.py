"""Do a run again from its record: the same image, model and settings, or a message that says what differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.batch.jobs import Job, LinkPaths, StackJob
from napari_sam2_automask.batch.linking import write_linked
from napari_sam2_automask.batch.propagation import propagate_again
from napari_sam2_automask.batch.stack_results import write_planes
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.disk.atomic import make_folder
from napari_sam2_automask.disk.output_errors import check_targets
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.results import ResultPaths, write_results
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.pipeline import segment_loaded, with_hashes
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.proposal.passes import part
from napari_sam2_automask.record.environment import package_versions
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.replay.inputs import (
    Inputs,
    Part,
    find_image,
    load_model_of,
    read_record,
    set_threads,
)
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.stack.carrying import Propagation
from napari_sam2_automask.stack.numbering import numbered_as
from napari_sam2_automask.stack.splits_and_merges import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.segmentation import Segmentation
    from napari_sam2_automask.record.entries import Link
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
        written or would replace the record or the image; nothing is written then.
    """
    record = read_record(path)
    if record.propagate is not None:
        return _replay_propagated(record, path, folder, image, model, device, progress)
    inputs = Inputs.of(record, path, image)
    first = inputs.load(0)  # refused before anything is written
    source, stem = inputs.source, _stem(path, inputs.source)
    paths = ResultPaths.of(folder, stem)
    stack = None if record.link is None else _stack(record.link, source, folder, stem.removesuffix("_linked"))
    check_targets(paths.files if stack is None else stack.files, [path, source])
    make_folder(folder)
    found = load_model_of(record, model, device, progress)
    set_threads(record)
    results = []
    for k, one in enumerate(inputs.planes):
        plane, report = inputs.load(k) if k else first, part(progress, k, len(inputs.planes))
        results.append(_segment(one, plane, found, source, report))
    if stack is not None:
        records = [Record.of(one.record) for one in results]
        events, labels = _events(record, inputs.indices), [one.labels for one in results]
        now = write_linked(
            stack, records, labels, events, channels=partial(_channels, inputs), region=first.region
        )
        return _told(record, now, stack.paths.labels)
    if len(results) > 1:
        return _told(record, write_planes(results, paths, record, inputs.indices, first.region), paths.labels)
    write_results(results[0], paths, source.name)
    return _told(record, Record.of(results[0].record), paths.labels)


def _channels(inputs: Inputs, plane: int) -> dict[str, NDArray[Any]]:
    """Return the channels of a plane, of which there may be no more than a region."""
    part_of = inputs.load(plane)
    found = part_of.image.intensities
    if part_of.region is None:
        return dict(found)
    return {name: part_of.region.widened(one, part_of.shape) for name, one in found.items()}


def _told(record: Record, now: Record, labels: Path) -> Replay:
    """Compare what came out with the record."""
    hashes = ((record.labels_sha256, now.labels_sha256), (record.levels_sha256, now.levels_sha256))
    known = [old == new for old, new in hashes if old is not None]
    return Replay(labels, now.objects or 0, all(known) if known else None, tuple(_differences(record, now)))


def _segment(
    record: Record, part_of: Part, model: Model, source: Path, progress: ProgressCallback
) -> Segmentation:
    loaded, region = part_of.image, part_of.region
    if record.pixel_size is not None:
        loaded = replace(loaded, pixel_size=record.pixel_size, unit=record.unit)
    done = segment_loaded(
        loaded,
        record.settings,
        model,
        name=(record.image and record.image.name) or source.name,
        contrast_limits=record.contrast_limits,
        progress=progress,
        proposal=record.proposal or record.settings,
        floor=Floor.given(record.floor),
        preset=record.preset,
        file={"name": source.name, "sha256": file_hash(source), "path": str(source.absolute())},
        pick=None if record.pick is None else record.pick.to_json(),
        region=region,
        mends=record.mends,
        numbers=record.numbers,
        viewer=None if record.viewer is None else record.viewer.to_json(),
    )
    if record.numbers is not None:
        done = _numbered(done, record.numbers)
    return done if region is None else _in_plane(done, region, part_of.shape)


def _numbered(done: Segmentation, pairs: tuple[tuple[int, int], ...]) -> Segmentation:
    """Return what was found in a plane with the numbers that its objects have in the stack.

    Masks that others cover have no number there; they get the next ones.
    """
    labels = numbered_as(done.labels, pairs)
    numbers, table = dict(pairs), done.table.copy()
    for label in (*done.masks.ids.tolist(), *table["index"].tolist()):
        numbers.setdefault(label, max(numbers.values(), default=0) + 1)
    known = tuple(numbers.items())
    for name in ("index", "parent"):
        if name in table:
            table[name] = numbered_as(table[name].to_numpy(), known).astype(np.int64)
    return with_hashes(
        replace(
            done,
            labels=labels,
            levels=None if done.levels is None else numbered_as(done.levels, known),
            cells=None if done.cells is None else numbered_as(done.cells, known),
            table=table.sort_values("index", ignore_index=True),
            masks=replace(done.masks, ids=numbered_as(done.masks.ids, known).astype(np.int64)),
        )
    )


def _events(record: Record, indices: Sequence[tuple[int, ...]]) -> list[Event]:
    """Return the splits and merges of a record from the viewer, in planes counted as they are replayed."""
    told = record.link.events if record.link is not None else None
    found = [Event.of(text) for text in told or ()]
    along = max(range(len(indices[0])), key=lambda axis: len({index[axis] for index in indices}))
    places = {index[along]: position for position, index in enumerate(indices)}
    return [replace(event, plane=places.get(event.plane, event.plane)) for event in found]


def _in_plane(done: Segmentation, region: Region, shape: tuple[int, int]) -> Segmentation:
    """Return what was found in a region in the whole plane."""
    whole = region.restore(done, shape)
    levels = None if done.levels is None else region.widened(done.levels, shape)
    cells = None if done.cells is None else region.widened(done.cells, shape)
    return with_hashes(
        replace(whole, levels=levels, cells=cells, masks=_masks_in_plane(done.masks, region, shape))
    )


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


def _stack(link: Link, source: Path, folder: Path, stem: str, planes: tuple[Job, ...] = ()) -> StackJob:
    """Return the job of linking a stack again."""
    along = Along(link.along)
    return StackJob(source, planes, LinkPaths.of(folder, stem), along, link.spacing, link.unit)


def _replay_propagated(
    record: Record,
    path: Path,
    folder: Path,
    image: Path | None,
    model: str | None,
    device: str | None,
    progress: ProgressCallback,
) -> Replay:
    """Carry the objects of a stack from plane to plane once more."""
    how, link = record.propagate, record.link
    if how is None or link is None:
        raise SettingsError(f"{path} is damaged (no link): use a record that was not edited")
    source = find_image(record, path, image)
    stem, pick = _stem(path, source).removesuffix("_linked"), record.pick or Pick()
    # Planes have no results of their own; their paths are names only.
    paths = ResultPaths.of(folder, stem)
    jobs = [Job(source, paths, replace(pick, plane=number)) for number in how.planes]
    stack = replace(
        _stack(link, source, folder, stem, tuple(jobs)),
        propagate=Propagation(how.start, how.new_every, how.give_up),
    )
    check_targets(stack.files, [path, source])
    make_folder(folder)
    found = load_model_of(record, model, device, progress)
    set_threads(record)
    return _told(record, propagate_again(stack, record, found, progress), stack.paths.labels)


def _stem(path: Path, source: Path) -> str:
    """Call the results as they were called, where the record's name tells."""
    suffix = ".record.json"
    return path.name.removesuffix(suffix) if path.name.endswith(suffix) else source.stem


def _differences(before: Record, now: Record) -> list[str]:
    versions = before.packages or {}
    found = [
        f"{name} was {versions[name]}, is {version}"
        for name, version in package_versions().items()
        if name in versions and versions[name] != version
    ]
    for what, old, new in (
        ("the device", *(one.model and one.model.device_description for one in (before, now))),
        ("the number of threads", before.threads, now.threads),
    ):
        if old is not None and old != new:
            found.append(f"{what} was {old}, is {new}")
    return found

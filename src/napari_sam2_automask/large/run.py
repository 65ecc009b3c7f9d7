"""A whole run over a large image: tiles, seams, numbers, labels, pyramid, table."""

from __future__ import annotations

import contextlib
import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError, OutputError
from napari_sam2_automask.files.axis_names import AxisScale
from napari_sam2_automask.large import tasks
from napari_sam2_automask.large.output.checked import pack
from napari_sam2_automask.large.output.omezarr import Pyramid
from napari_sam2_automask.large.output.plane_axes import PlaneAxes
from napari_sam2_automask.large.output.publish import (
    LargeResult,
    check_output,
    finished,
    publish,
    table_path,
    tidy,
)
from napari_sam2_automask.large.output.run_folder import RunStore
from napari_sam2_automask.large.source.source import block_hashes
from napari_sam2_automask.large.table import write_table
from napari_sam2_automask.large.tasks import Job
from napari_sam2_automask.large.tiles.grid import Grid
from napari_sam2_automask.large.tiles.seam_rule import Plan, make_plan
from napari_sam2_automask.large.tiles.seams import SEAM_FIELDS, TILE_FIELDS
from napari_sam2_automask.progress import Progress, ProgressCallback, no_progress
from napari_sam2_automask.settings.numbers import BLOCK, LENGTH, PLACE
from napari_sam2_automask.workers.executor import Executor, Serial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.large.source.source import Source
    from napari_sam2_automask.large.tile_segmenter import Segmenter

__all__ = ["LargeResult", "segment_large"]


def segment_large(
    source: Source,
    output: str | Path,
    segmenter: Segmenter,
    *,
    tile: int = Grid.tile,
    overlap: int = Grid.overlap,
    shifted: bool = False,
    window: int = 0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    unit: str | None = None,
    axis: str | None = None,
    interval: float | None = None,
    start: float = 0.0,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    block: int = 1024,
    keep_tiles: bool = False,
    executor: Executor | None = None,
    progress: ProgressCallback = no_progress,
) -> LargeResult:
    """Segment an image of any size, tile by tile, into an OME-Zarr on disk.

    Everything that is finished survives a crash: the same call again goes on where the last one stopped and
    gives the same labels, byte by byte, as a run that was never stopped. Memory is bounded by a few tiles,
    and by some hundred bytes for each object.

    Parameters
    ----------
    source : Source
        The image.
    output : str or Path
        The OME-Zarr to write. Until it is finished, results are kept in a folder beside it, with ``.run``
        added to the name. A CSV table of the objects comes beside it too.
    segmenter : Segmenter
        How a tile is segmented.
    tile, overlap, shifted, window
        The tiles, see `Grid` and `tiling_for`. The overlap should be wider than most objects; larger ones
        are put together.
    spacing : (float, float, float)
        Distance between planes, height and width of a pixel.
    unit : str, optional
        UDUNITS-2 name of the unit of length, such as ``"micrometer"``.
    axis : {"z", "t"}, optional
        What the planes are where the source has one axis of them or does not tell. Time and z are axes of
        their own in the labels, see `PlaneAxes`.
    interval, start : float
        Seconds between time points, None where they are not known, and up to the first one.
    origin : (float, float, float)
        Where the centre of the first pixel lies, in `unit`: not at 0 for a coarser level of a pyramid.
    block : int
        Side of the chunks of the output, in pixels.
    keep_tiles : bool
        Keep the folder of the run when it is finished.
    executor : Executor, optional
        Who does the tasks; this process, one after the other, when left out. See `work.distribute`.
    progress : callable
        Takes a `Progress` at every task: of ``"signature"``, ``"tiles"``, ``"seams"``, ``"labels"`` and
        ``"pyramid"``. It may raise `Cancelled`; what is finished is kept.

    Returns
    -------
    LargeResult
        Where everything lies.

    Raises
    ------
    OutputError
        If the output cannot be written, another run writes it, it holds another run's results, or the disk is
        full.
    ImageError
        If the image cannot be read.
    SettingsError
        If a number lies outside of its range.
    """
    output = Path(output).absolute()
    spacing, origin = LENGTH.check_all(spacing, "spacing", 3), PLACE.check_all(origin, "origin", 3)
    block = BLOCK.check(block, "block")
    check_output(output)
    grid = Grid(source.shape, tile, overlap, source.planes, shifted, window)
    planes = PlaneAxes.of(source.plane_axes, axis)
    pyramid = Pyramid(source.shape, planes, block)
    hashes = _hashes(source, grid, progress)
    identity = {
        "image": source.description() | {"content": hashlib.sha256(hashes).hexdigest()},
        "segmenter": segmenter.description(),
        "grid": grid.to_json(),
        "output": {
            "block": block,
            "axes": list(planes.names),
            "spacing": list(spacing),
            "origin": list(origin),
            "unit": unit,
            "interval": interval,
            "start": start,
        },
    }
    before = finished(output, identity)
    if before is not None and not before.failed:
        if not keep_tiles:
            tidy(output, identity)
        return before
    tasks.forget()
    with RunStore(output, identity) as store:
        job = Job(store.folder, source, grid, segmenter, pyramid)
        tasks.save_hashes(store.folder, hashes)
        work = executor or Serial()
        failed = _tiles(store, job, work, progress)
        name, plan, counts = _plan(store, job, work, failed, progress)
        record = {
            "identity": identity,
            "objects": plan.count,
            "failed": {str(k): v for k, v in failed.items()},
            **_familiarity(counts, plan),
        }
        scales = {
            name: AxisScale(*one) for name, *one in zip("zyx", spacing, [unit] * 3, origin, strict=True)
        }
        if interval is not None:
            scales["t"] = AxisScale(interval, "second", start)
        pyramid.create(job.labels, plan.number.dtype, scales, record)
        _draw(job, name, work, progress)
        table = table_path(output)
        write_table(table, job, name, plan, spacing, unit)
        publish(job.labels, output)
        if not failed and not keep_tiles:
            store.remove()
    return LargeResult(output, table, plan.count, failed, "unfamiliar" in record)


def _hashes(source: Source, grid: Grid, progress: ProgressCallback) -> bytes:
    hashes = []
    for index in range(len(grid)):
        hashes.append(block_hashes(source, grid, index))
        progress(Progress("signature", index + 1, len(grid)))
    return b"".join(hashes)


def _phase(
    name: str,
    total: int,
    is_done: Callable[[int], bool],
    task: Callable[[int], None],
    work: Executor,
    progress: ProgressCallback,
) -> dict[int, dict[str, Any]]:
    """Do what is not done yet; return what failed for good."""
    waiting = [i for i in range(total) if not is_done(i)]
    done = total - len(waiting)
    progress(Progress(name, done, total))
    failed = {}
    # Closed at once if the progress callable cancels: a cluster has to be told.
    with contextlib.closing(work.run(task, waiting, heavy=name == "tiles")) as outcomes:
        for outcome in outcomes:
            done += 1
            if not outcome.done:
                failed[outcome.index] = {"attempts": len(outcome.errors), "errors": list(outcome.errors)}
            progress(Progress(name, done, total))
    return failed


def _must(failed: Mapping[int, Mapping[str, Any]], what: str) -> None:
    for index, why in failed.items():
        raise OutputError(
            f"{what} {index} failed: {why['errors'][-1].splitlines()[0]}; run the same again to go on"
        )


def _tiles(
    store: RunStore, job: Job, work: Executor, progress: ProgressCallback
) -> dict[int, dict[str, Any]]:
    task = partial(tasks.do_tile, job)
    failed = _phase("tiles", len(job.grid), partial(store.has, "tiles"), task, work, progress)
    for index, why in sorted(failed.items()):
        tile = job.grid[index]
        why |= {"plane": tile.plane, "y": [tile.outer.y0, tile.outer.y1], "x": [tile.outer.x0, tile.outer.x1]}
        store.set_aside(index, why)
    if len(failed) == len(job.grid):
        first = failed[0]["errors"][-1].splitlines()[0]
        raise ImageError(f"every tile failed, the first one because of {first}")
    return dict(sorted(failed.items()))


def _plan(
    store: RunStore, job: Job, work: Executor, failed: Mapping[int, Any], progress: ProgressCallback
) -> tuple[str, Plan, NDArray[np.int64] | None]:
    # Seams depend on which tiles failed: those of a run that had other failures are done again.
    kind = (
        "seams" if not failed else "seams-" + hashlib.sha256(repr(sorted(failed)).encode()).hexdigest()[:12]
    )
    task = partial(tasks.do_seams, job, kind)
    _must(_phase("seams", len(job.grid), partial(store.has, kind), task, work, progress), "seam")
    table = [np.zeros(0, TILE_FIELDS)]
    seams = [np.zeros(0, SEAM_FIELDS)]
    counts: NDArray[np.int64] | None = None
    for index in range(len(job.grid)):
        if index not in failed:
            tile = _need(store, "tiles", index)
            table.append(tile["table"])
            if "agreement" in tile:
                counts = tile["agreement"] if counts is None else counts + tile["agreement"]
        seams.append(_need(store, kind, index)["rows"])
    plan = make_plan(job.grid, np.concatenate(table), np.concatenate(seams), failed)
    content = pack(**{field: getattr(plan, field) for field in Plan.__slots__})
    name = "plan-" + hashlib.sha256(content).hexdigest()[:12]
    if not ((store.folder / name / "plan").exists() and job.labels.exists()):
        # Labels drawn by another plan are of no use.
        store.discard(job.labels.name)
        for old in store.folder.glob("plan-*"):
            store.discard(old.name)
        tasks.save_plan(store.folder, name, plan)
    return name, plan, counts


def _familiarity(counts: NDArray[np.int64] | None, plan: Plan) -> dict[str, Any]:
    """Return what the record tells of how well the model knows the image, by what it said of all tiles."""
    if counts is None:
        return {}
    from napari_sam2_automask.engine.points.agreement import Agreement
    from napari_sam2_automask.selection.familiarity import familiarity

    return familiarity(Agreement(counts).disagreement, plan.score[1:])


def _need(store: RunStore, kind: str, index: int) -> dict[str, NDArray[Any]]:
    arrays = store.read(kind, index)
    if arrays is None:
        raise OutputError(f"{store.path(kind, index)} is gone or damaged; run the same again to make it anew")
    return arrays


def _draw(job: Job, name: str, work: Executor, progress: ProgressCallback) -> None:
    for level in range(job.pyramid.levels):
        done = partial(tasks.block_done, job, name, level)
        task = partial(tasks.do_level, job, name, level) if level else partial(tasks.do_block, job, name)
        stage = "pyramid" if level else "labels"
        _must(_phase(stage, job.pyramid.blocks(level), done, task, work, progress), "block")

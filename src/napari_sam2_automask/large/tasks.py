"""The tasks of a run: small, independent, repeatable; any process that sees the folder can do any of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.large.output.checked import pack, read_checked, unpack, write_checked
from napari_sam2_automask.large.output.run_folder import Results
from napari_sam2_automask.large.source.source import Source, block_hashes
from napari_sam2_automask.large.tiles.compose import block_rows, compose, halve
from napari_sam2_automask.large.tiles.grid import Box, Grid
from napari_sam2_automask.large.tiles.seam_rule import Plan
from napari_sam2_automask.large.tiles.seams import SEAM_FIELDS, seam_rows, tile_result

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.large.output.omezarr import Pyramid
    from napari_sam2_automask.large.tile_segmenter import Segmenter, SegmentTile

__all__ = [
    "Job",
    "block_done",
    "do_block",
    "do_level",
    "do_seams",
    "do_tile",
    "load_plan",
    "save_hashes",
    "save_plan",
]

# Tiles' labels kept in memory by each process: neighbours are asked for one after the other.
_KEPT = 9


@dataclass(frozen=True, eq=False)
class Job:
    """What every task of a run needs to know.

    Attributes
    ----------
    folder : Path
        The folder of the run; all processes must see it under this path.
    source : Source
        The image.
    grid : Grid
        The tiles.
    segmenter : Segmenter
        How a tile is segmented.
    pyramid : Pyramid
        Of the finished labels.
    """

    folder: Path
    source: Source
    grid: Grid
    segmenter: Segmenter
    pyramid: Pyramid

    @property
    def labels(self) -> Path:
        """Where the labels are written until they are finished."""
        return self.folder / "labels.zarr"


_loaded: dict[Segmenter, SegmentTile] = {}


def _segment_tile(segmenter: Segmenter) -> SegmentTile:
    """Return a segmenter's function, loaded at the first call in this process."""
    if segmenter not in _loaded:
        _loaded.clear()
        _loaded[segmenter] = segmenter.load()
    return _loaded[segmenter]


def do_tile(job: Job, index: int) -> None:
    """Segment a tile and keep the result.

    Raises
    ------
    ImageError
        If the pixels are not those that the run started with.
    """
    tile = job.grid[index]
    if block_hashes(job.source, job.grid, index) != load_hashes(job.folder)[16 * index : 16 * index + 16]:
        raise ImageError("the image changed while the run was under way; start over with another output")
    labels, scores, *more = _segment_tile(job.segmenter)(
        job.source.read(tile.plane, tile.outer), job.grid.place(tile)
    )
    result = tile_result(job.grid, tile, labels, scores)
    arrays: dict[str, NDArray[Any]] = {"labels": result.labels, "table": result.table}
    if more:
        arrays["agreement"] = more[0]
    Results(job.folder).write("tiles", index, durable=True, **arrays)


def do_seams(job: Job, kind: str, index: int) -> None:
    """Compare a tile with its neighbours of higher index and keep the result under a name."""
    rows = [np.zeros(0, SEAM_FIELDS)]
    own = _labels(job.folder, index)
    for other in job.grid.later_neighbours(index):
        theirs = _labels(job.folder, other)
        if own is not None and theirs is not None:
            rows.append(seam_rows(job.grid[index], job.grid[other], own, theirs))
    Results(job.folder).write(kind, index, durable=False, rows=np.concatenate(rows))


def do_block(job: Job, plan: str, index: int) -> None:
    """Draw a block of the labels at full resolution, and keep what it holds of each object."""
    plane, box = job.pyramid.box(0, index)
    labels = compose(job.grid, load_plan(job.folder, plan), plane, box, lambda i: _labels(job.folder, i))
    job.pyramid.write(job.labels, 0, index, labels)
    _note(job, plan, 0, index, rows=block_rows(labels, box))


def do_level(job: Job, plan: str, level: int, index: int) -> None:
    """Draw a block of a level of the pyramid from the level below it."""
    plane, box = job.pyramid.box(level, index)
    below = Box(2 * box.y0, 2 * box.x0, 2 * box.y1, 2 * box.x1)
    job.pyramid.write(job.labels, level, index, halve(job.pyramid.read(job.labels, level - 1, plane, below)))
    _note(job, plan, level, index)


def block_done(job: Job, plan: str, level: int, index: int) -> bool:
    """Whether a block is drawn and still is what was drawn."""
    note = Results(job.folder / plan).read(f"level{level}", index)
    return note is not None and bytes(note["hash"]) == job.pyramid.file_hash(job.labels, level, index)


def _note(job: Job, plan: str, level: int, index: int, **rows: NDArray[Any]) -> None:
    found = np.frombuffer(job.pyramid.file_hash(job.labels, level, index), np.uint8)
    Results(job.folder / plan).write(f"level{level}", index, durable=False, hash=found, **rows)


def save_hashes(folder: Path, hashes: bytes) -> None:
    """Write the 16 bytes for each tile's core where every process finds them."""
    write_checked(folder / "hashes", hashes)


@lru_cache(maxsize=1)
def load_hashes(folder: Path) -> bytes:
    """Return what `save_hashes` wrote."""
    payload = read_checked(folder / "hashes")
    if payload is None:
        raise ImageError(f"{folder / 'hashes'} is damaged; run again")
    return payload


def save_plan(folder: Path, name: str, plan: Plan) -> None:
    """Write the plan where every process finds it."""
    arrays = {field: getattr(plan, field) for field in Plan.__slots__}
    write_checked(folder / name / "plan", pack(**arrays))


@lru_cache(maxsize=1)
def load_plan(folder: Path, name: str) -> Plan:
    """Return the plan that `save_plan` wrote."""
    payload = read_checked(folder / name / "plan")
    if payload is None:
        raise ImageError(f"{folder / name / 'plan'} is damaged; run again")
    return Plan(**unpack(payload))


def forget() -> None:
    """Forget what was read from a run's folder; the next run may use the same one."""
    load_hashes.cache_clear()
    load_plan.cache_clear()
    _labels.cache_clear()


@lru_cache(maxsize=_KEPT)
def _labels(folder: Path, index: int) -> NDArray[Any] | None:
    arrays = Results(folder).read("tiles", index)
    return None if arrays is None else arrays["labels"]

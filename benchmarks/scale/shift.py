"""Do the tiles show in the labels? How many objects stay when the grid of tiles is shifted by half a tile.

    python benchmarks/scale/shift.py [--data DIR] [--side 2048] [--tile 1024] [--preset NAME] [--workers N]

Each image (the bundled samples, or those of a folder) is mirrored until it fills a square and segmented
twice, with the usual grid of tiles and with the shifted one, for objects of one size. Printed is how many
objects match one to one at an IoU of 0.8: of the larger number of the two, and of those of the usual grid
that are near a seam of either grid and that are not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import find_objects

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.evaluation.score import iou_matrix, match
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.large.output.omezarr import open_levels
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.sampling import contrast_of, diameter_of
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tile_segmenter import ModelSegmenter
from napari_sam2_automask.large.tiles.grid import Grid
from napari_sam2_automask.large.tiles.tiling import Tiling, tiling_for
from napari_sam2_automask.samples import samples
from napari_sam2_automask.settings.presets import resolve_settings
from napari_sam2_automask.workers.clusters import workers_of
from napari_sam2_automask.workers.process import model_of, threads_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

IOU = 0.8


def images(folder: Path | None) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield names and pixels (Y, X) or (Y, X, colours)."""
    if folder is None:
        for sample in samples():
            yield sample.name, sample.image()
    else:
        for path in find_images([folder])[0]:
            yield path.stem, read_image(path).array


def filled(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """Mirror an image at its edges until it is a square of a side, or cut it to that."""
    more = [(0, max(0, side - n)) for n in pixels.shape[:2]] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, more, "symmetric")[:side, :side]


def segmented(path: Path, shifted: bool, options: argparse.Namespace) -> tuple[NDArray[Any], Tiling, float]:
    """Segment an image with one of the grids; return labels (Y, X), how it was cut, and seconds."""
    source = FileSource(str(path))
    limits = None if source.is_rgb and source.dtype == "uint8" else contrast_of(source)
    settings, _ = resolve_settings(options.preset, model_of(options.model, "cpu").family)
    if options.points:
        settings = settings.replace(fit_objects=False, points_per_side=options.points)
    if settings.fit_objects:
        # Of the usual grid for both: the same question, asked elsewhere.
        diameter = diameter_of(
            source,
            options.tile,
            model=options.model,
            device="cpu",
            rgb=source.is_rgb,
            contrast_limits=limits,
        )
        settings = settings.replace(fit_objects=diameter > 0, object_diameter=diameter)
    threads = options.threads or threads_for(options.workers)
    segmenter = ModelSegmenter(settings, options.model, "cpu", limits, source.is_rgb, threads)
    tiling = tiling_for(settings, options.tile, options.overlap)
    begin = time.perf_counter()
    with workers_of(options.workers) as executor:
        result = segment_large(
            source,
            path.with_suffix(f".{int(shifted)}.zarr"),
            segmenter,
            **tiling._asdict(),
            shifted=shifted,
            executor=executor,
        )
    seconds = time.perf_counter() - begin
    levels, _ = open_levels(result.path)
    return np.asarray(levels[0] if isinstance(levels, list) else levels), tiling, seconds


def near_seams(labels: NDArray[Any], tiling: Tiling) -> NDArray[np.bool_]:
    """Tell of each object, by ascending number, whether a seam of either grid is within an overlap of it."""
    shape = labels.shape[0], labels.shape[1]
    grids = [Grid(shape, **tiling._asdict(), shifted=s) for s in (False, True)]
    near = []
    for box in filter(None, find_objects(labels)):
        seams = [(axis, int(k)) for grid in grids for axis in (0, 1) for k in grid.seams[axis]]
        near.append(any(box[a].start - tiling.overlap <= k <= box[a].stop + tiling.overlap for a, k in seams))
    return np.array(near, bool)


def row(name: str, path: Path, options: argparse.Namespace) -> tuple[int, int]:
    """Print what becomes of one image's objects; return how many match, and of how many."""
    (usual, tiling, seconds), (shifted, _, _) = (segmented(path, s, options) for s in (False, True))
    counts = match(usual, shifted, IOU)
    most = counts.tp + max(counts.fp, counts.fn)
    ious = iou_matrix(usual, shifted)
    stays = ious.max(1, initial=0.0) >= IOU
    near = near_seams(usual, tiling)
    shares = [f"{int(stays[k].sum())} of {int(k.sum())}" for k in (near, ~near)]
    cells = [name, len(stays), ious.shape[1], counts.tp, f"{counts.tp / max(most, 1):.1%}", *shares]
    print(f"| {' | '.join(map(str, cells))} | {seconds:.0f} |", flush=True)
    return counts.tp, most


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a folder of images in place of the samples")
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--overlap", type=int, default=0, help="of the tiles, in pixels; 0 chooses it")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--points", type=int, default=0, help="points per side of a tile, not the preset's")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="threads of torch in each process; 0 shares")
    options = parser.parse_args()
    print(f"{options.model}, {options.preset}, {options.side} x {options.side}, tiles of {options.tile}")
    print("| image | objects | shifted | match | share | near a seam | elsewhere | s |")
    print("|---|---|---|---|---|---|---|---|")
    total = np.zeros(2, int)
    with tempfile.TemporaryDirectory() as folder:
        for name, pixels in images(options.data):
            path = Path(folder) / f"{name}.npy"
            np.save(path, filled(pixels, options.side))
            total += row(name, path, options)
    print(f"all: {total[0]} of {total[1]} match at an IoU of {IOU} ({total[0] / max(total[1], 1):.1%})")


if __name__ == "__main__":
    main()

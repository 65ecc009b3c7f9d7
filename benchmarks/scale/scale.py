"""Large images: how time and memory grow, what a kill costs, and what 1,000 workers would need.

``python benchmarks/scale/scale.py sizes`` runs 1 to 64 megapixels with 1 to 4 workers; ``huge`` runs 16,384 x
16,384 pixels; ``kills`` kills a run 20 times; ``paper`` works out what a cluster would have to carry. The
segmenter is threshold and connected components unless ``--model`` is given: what is measured is the
machinery around it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tile_segmenter import ModelSegmenter
from napari_sam2_automask.large.tiles.grid import Grid
from napari_sam2_automask.settings.presets import resolve_settings
from napari_sam2_automask.workers.clusters import workers_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))
from large_images import cells  # type: ignore[import-not-found]
from large_run import SIZES, Cheap  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from napari_sam2_automask.progress import Progress


def write_image(path: Path, side: int) -> None:
    """Write a square image of generated cells, one part of it repeated."""
    part = cells((min(side, 2048),) * 2, seed=1, large=20)[0]
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(side, side))
    for y in range(0, side, len(part)):
        for x in range(0, side, len(part)):
            out[y : y + len(part), x : x + len(part)] = part[: side - y, : side - x]
    out.flush()


def one_run(options: argparse.Namespace) -> None:
    """Do one run and print what it took as JSON; in a process of its own, so that memory is its own."""
    times: dict[str, float] = {}
    last: list[Any] = ["start", time.perf_counter()]

    def progress(p: Progress) -> None:
        now = time.perf_counter()
        times[p.stage] = times.get(p.stage, 0.0) + now - float(last[1])
        last[:] = [p.stage, now]

    segmenter: Any = Cheap()
    if options.model:
        settings, _ = resolve_settings("coarse", "bundled")
        settings = settings.replace(fit_objects=False, points_per_side=options.points)
        limits = (20.0, 210.0)
        threads = options.threads
        segmenter = ModelSegmenter(settings, options.model, contrast_limits=limits, threads=threads)
    begin = time.perf_counter()
    with workers_of(options.workers) as work:
        result = segment_large(
            FileSource(options.image),
            Path(options.output),
            segmenter,
            tile=options.tile,
            overlap=options.tile // 8,
            executor=work,
            progress=progress,
        )
    print(json.dumps({"seconds": time.perf_counter() - begin, "objects": result.objects, "stages": times}))


def measured(image: Path, output: Path, *more: str) -> dict[str, Any]:
    """Run `one_run` and watch the memory of it and of its workers."""
    command = [sys.executable, __file__, "one", "--image", str(image), "--output", str(output), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak: dict[int, int] = {}
    while process.poll() is None:
        for pid in [process.pid, *descendants(process.pid)]:
            peak[pid] = max(peak.get(pid, 0), resident(pid))
        time.sleep(0.1)
    text = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found | {"peak": max(peak.values())}


def descendants(pid: int) -> list[int]:
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [n for child in own for n in (int(child), *descendants(int(child)))]


def resident(pid: int) -> int:
    """Return the memory that a process itself has, without the files it has mapped."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssShmem")))


def sizes(options: argparse.Namespace) -> None:
    print("| megapixels | workers | seconds | tiles s | seams s | labels s | objects | peak MB a process |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for k in range(options.largest):
            side = options.first << k
            image = Path(folder) / f"{side}.npy"
            write_image(image, side)
            for workers in (1, 2, 4) if k else (1,):
                output = Path(folder) / f"{side}_{workers}.zarr"
                r = measured(image, output, "--workers", str(workers), *model_options(options))
                s = r["stages"]
                drawn = s.get("labels", 0) + s.get("pyramid", 0)
                row = [f"{side * side / 2**20:.3g}", str(workers), f"{r['seconds']:.1f}"]
                row += [f"{s.get('tiles', 0):.1f}", f"{s.get('seams', 0):.1f}", f"{drawn:.1f}"]
                row += [str(r["objects"]), f"{r['peak'] / 2**20:.0f}"]
                print(f"| {' | '.join(row)} |", flush=True)


def huge(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.npy"
        write_image(image, options.side)
        workers = ["--workers", str(options.workers)]
        r = measured(image, Path(folder) / "a.zarr", *workers, *model_options(options))
        stages = ", ".join(f"{k} {v:.0f} s" for k, v in r["stages"].items())
        print(
            f"{options.side} x {options.side} pixels, {options.workers} worker(s), tiles of {options.tile}:"
        )
        print(f"{r['seconds']:.0f} s ({stages})")
        print(f"{r['objects']} objects, peak {r['peak'] / 2**20:.0f} MB per process")


def model_options(options: argparse.Namespace) -> list[str]:
    more = ["--tile", str(options.tile), "--points", str(options.points), "--threads", str(options.threads)]
    return [*more, "--model", options.model] if options.model else more


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    found.update(folder.with_name(folder.stem + ".objects.csv").read_bytes())
    return found.hexdigest()


def kills(options: argparse.Namespace) -> None:
    """Kill a run at random moments until it has been killed often enough, then let it finish."""
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "image.npy"
        np.save(image, cells((700, 720), seed=8, large=4)[0])
        whole = segment_large(FileSource(str(image)), folder / "whole.zarr", Cheap(), **SIZES)
        tiles = len(Grid((700, 720), SIZES["tile"], SIZES["overlap"]))
        killed, stages = 0, []
        output, log = folder / "killed.zarr", folder / "log"
        script = Path(__file__).resolve().parents[2] / "tests" / "kits" / "large_run.py"
        command = [sys.executable, str(script), str(image), str(output), str(log), "0.02"]
        while True:
            process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
            owner = folder / "killed.zarr.run" / "owner.json"
            while not owner.exists() and process.poll() is None:
                time.sleep(0.005)
            owner.unlink(missing_ok=True)
            if killed < options.kills:
                time.sleep(chance.uniform(0, options.span))
                process.send_signal(signal.SIGKILL)
            process.wait()
            if process.returncode == 0:
                break
            killed += 1
            half = any((folder / "killed.zarr.run").rglob(".*.tmp"))
            done = len(list((folder / "killed.zarr.run/tiles").rglob("0????????")))
            drawn = len(list((folder / "killed.zarr.run").glob("plan-*/level*/*/*")))
            stages.append(f"{done}+{drawn}" + (" writing" if half else ""))
        same = digest(output) == digest(whole.path)
        begun = len(log.read_text().splitlines())
        print(f"{killed} kills, at so many tiles + blocks done: {', '.join(stages)}")
        print(f"labels and table byte-identical: {same}")
        print(f"{tiles} tiles, begun {begun} times (at most one more per kill)")
        if not same or begun > tiles + killed:
            sys.exit(1)


def paper(options: argparse.Namespace) -> None:
    """Print what a cluster of 1,000 workers would carry."""
    workers, tile, step = 1000, 1024, 896
    rate = workers / options.seconds_per_tile
    print(f"{workers} workers, {options.seconds_per_tile} s a tile of {tile} x {tile} pixels (step {step}):")
    print(f"- {rate:.0f} tiles/s, {rate * step * step / 1e6:.0f} megapixels/s")
    print(f"- scheduler: {rate:.0f} tasks/s while segmenting; Dask's handles some 1,000 to 4,000")
    print(f"- sent: {rate * options.task_bytes / 1e6:.2f} MB/s of tasks; results are files, none is sent")
    print(f"- read: {rate * (tile**2 + step**2) * 2 / 1e6:.0f} MB/s of 16-bit pixels, each core twice (hash)")
    print(
        f"- written: {rate * options.tile_bytes / 1e6:.0f} MB/s in {rate:.0f} files/s, {2 * rate:.0f} fsync/s"
    )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["sizes", "huge", "kills", "paper", "one"])
    parser.add_argument("--model", default="", help="segment with this model, such as bundled")
    parser.add_argument("--points", type=int, default=4, help="points per side of a tile, with --model")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of torch in each process, with --model"
    )
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("--first", type=int, default=1024, help="side of the smallest image of `sizes`")
    parser.add_argument("--largest", type=int, default=4, help="how many sizes, each of twice the side")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--span", type=float, default=0.6, help="kill within so many seconds after the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds-per-tile", type=float, default=2.0)
    parser.add_argument("--task-bytes", type=float, default=1500)
    parser.add_argument("--tile-bytes", type=float, default=60e3)
    parser.add_argument("--image")
    parser.add_argument("--output")
    options = parser.parse_args()
    actions = {"sizes": sizes, "huge": huge, "kills": kills, "paper": paper, "one": one_run}
    actions[options.what](options)


if __name__ == "__main__":
    main()

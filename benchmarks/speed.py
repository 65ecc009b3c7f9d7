"""Time and memory of our engine against Meta's generator, side by side.

Two processes hold the same network with the same random weights, calibrated so that about half of the prompts
pass predicted IoU. They run in turn, so that whatever else the machine does meets both. Time that Meta's
generator spends on run lengths is measured and left out of the ratio. Memory is the peak resident size beyond
that after loading the weights. Seconds of a stage are added up over the threads that work on it.

    python benchmarks/speed.py --model tiny --image 1024 --points 32 --pairs 3 --threads 2 --json speed.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import floor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings import AmgSettings


_clock = time.perf_counter


def main() -> None:
    arguments = _parse()
    context = multiprocessing.get_context("spawn")
    sides = {}
    for side in ("ours", "meta") if not arguments.only else (arguments.only,):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, side, vars(arguments)), daemon=True)
        process.start()
        sides[side] = here
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    least: dict[str, float] = {}
    for connection in sides.values():
        least |= connection.recv()  # loaded and warm
    for _ in range(arguments.pairs):
        for side, connection in sides.items():
            connection.send("run")
            runs[side].append(connection.recv())
            print(side, json.dumps(runs[side][-1]), flush=True)
    for connection in sides.values():
        connection.send("stop")
    result = _summary(runs, arguments, least)
    print(json.dumps(result, indent=2))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny", help="tiny, small, base+, large, bundled or small-random")
    parser.add_argument("--image", type=int, nargs="+", default=[1024], help="side, or rows and columns")
    parser.add_argument("--points", type=int, default=32, help="points per side")
    parser.add_argument("--batch", type=int, default=64, help="points per batch")
    parser.add_argument("--crops", type=int, default=0, help="crop layers")
    parser.add_argument("--pairs", type=int, default=1, help="runs of each side")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument(
        "--floor", type=float, nargs=2, metavar=("IOU", "STABILITY"), help="keep more candidates"
    )
    parser.add_argument("--only", choices=["ours", "meta"], help="run one side only")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu for a busy machine")
    parser.add_argument(
        "--wait", choices=["passive", "active"], default="passive", help="how OpenMP's threads wait"
    )
    parser.add_argument("--json", help="write the result here")
    return parser.parse_args()


def _serve(connection: Connection, side: str, arguments: dict[str, Any]) -> None:
    """Load the model, then run whenever asked."""
    os.environ["OMP_NUM_THREADS"] = str(arguments["threads"])
    os.environ["OMP_WAIT_POLICY"] = arguments["wait"].upper()
    import torch

    torch.set_num_threads(arguments["threads"])
    global _clock
    _clock = time.process_time if arguments["clock"] == "cpu" else time.perf_counter
    model, view, settings = _subject(arguments)
    run = _ours if side == "ours" else _meta
    warm = settings.replace(points_per_side=2, crop_n_layers=0)
    run(model, view, warm, None)
    connection.send(_floor(model, settings) if side == "ours" else {})
    while connection.recv() == "run":
        floor = arguments["floor"]
        with _Peak() as peak:
            start, cpu = _clock(), time.process_time()
            report = run(model, view, settings, floor)
            report["seconds"], report["cpu_seconds"] = _clock() - start, time.process_time() - cpu
        report["peak_bytes"] = peak.bytes
        connection.send(report)


def _subject(arguments: dict[str, Any]) -> tuple[Model, NDArray[np.uint8], AmgSettings]:
    from parity_kit import as_model, blobs, calibrate, sample, small_network  # type: ignore[import-not-found]

    from napari_sam2_automask.models import build_official, load_model
    from napari_sam2_automask.settings import AmgSettings

    size = arguments["image"]
    shape = (size[0], size[-1])
    settings = AmgSettings(
        points_per_side=arguments["points"],
        points_per_batch=arguments["batch"],
        crop_n_layers=arguments["crops"],
    )
    # Smoothing on the scale of a large image would take longer than segmenting it.
    part = max(1, max(shape) // 1024)
    view = blobs((shape[0] // part, shape[1] // part), seed=4, scale=0.15)
    view = view.repeat(part, 0).repeat(part, 1)
    name = arguments["model"]
    if name == "bundled":
        return load_model("bundled", device="cpu"), sample(shape), settings
    model = as_model(small_network(0)) if name == "small-random" else build_official(name, seed=0)
    calibrate(model.network, view, points=4, covered=0.03)
    return model, view, settings


def _ours(
    model: Model, view: NDArray[np.uint8], settings: AmgSettings, floor: list[float] | None
) -> dict[str, Any]:
    from napari_sam2_automask.candidates import Floor
    from napari_sam2_automask.engine import propose
    from napari_sam2_automask.engine.cache import features_cache
    from napari_sam2_automask.engine.upscaling import Upscaler
    from napari_sam2_automask.selection import select

    features_cache.clear()
    spent: dict[str, float] = {}
    upscaled = [0]
    original = Upscaler.logits

    def counted(self: Upscaler, prompts: list[Any], work: Any) -> Any:
        upscaled[0] += len(prompts)
        return original(self, prompts, work)

    with (
        patch.object(Upscaler, "logits", counted),
        _timed(spent, "encoder", "napari_sam2_automask.engine.proposing", "encode"),
        _timed(spent, "measure", "napari_sam2_automask.engine.lowres.Resizer", "measure"),
        _timed(spent, "upscale", "napari_sam2_automask.engine.upscaling.Upscaler", "logits"),
        _timed(spent, "transformer", "napari_sam2_automask.engine.decoder.LowRankDecoder", "_transform"),
    ):
        found = propose(view, settings, model, floor=Floor(*floor) if floor else None)
    start = _clock()
    masks = select(found, settings)
    spent["select"] = _clock() - start
    total = 3 * settings.point_prompts
    passed = total - found.removed["predicted IoU"]
    return {
        "masks": len(masks),
        "candidates": len(found),
        "candidate_bytes": found.nbytes,
        "masks_above_iou": passed,
        "prompts": settings.point_prompts,
        "upscaled": upscaled[0],
        "removed": dict(masks.removed),
        "stages": spent,
    }


def _meta(
    model: Model, view: NDArray[np.uint8], settings: AmgSettings, floor: list[float] | None
) -> dict[str, Any]:
    import warnings

    from napari_sam2_automask.models import meta_generator

    spent: dict[str, float] = {}
    amg = "sam2.automatic_mask_generator"
    predictor = "sam2.sam2_image_predictor.SAM2ImagePredictor"
    with (
        warnings.catch_warnings(),
        _timed(spent, "rle", amg, "mask_to_rle_pytorch"),
        _timed(spent, "rle", amg, "rle_to_mask"),
        _timed(spent, "rle", amg, "area_from_rle"),
        _timed(spent, "encoder", predictor, "set_image"),
        _timed(spent, "decoder", "sam2.modeling.sam.mask_decoder.MaskDecoder", "forward"),
        _timed(spent, "resize", "sam2.utils.transforms.SAM2Transforms", "postprocess_masks"),
        _timed(spent, "stability", amg, "calculate_stability_score"),
        _timed(spent, "boxes", amg, "batched_mask_to_box"),
    ):
        warnings.simplefilter("ignore")
        records = meta_generator(model, settings).generate(view)
    return {"masks": len(records), "stages": spent}


class _timed:
    """Adds up the time spent in a function while the context lasts."""

    def __init__(self, spent: dict[str, float], stage: str, owner: str, name: str) -> None:
        self._spent, self._stage, self._owner, self._name = spent, stage, _resolve(owner), name

    def __enter__(self) -> None:
        self._function: Callable[..., Any] = vars(self._owner)[self._name]
        setattr(self._owner, self._name, self._measure)

    def __exit__(self, *_: object) -> None:
        setattr(self._owner, self._name, self._function)

    @property
    def _measure(self) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            start = _clock()
            try:
                return self._function(*args, **kwargs)
            finally:
                self._spent[self._stage] = self._spent.get(self._stage, 0.0) + _clock() - start

        return measured


def _resolve(path: str) -> Any:
    """Return a module or a class by its path."""
    from importlib import import_module

    try:
        return import_module(path)
    except ModuleNotFoundError:
        module, name = path.rsplit(".", 1)
        return getattr(import_module(module), name)


class _Peak:
    """Largest resident size while the context lasts, beyond that at its beginning."""

    def __enter__(self) -> _Peak:
        self._stop = threading.Event()
        self._start = self._peak = _resident()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self._peak = max(self._peak, _resident())

    @property
    def bytes(self) -> int:
        return self._peak - self._start


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _floor(model: Model, settings: AmgSettings) -> dict[str, float]:
    """Return the least time that the arithmetic takes: for the encoder, a prompt, and an upscaled prompt."""
    rate = floor.matrix_rate()
    prompt, upscaled = floor.prompt_operations(model.network)
    encoder = floor.encoder_operations(model.network) * settings.encoder_passes
    return {
        "gflops_per_second": rate / 1e9,
        "encoder": encoder / rate,
        "prompt": prompt / rate,
        "upscaled_prompt": upscaled / rate,
    }


def _summary(
    runs: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace, floor: dict[str, float]
) -> dict[str, Any]:
    result: dict[str, Any] = {"arguments": vars(arguments), "runs": runs, "floor_seconds": floor}
    for side, reports in runs.items():
        seconds = [r["seconds"] - r["stages"].get("rle", 0.0) for r in reports]
        result[side] = {
            "median_seconds": statistics.median(seconds),
            "range_seconds": [min(seconds), max(seconds)],
            "median_cpu_seconds": statistics.median(
                r["cpu_seconds"] - r["stages"].get("rle", 0.0) for r in reports
            ),
            "peak_bytes": max(r["peak_bytes"] for r in reports),
            "masks": reports[-1]["masks"],
        }
    if floor:
        mine = runs["ours"][-1]
        least = floor["encoder"] + mine["prompts"] * floor["prompt"]
        least += mine["upscaled"] * floor["upscaled_prompt"]
        result["floor_seconds"]["all"] = least
        result["times_the_floor"] = result["ours"]["median_seconds"] / least
    if len(runs) == 2:
        result["ratio_by_pair"] = [
            (m["seconds"] - m["stages"]["rle"]) / o["seconds"]
            for o, m in zip(runs["ours"], runs["meta"], strict=True)
        ]
        result["cpu_ratio"] = result["meta"]["median_cpu_seconds"] / result["ours"]["median_cpu_seconds"]
        result["memory_ratio"] = result["meta"]["peak_bytes"] / max(result["ours"]["peak_bytes"], 1)
    return result


if __name__ == "__main__":
    main()

"""Time and memory of our engine against Meta's generator and transformers' pipeline, side by side.

Processes hold the same network with the same random weights, calibrated so that about half of the prompts
pass predicted IoU. They run in turn, so that whatever else the machine does meets all. Time that the others
spend on run lengths is measured and left out of the ratio. Memory is the peak resident size beyond that after
loading the weights. Seconds of a stage are added up over the threads that work on it.

    pip install transformers     # for that side only; without it the side is left out
    python benchmarks/speed/speed.py --model tiny --image 1024 --points 32 --pairs 3 --threads 2 --json FILE
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import floor
import stopwatch
import transformers_pipeline
from sides import SIDES

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings


def main() -> None:
    arguments = _parse()
    context = multiprocessing.get_context("spawn")
    sides = {}
    for side in _chosen(arguments):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, side, vars(arguments)), daemon=True)
        process.start()
        sides[side] = here
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    operations: dict[str, float] = {}
    for connection in sides.values():
        operations |= connection.recv()  # loaded and warm
    least: dict[str, float] = {}
    if operations:  # not before all are loaded, which keeps the machine busy
        sides["ours"].send("rate")
        rate = sides["ours"].recv()
        least = {"gflops_per_second": rate / 1e9} | {key: n / rate for key, n in operations.items()}
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
    parser.add_argument("--m2m", action="store_true", help="refine every mask")
    parser.add_argument("--pairs", type=int, default=1, help="runs of each side")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, for all sides")
    parser.add_argument("--half", action="store_true", help="half precision, for our side only")
    parser.add_argument(
        "--floor", type=float, nargs=2, metavar=("IOU", "STABILITY"), help="keep more candidates"
    )
    parser.add_argument("--only", nargs="+", choices=list(SIDES), help="run some sides only")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu for a busy machine")
    parser.add_argument(
        "--wait", choices=["passive", "active"], default="passive", help="how OpenMP's threads wait"
    )
    parser.add_argument("--json", help="write the result here")
    return parser.parse_args()


def _chosen(arguments: argparse.Namespace) -> list[str]:
    """Return the sides to run, and say so where one cannot."""
    names = arguments.only or [
        name for name in SIDES if name != "transformers" or arguments.model != "bundled"
    ]
    if arguments.device != "cpu":
        # Its processing of masks runs on the CPU.
        names = [name for name in names if name != "transformers"]
    if "transformers" in names and not transformers_pipeline.available():
        print("without transformers' pipeline: it is not installed (pip install transformers)")
        names = [name for name in names if name != "transformers"]
    return names


def _serve(connection: Connection, side: str, arguments: dict[str, Any]) -> None:
    """Load the model, then run whenever asked."""
    os.environ["OMP_NUM_THREADS"] = str(arguments["threads"])
    os.environ["OMP_WAIT_POLICY"] = arguments["wait"].upper()
    import torch

    from napari_sam2_automask.candidates.candidates import Floor

    torch.set_num_threads(arguments["threads"])
    if arguments["clock"] == "cpu":
        stopwatch.use_processor_time()
    model, view, settings = _subject(arguments)
    on_cpu = side == "ours" and arguments["device"] == "cpu"
    operations = _operations(model, settings) if on_cpu else {}
    run = SIDES[side](model, view)
    del model
    run(settings.replace(points_per_side=2, crop_n_layers=0), None)
    connection.send(operations)
    kept = Floor(*arguments["floor"]) if arguments["floor"] else None
    while (asked := connection.recv()) != "stop":
        if asked == "rate":
            connection.send(floor.matrix_rate())
            continue
        with stopwatch.Peak(arguments["device"]) as peak:
            start, cpu = stopwatch.now(), time.process_time()
            report = run(settings, kept)
            report["seconds"], report["cpu_seconds"] = stopwatch.now() - start, time.process_time() - cpu
        report["peak_bytes"] = peak.bytes
        connection.send(report)


def _subject(arguments: dict[str, Any]) -> tuple[Model, NDArray[np.uint8], AmgSettings]:
    from parity_kit import sample  # type: ignore[import-not-found]
    from random_networks import blobs, calibrate, on_device, random_model  # type: ignore[import-not-found]

    from napari_sam2_automask.models import load_model
    from napari_sam2_automask.settings.amg import AmgSettings

    size, device = arguments["image"], arguments["device"]
    shape = (size[0], size[-1])
    settings = AmgSettings(
        points_per_side=arguments["points"],
        points_per_batch=arguments["batch"],
        crop_n_layers=arguments["crops"],
        use_m2m=arguments["m2m"],
        half_precision=arguments["half"],
    )
    # Smoothing on the scale of a large image would take longer than segmenting it.
    part = max(1, max(shape) // 1024)
    view = blobs((shape[0] // part, shape[1] // part), seed=4, scale=0.15)
    view = view.repeat(part, 0).repeat(part, 1)
    name = arguments["model"]
    if name == "bundled":
        return load_model("bundled", device=device), sample(shape), settings
    model = random_model(name)
    calibrate(model.network, view, device=device)
    return on_device(model, device), view, settings


def _operations(model: Model, settings: AmgSettings) -> dict[str, float]:
    """Return the operations of the encoder, of a prompt, and of an upscaled prompt."""
    prompt, upscaled = floor.prompt_operations(model.network)
    encoder = floor.encoder_operations(model.network) * settings.encoder_passes
    return {"encoder": encoder, "prompt": prompt, "upscaled_prompt": upscaled}


def _summary(
    runs: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace, floor: dict[str, float]
) -> dict[str, Any]:
    result: dict[str, Any] = {"arguments": vars(arguments), "runs": runs, "floor_seconds": floor}
    for side, reports in runs.items():
        seconds = [_counted(report) for report in reports]
        result[side] = {
            "median_seconds": statistics.median(seconds),
            "range_seconds": [min(seconds), max(seconds)],
            "median_cpu_seconds": statistics.median(
                r["cpu_seconds"] - r["stages"].get("rle", 0.0) for r in reports
            ),
            "peak_bytes": max(r["peak_bytes"] for r in reports),
            "masks": reports[-1]["masks"],
            "stages": {
                stage: statistics.median(r["stages"][stage] for r in reports)
                for stage in reports[0]["stages"]
            },
        }
    if floor:
        result["times_the_floor"] = _times_the_floor(
            result["ours"], runs["ours"][-1], floor, arguments.threads
        )
    for side in [name for name in runs if name != "ours" and "ours" in runs]:
        mine, other = result["ours"], result[side]
        result[f"against_{side}"] = {
            "ratio_by_pair": [
                _counted(o) / _counted(m) for m, o in zip(runs["ours"], runs[side], strict=True)
            ],
            "cpu_ratio": other["median_cpu_seconds"] / mine["median_cpu_seconds"],
            "memory_ratio": other["peak_bytes"] / max(mine["peak_bytes"], 1),
        }
    return result


def _counted(report: dict[str, Any]) -> float:
    return float(report["seconds"] - report["stages"].get("rle", 0.0))


def _times_the_floor(
    ours: dict[str, Any], run: dict[str, Any], floor: dict[str, float], threads: int
) -> dict[str, float]:
    """Compare the whole and its stages with the least time that the arithmetic takes.

    Seconds of the prompts' stages are added up over threads, which share the rate of all.
    """
    prompts, upscaled = run["prompts"] * floor["prompt"], run["upscaled"] * floor["upscaled_prompt"]
    floor["all"] = floor["encoder"] + prompts + upscaled
    stages = ours["stages"]
    return {
        "all": ours["median_seconds"] / floor["all"],
        "encoder": stages["encoder"] / floor["encoder"],
        "transformer": stages["transformer"] / threads / prompts,
        "upscale": stages["upscale"] / threads / max(upscaled, 1e-12),
    }


if __name__ == "__main__":
    main()

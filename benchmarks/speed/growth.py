"""How time and memory of a proposal grow: with points, with the image's size, with crop layers.

Random seeded weights, or the bundled model on a sample-like image. One process for each point of a curve, so
that memory is its own. Seconds are wall time of `propose` and `select`; memory is the peak beyond that after
loading the model.

    python benchmarks/speed/growth.py --model bundled --json growth.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

POINTS, SIZES, CROPS = (8, 16, 32, 64), (512, 1024, 2048, 4096, 8192), (0, 1, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=["points", "sizes", "crops"])
    parser.add_argument("--points", type=int, default=16, help="points per side where sizes and crops vary")
    parser.add_argument("--most-points", type=int, default=64, help="leave out longer runs")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu for a busy machine")
    parser.add_argument("--json", help="write the result here")
    arguments = parser.parse_args()
    rows = []
    for curve, image, points, crops in _runs(arguments):
        row = {"curve": curve, "image": image, "points": points, "crops": crops}
        row |= _measure(arguments, image, points, crops)
        print(json.dumps(row), flush=True)
        rows.append(row)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


def _runs(arguments: argparse.Namespace) -> list[tuple[str, int, int, int]]:
    runs = [("points", 1024, points, 0) for points in POINTS if points <= arguments.most_points]
    runs += [("sizes", size, arguments.points, 0) for size in SIZES]
    runs += [("crops", 1024, arguments.points // 2, crops) for crops in CROPS]
    return [run for run in runs if not arguments.only or run[0] in arguments.only]


def _measure(arguments: argparse.Namespace, image: int, points: int, crops: int) -> dict[str, Any]:
    speed = Path(__file__).parent / "speed.py"
    command = [sys.executable, str(speed), "--only", "ours", "--model", arguments.model]
    command += ["--image", str(image), "--points", str(points), "--crops", str(crops)]
    command += ["--threads", str(arguments.threads), "--clock", arguments.clock]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("ours ")]
    run = json.loads(line.removeprefix("ours "))
    return {name: run[name] for name in ("seconds", "peak_bytes", "masks", "candidates", "prompts")}


if __name__ == "__main__":
    main()

"""How much a process grows that keeps the features of many images, against what the cache counts.

Different images of one size are segmented with the bundled model, one after the other. Prints resident memory
beyond that after the first, and what the cache counts, as JSON.

    python benchmarks/speed/kept.py --images 200
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch

from napari_sam2_automask import AmgSettings, load_model, segment
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.encoder.heap import trim_heap


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=128, help="of an image, in pixels")
    parser.add_argument("--points", type=int, default=8, help="points per side")
    parser.add_argument("--every", type=int, default=25, help="images between two lines")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, settings = load_model("bundled", device="cpu"), AmgSettings(points_per_side=arguments.points)
    segment(picture(0, arguments.side), settings, model)
    features_cache.clear()
    trim_heap()
    start = resident()
    for k in range(1, arguments.images + 1):
        segment(picture(k, arguments.side), settings, model)
        if k % arguments.every == 0 or k == arguments.images:
            row = {"images": k, "grown": resident() - start, "counted": features_cache.nbytes}
            print(json.dumps(row), flush=True)


def picture(seed: int, side: int) -> np.ndarray:
    """Return a few blurred spots on noise."""
    chance, (y, x) = np.random.default_rng(seed), np.indices((side, side))
    pixels = chance.normal(20, 3, (side, side))
    for _ in range(6):
        row, column = chance.uniform(10, side - 10, 2)
        pixels += 150 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 60)
    return pixels.clip(0, 255).astype(np.uint8)


def resident() -> int:
    """Return the memory of this process in bytes; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()

"""How well the size of objects is estimated, which magnification follows: in whole images and in windows.

    python benchmarks/quality/sizes.py --data DIR [DIR ...] [--model NAME] [--window PIXELS]

Of each image whose objects are all annotated, and of two windows of it at random places, the estimated
diameter is held against the median of the annotated ones. Printed are, for each kind, the median ratio and
how many are within a factor of two, and for all the latter with a 95 % interval over images (bootstrap).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask import load_model
from napari_sam2_automask.engine.proposing import estimate_diameter
from napari_sam2_automask.image.view import to_model_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ratios = defaultdict[str, list[list[float]]]
    Pair = tuple[NDArray[np.uint8], NDArray[np.int32]]

#: Objects that must be annotated for their median to say something, and windows of each image.
LEAST, WINDOWS = 4, 2


def main() -> None:
    """Print a row for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--window", type=int, default=200)
    asked = parser.parse_args()
    model = load_model(asked.model, device="cpu")
    rng = np.random.default_rng(0)
    items = [item for root in asked.data for item in read_folder(root) if item.complete]
    ratios: dict[str, dict[str, list[list[float]]]] = {
        "whole": defaultdict(list),
        "window": defaultdict(list),
    }
    for item in items:
        for what, pairs in (
            ("whole", [(item.image, item.truth)]),
            ("window", list(_windows(item, asked.window, rng))),
        ):
            found = [
                max(estimate_diameter(to_model_view(image), model), 1.0) / diameter
                for image, truth in pairs
                if (diameter := _annotated(truth))
            ]
            if found:
                ratios[what][item.kind].append(found)
    for what, kinds in ratios.items():
        print(f"{what}: estimated / annotated diameter")
        for kind, images in kinds.items():
            values = np.concatenate(images)
            print(f"  {kind:40s} {len(values):3d}  median {np.median(values):5.2f}  {_told(images)}")
        every = [found for images in kinds.values() for found in images]
        print(f"  {'all':40s} {len(every):3d} images  {_told(every)}")


def _windows(item: Annotated, side: int, rng: np.random.Generator) -> Iterator[Pair]:
    height, width = item.truth.shape
    if min(height, width) < 1.1 * side:
        return
    for _ in range(WINDOWS):
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        window = slice(y, y + side), slice(x, x + side)
        yield np.ascontiguousarray(item.image[window]), item.truth[window]


def _annotated(truth: NDArray[np.int32]) -> float:
    """Return the diameter of a disc of the median object's area; 0 where there are too few."""
    areas = np.bincount(truth.ravel())[1:]
    areas = areas[areas > 0]
    return 2 * math.sqrt(float(np.median(areas)) / math.pi) if len(areas) >= LEAST else 0.0


def _told(images: list[list[float]]) -> str:
    good = [[0.5 <= ratio <= 2.0 for ratio in found] for found in images]
    rng = np.random.default_rng(0)
    drawn = [
        np.mean(np.concatenate([good[i] for i in rng.integers(len(good), size=len(good))]))
        for _ in range(2000)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"within a factor of two: {np.mean(np.concatenate(good)):.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()

"""What half precision in the image encoder does to the masks, against single precision.

On a CPU the same parts of the encoder round in the same way, so that no graphics card is needed. Weights are
random and seeded, with heads fitted to the image (see tests/random_networks.py).

    python benchmarks/speed/half.py --models tiny base+ large
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.selection.selecting import Masks

_CALIBRATED = 12
# Below this, two masks of one prompt are not the same one rounded, but another choice of the suppression.
_MATCHED = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["tiny"], help="tiny, base+, large ...")
    parser.add_argument("--side", type=int, default=1024, help="rows and columns of the image")
    parser.add_argument("--points", type=int, default=32, help="points per side")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    print("| model | masks | in half precision | matched | worst IoU | below 0.99 |")
    print("|---|---|---|---|---|---|")
    for name in arguments.models:
        single, half = _both(name, arguments.side, arguments.points, arguments.device)
        ious = _ious(single, half)
        matched = ious[ious >= _MATCHED]
        facts = len(single), len(half), len(matched), f"{matched.min():.4f}", int((matched < 0.99).sum())
        print(f"| {name} | {' | '.join(str(fact) for fact in facts)} |", flush=True)


def _both(name: str, side: int, points: int, device: str) -> tuple[Masks, Masks]:
    """Return the masks in single and in half precision."""
    from random_networks import blobs, calibrate, on_device, random_model  # type: ignore[import-not-found]

    from napari_sam2_automask.engine import crop_features, propose
    from napari_sam2_automask.selection.selecting import select
    from napari_sam2_automask.settings.amg import AmgSettings

    view, model = blobs((side, side), seed=1, scale=0.15), random_model(name)
    calibrate(model.network, view, points=min(points, _CALIBRATED), device=device)
    model = on_device(model, device)
    settings, found = AmgSettings(points_per_side=points), []
    with patch.object(crop_features, "is_half", lambda settings, _: settings.half_precision):
        for half in (False, True):
            chosen = settings.replace(half_precision=half)
            found.append(select(propose(view, chosen, model), chosen))
    return found[0], found[1]


def _ious(masks: Masks, others: Masks) -> NDArray[np.float64]:
    """Return for each mask the best IoU with another of the same prompt."""
    best = np.zeros(len(masks))
    for k in range(len(masks)):
        own = masks.full(k)
        for j in np.flatnonzero(np.abs(others.points - masks.points[k]).max(1) < 1e-3):
            other = others.full(int(j))
            best[k] = max(best[k], (own & other).sum() / max((own | other).sum(), 1))
    return best


if __name__ == "__main__":
    main()

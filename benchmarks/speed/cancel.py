"""How long a cancel takes, at random moments of the encoder and of the point prompts.

Run ``python benchmarks/speed/cancel.py --models tiny large --json cancel.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

if TYPE_CHECKING:
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import Progress
    from napari_sam2_automask.settings.amg import AmgSettings


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["tiny", "large"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cancels", type=int, default=8, help="in each stage")
    parser.add_argument("--json", help="write the result here")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from napari_sam2_automask.models import build_official, load_model
    from napari_sam2_automask.settings.amg import AmgSettings

    torch.set_num_threads(arguments.threads)
    rows = []
    for name in arguments.models:
        model = load_model("bundled", device="cpu") if name == "bundled" else build_official(name, seed=0)  # type: ignore[arg-type]
        for use_m2m in (False, True):
            settings = AmgSettings(pred_iou_thresh=0.0, stability_score_thresh=0.0, use_m2m=use_m2m)
            for stage in ("encoder", "points"):
                if use_m2m and stage == "encoder":
                    continue
                seconds = [_cancel(model, settings, stage, i) for i in range(arguments.cancels)]
                row: dict[str, Any] = {"model": name, "stage": stage, "m2m": use_m2m}
                row |= {"longest_seconds": max(seconds), "seconds": seconds}
                print(json.dumps(row), flush=True)
                rows.append(row)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


def _cancel(model: Model, settings: AmgSettings, stage: str, seed: int) -> float:
    """Ask for a cancel at a random moment of a stage; return the seconds until control is back.

    A cancel is heard at the next report of progress, so the time since the report before counts as well.
    """
    from parity_kit import blobs  # type: ignore[import-not-found]

    from napari_sam2_automask.engine import propose
    from napari_sam2_automask.engine.encoder.cache import features_cache
    from napari_sam2_automask.progress import Cancelled

    if stage == "encoder":
        features_cache.clear()
    wait = random.Random(seed).uniform(0, 2.0)
    begun: list[float] = []
    last = [0.0]

    def report(progress: Progress) -> None:
        now = time.perf_counter()
        if progress.stage == stage:
            begun.append(now)
            if now - begun[0] >= wait:
                raise Cancelled
        last[0] = now

    try:
        propose(blobs((256, 256), seed=1), settings, model, progress=report)
    except Cancelled:
        return time.perf_counter() - last[0]
    return 0.0


if __name__ == "__main__":
    main()

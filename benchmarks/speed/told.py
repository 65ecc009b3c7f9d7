"""What a large model saves that is told where objects are: a grid beside what the bundled model sees.

    python benchmarks/speed/told.py [--model tiny] [--sample NAME] [--threads 2] [--pairs 1]

The weights are random and seeded, fitted to the image so that half of the prompts of a grid pass predicted
IoU: this is about time alone, that of the processor. Grid and thresholds are those of the balanced preset.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

from napari_sam2_automask.engine import propose
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.finder import finder_on
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.models import build_official
from napari_sam2_automask.samples import samples
from napari_sam2_automask.settings.presets import PRESETS


def main() -> None:
    """Print prompts, masks and seconds of both ways, in turns."""
    from random_networks import calibrate  # type: ignore[import-not-found]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny", help="tiny, small, base+ or large")
    parser.add_argument("--sample", default="fluorescence_nuclei", choices=[s.name for s in samples()])
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--pairs", type=int, default=1, help="runs of each")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    view = to_model_view(next(s for s in samples() if s.name == options.sample).image())
    model = build_official(options.model, seed=0)
    calibrate(model.network, view)
    finder_on(str(model.device))  # loaded once a process
    grid = PRESETS["balanced"].settings
    print(f"{options.model}, {view.shape[0]} x {view.shape[1]} pixels, {options.threads} threads")
    for _ in range(options.pairs):
        for settings in (grid, grid.replace(prompts="objects")):
            features_cache.clear()
            start = time.process_time()
            found = propose(view, settings, model)
            seconds = time.process_time() - start
            print(
                f"{settings.prompts:8}{found.prompts[0]:6} prompts{len(found):6} masks{seconds:8.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()

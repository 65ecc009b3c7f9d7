"""Draw docs/images/sweep_points.png and sweep_crops_stained.png: what two parameters do to two samples.

    python docs/make_sweep_pictures.py

The contact sheets of `sam2-automask sweep`, at the thresholds of the tables in docs/parameters.md.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from picture_facts import IMAGES, made

from napari_sam2_automask.samples import samples

#: Of each picture: the sample, the parameter and its values.
SWEEPS = {
    "sweep_points.png": ("fluorescence_nuclei", "points_per_side", "8,16,32,64"),
    "sweep_crops_stained.png": ("stained_nuclei", "crop_n_layers", "0,1,2,3"),
}
#: As in docs/parameters.md, whose tables these pictures belong to.
SETTINGS = [
    "--preset",
    "sam2-defaults",
    "--pred-iou-thresh",
    "0.65",
    "--stability-score-thresh",
    "0.94",
    "--box-nms-thresh",
    "0.3",
    "--crop-n-points-downscale-factor",
    "2",
]


def main() -> None:
    """Run the sweeps and take their sheets over."""
    for picture, (name, parameter, values) in SWEEPS.items():
        path = next(one.path for one in samples() if one.name == name)
        with tempfile.TemporaryDirectory() as folder:
            command = ["sweep", path, "--parameter", parameter, "--values", values, "--out", folder]
            subprocess.run(
                [sys.executable, "-m", "napari_sam2_automask.cli", *map(str, command), *SETTINGS], check=True
            )
            shutil.copyfile(Path(folder) / f"{name}.{parameter}.png", IMAGES / picture)
        made(IMAGES / picture)


if __name__ == "__main__":
    main()

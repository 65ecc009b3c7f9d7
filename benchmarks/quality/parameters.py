"""What grid and crops do: the same images at several values, with the scores of each, as means over images.

    python benchmarks/quality/parameters.py --data DIR [--sheets DIR]

Reads completely annotated images of a folder (see folder.py), or the bundled samples without one, and sweeps
`points_per_side` and `crop_n_layers` (with the points of a crop halved from layer to layer), all else as the
balanced preset has it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import read_folder
from napari_sam2_automask.evaluation.sweep_table import step_rows
from napari_sam2_automask.evaluation.sweeping import contact_sheet, sweep
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.models import load_model
from napari_sam2_automask.samples import samples
from napari_sam2_automask.settings.presets import PRESETS

SWEEPS = {"points_per_side": (8, 16, 32, 64), "crop_n_layers": (0, 1, 2, 3)}
SHOWN = (
    "objects", "recall", "recall_q1", "recall_q2", "recall_q3", "recall_q4", "f1", "boundary_f", "double",
    "encoder_passes", "point_prompts", "seconds",
)  # fmt: skip


def main() -> None:
    """Print a table for each parameter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--sheets", type=Path, help="where contact sheets go")
    options = parser.parse_args()
    model = load_model(options.model)
    base = (
        PRESETS["balanced"]
        .for_model(model.family)
        .replace(fit_objects=False, object_diameter=0.0, crop_n_points_downscale_factor=2)
    )
    if options.data is None:
        images = [(one.name, one.image(), one.truth()) for one in samples()]
    else:
        found = [i for i in read_folder(options.data) if i.complete][:: options.every]
        images = [(i.name.split(".")[0], i.image, i.truth) for i in found]
    for parameter, values in SWEEPS.items():
        tables = []
        for name, image, truth in images:
            steps = sweep(image, parameter, values, base, model)
            tables.append(step_rows(steps, parameter, truth).set_index(parameter)[list(SHOWN)].astype(float))
            print(name, tables[-1].round(3).to_string(), sep="\n", file=sys.stderr, flush=True)
            if options.sheets is not None:
                options.sheets.mkdir(parents=True, exist_ok=True)
                page = contact_sheet(to_model_view(image), steps, title=f"{name}: {parameter}", width=300)
                page.save(options.sheets / f"{name}.{parameter}.png")
        print(f"mean of {len(images)} images")
        print(_markdown(tables), flush=True)


def _markdown(tables: list) -> str:
    """Return the mean of the tables as Markdown; sums are not of use where images differ."""
    import pandas as pd

    mean = pd.concat(tables).groupby(level=0, sort=True).mean()
    lines = [
        "| " + " | ".join([str(mean.index.name), *mean.columns]) + " |",
        "|" + "---|" * (len(mean.columns) + 1),
    ]
    lines += ["| " + " | ".join([f"{k}", *(f"{v:.3g}" for v in row)]) + " |" for k, row in mean.iterrows()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""What the presets do from coarse to fine, for any folder of annotated images (see folder.py).

    python benchmarks/quality/presets.py --data DIR [--model NAME|FILE] [--limit N] [--json FILE]

For each image and preset: number of objects, recall (IoU >= 0.5) of the smallest quarter of the annotated
objects, the median area of the labels, and F1@0.5 where everything is annotated. Then the share of images on
which, from coarse to fine, the first two rise and the third falls; recall cannot rise above 1 nor fall below
0, so there "not lower" counts too.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask import load_model, segment
from napari_sam2_automask.evaluation import score
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from napari_sam2_automask.models import Model

ORDER = ("coarse", "balanced", "fine")


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one image with one preset.

    Attributes
    ----------
    name, preset : str
    objects : int
        Labels in the result.
    small_recall : float
        Share of the smallest quarter of annotated objects with a label at IoU >= 0.5.
    median_area : float
        Of the labels, in pixels; NaN without any.
    kind : str
        Short name of the modality.
    f1 : float
        F1@0.5; NaN where not every object is annotated.
    """

    name: str
    preset: str
    objects: int
    small_recall: float
    median_area: float
    kind: str
    f1: float


def measure(item: Annotated, preset: str, model: Model) -> Row:
    """Segment one image with one preset and score it."""
    labels = segment(item.image, PRESETS[preset], model).labels
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    sizes = np.bincount(item.truth.ravel())[1:]
    sizes = sizes[sizes > 0]
    table = score.iou_matrix(labels, item.truth)
    best = table.max(0) if table.shape[0] else np.zeros(table.shape[1])
    small = best[sizes <= np.quantile(sizes, 0.25)] if len(sizes) else best
    return Row(
        item.name,
        preset,
        len(areas),
        float((small >= 0.5).mean()) if len(small) else float("nan"),
        float(np.median(areas)) if len(areas) else float("nan"),
        item.kind,
        score.f1(labels, item.truth) if item.complete else float("nan"),
    )


def shares(rows: list[Row]) -> dict[str, float]:
    """Return the share of images on which each figure moves as it should from coarse to fine."""
    by_image = {name: {r.preset: r for r in rows if r.name == name} for name in {r.name for r in rows}}
    ends = [(of["coarse"], of["fine"]) for of in by_image.values()]
    return {
        "more objects": float(np.mean([fine.objects > coarse.objects for coarse, fine in ends])),
        "recall of small objects up (or equal)": float(
            np.mean([fine.small_recall >= coarse.small_recall for coarse, fine in ends])
        ),
        # Where coarse finds nothing there is no median to fall from.
        "smaller median area": float(
            np.mean([not fine.median_area >= coarse.median_area for coarse, fine in ends])
        ),
        "mean recall of small objects, coarse": float(np.nanmean([c.small_recall for c, _ in ends])),
        "mean recall of small objects, fine": float(np.nanmean([f.small_recall for _, f in ends])),
    }


def main() -> None:
    """Read the arguments, run all presets over the folder, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled", help="name or file")
    parser.add_argument("--limit", type=int, help="only every k-th image, so that about this many are used")
    parser.add_argument("--json", type=Path, help="write all figures")
    args = parser.parse_args()
    model = load_model(args.model)
    items = list(read_folder(args.data))
    if args.limit:
        items = items[:: max(1, len(items) // args.limit)]
    rows = []
    for item in items:
        mine = [measure(item, preset, model) for preset in ORDER]
        rows += mine
        figures = "".join(
            f"{r.objects:7} {r.small_recall:5.2f} {r.median_area:8.0f} {r.f1:5.2f}" for r in mine
        )
        print(f"{item.name:32}{figures}", flush=True)
    for kind in sorted({r.kind for r in rows if not np.isnan(r.f1)}):
        of_kind = [r for r in rows if r.kind == kind and not np.isnan(r.f1)]
        each = [f"{p} {np.mean([r.f1 for r in of_kind if r.preset == p]):.3f}" for p in ORDER]
        print(f"F1@0.5 {kind:33}{', '.join(each)} ({len(of_kind) // len(ORDER)} images)")
    result = shares(rows)
    for name, value in result.items():
        print(f"{name:40}{value:.2f}")
    if args.json:
        document = {"images": [asdict(r) for r in rows], "shares": result}
        args.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Compare weights on held-out training groups: python -m model_training.measure --data DIR --weights A B.

For every kind: F1 and mean segmentation accuracy of a preset where every object is annotated, recall and
mean best IoU of its candidates everywhere, and the IoU of the single mask that each object's box gives. What
weights are chosen by comes from here, never from the images that they are measured on afterwards.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage as ndi

from model_training.generated import generate
from model_training.records import load_records, split
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.engine import propose
from napari_sam2_automask.evaluation import score
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.models import Model, load_model
from napari_sam2_automask.models.networks.bundled import feature_sizes
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.presets import resolve_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.learning.windows.training_image import TrainingImage
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["box_ious", "held_out", "masks_in", "measured"]

FIGURES = ("f1", "accuracy", "recall50", "recall75", "best_iou", "box_iou")
"""What is measured of each image; NaN where its ground truth does not allow it."""


def held_out(
    roots: Sequence[Path], each: int, generated: Path | None = None, n: int = 8
) -> list[TrainingImage]:
    """At most `each` held-out images of every kind, spread over its groups, and `n` generated ones."""
    _, held = split([record for root in roots for record in load_records(root)])
    kinds: dict[str, list[TrainingImage]] = defaultdict(list)
    for record in held:
        kinds[record.kind].append(record)
    chosen = []
    for records in kinds.values():
        step = max(1.0, len(records) / each)
        chosen += [records[int(i * step)] for i in range(min(each, len(records)))]
    # Of a seed that no training has.
    return chosen + (generate(n, 987, generated) if generated else [])


def masks_in(candidates: Candidates) -> Iterator[NDArray[np.bool_]]:
    """All candidates in the size of the image."""
    for i in range(len(candidates)):
        y, x, mask = candidates.mask(i)
        full = np.zeros(candidates.shape, bool)
        full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        yield full


def box_ious(image: NDArray[np.uint8], truth: NDArray[np.int32], model: Model, most: int = 64) -> list[float]:
    """IoU of each object with the single mask that its box gives, by Meta's predictor.

    Parameters
    ----------
    image : ndarray of uint8, shape (Y, X, 3)
        As the model sees it.
    truth : ndarray of int, shape (Y, X)
        Labels.
    model : Model
        The bundled one, with any weights.
    most : int
        Objects asked for, evenly from the list of all.
    """
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    predictor = SAM2ImagePredictor(model.network)
    predictor._bb_feat_sizes = feature_sizes()
    predictor.set_image(image)
    places = [(i, place) for i, place in enumerate(ndi.find_objects(truth), 1) if place is not None]
    places = places[:: max(1, len(places) // most)][:most]
    out = []
    for i, (rows, cols) in places:
        box = np.array([cols.start, rows.start, cols.stop - 1, rows.stop - 1])
        masks, _, _ = predictor.predict(box=box, multimask_output=False)
        mask, mine = masks[0] > 0, truth == i
        out.append(float((mask & mine).sum() / max((mask | mine).sum(), 1)))
    return out


def measured(record: TrainingImage, model: Model, settings: AmgSettings) -> dict[str, float]:
    """All `FIGURES` of one image."""
    truth = record.levels[min(1, len(record.levels) - 1)]
    view = to_model_view(record.image)
    found = propose(view, settings, model, floor=Floor.with_room(settings))
    best = score.best_ious(masks_in(found), truth)
    out = dict.fromkeys(FIGURES, float("nan"))
    if record.negatives >= 1:
        labels = paint(select(found, settings)).labels if len(found) else np.zeros_like(truth)
        out |= {"f1": score.f1(labels, truth), "accuracy": score.mean_segmentation_accuracy(labels, truth)}
    boxes = box_ious(np.asarray(view), truth, model)
    figures: dict[str, Any] = {
        "recall50": (best >= 0.5).mean(),
        "recall75": (best >= 0.75).mean(),
        "best_iou": best.mean(),
        "box_iou": np.mean(boxes),
    }
    return out | {name: float(value) for name, value in figures.items()}


def main() -> None:
    """Measure each of the weights and print the means of each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", nargs="+", default=["bundled"], help="files, or the bundled model")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--each", type=int, default=4, help="images of each kind")
    parser.add_argument("--generated", type=Path, help="file to keep generated images in")
    parser.add_argument("--leave-out", nargs="*", default=["facade"], help="kinds")
    parser.add_argument("--csv", type=Path, help="write the figures of every image")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    records = [r for r in held_out(args.data, args.each, args.generated) if r.kind not in args.leave_out]
    rows: list[dict[str, Any]] = []
    for weights in args.weights:
        model = load_model(weights, device="cpu")
        settings, _ = resolve_settings(args.preset, model)
        for record in records:
            row = {"weights": Path(weights).name, "kind": record.kind, "image": record.name or record.group}
            rows.append(row | measured(record, model, settings))
            print(".", end="", flush=True, file=sys.stderr)
    print_table(rows)
    if args.csv:
        with args.csv.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line for each kind and weights."""
    print(f"\n{'kind':14}{'weights':24}{'images':>7}" + "".join(f"{name:>10}" for name in FIGURES))
    for kind in [*dict.fromkeys(row["kind"] for row in rows), "all"]:
        for weights in dict.fromkeys(row["weights"] for row in rows):
            members = [r for r in rows if r["weights"] == weights and kind in (r["kind"], "all")]
            values = {name: np.array([m[name] for m in members]) for name in FIGURES}
            means = [f"{v[np.isfinite(v)].mean():10.3f}" if np.isfinite(v).any() else f"{'':10}"
                     for v in values.values()]  # fmt: skip
            print(f"{kind:14}{weights:24}{len(members):7}" + "".join(means))


if __name__ == "__main__":
    main()

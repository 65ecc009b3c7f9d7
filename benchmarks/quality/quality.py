"""How good the masks are, for any folder of annotated images (see folder.py).

    python benchmarks/quality/quality.py --data DIR [--model NAME|FILE] [--preset NAME] [--json FILE]

Each image is scored as far as its ground truth allows: precision, F1 and counts of errors only where every
object is annotated; recall of candidates and best IoU everywhere. `--classical` scores the classical baseline
instead of a model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask.evaluation import score

__all__ = ["Row", "score_image", "summary"]


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one image; NaN where its ground truth does not allow them.

    Attributes
    ----------
    name, kind : str
        File and short modality.
    objects, labels : int
        Annotated objects, labels found.
    f1, accuracy : float
        F1 at IoU 0.5; mean segmentation accuracy over IoU 0.5 to 0.95.
    double, missed : float
        Objects given two masks; annotated objects without a label.
    recall50, recall75, best_iou : float
        Share of objects with a candidate of at least that IoU, and mean best IoU, of all candidates that are
        kept for the sliders, before thresholds, suppression and painting.
    seconds : float
        Wall time of proposing, selecting and painting.
    """

    name: str
    kind: str
    objects: int
    labels: int
    f1: float
    accuracy: float
    double: float
    missed: float
    recall50: float
    recall75: float
    best_iou: float
    seconds: float


Segmenter = Callable[[NDArray[np.uint8]], tuple[NDArray[np.integer], list[NDArray[np.bool_]] | None, float]]


def score_image(item: Annotated, labels: NDArray[np.integer], masks: Any, seconds: float) -> Row:
    """Score one result; `masks` are the candidates, or None to take the labels for them."""
    nan = float("nan")
    if masks is None:
        table = score.iou_matrix(labels, item.truth)
        best = table.max(0) if table.shape[0] else np.zeros(table.shape[1])
    else:
        best = score.best_ious(masks, item.truth)
    full = item.complete
    return Row(
        name=item.name,
        kind=item.kind,
        objects=len(best),
        labels=int(np.unique(labels[labels > 0]).size),
        f1=score.f1(labels, item.truth) if full else nan,
        accuracy=score.mean_segmentation_accuracy(labels, item.truth) if full else nan,
        double=float(score.double_masks(labels, item.truth)) if full else nan,
        missed=float(score.unlabelled(labels, item.truth)) if full else nan,
        recall50=float((best >= 0.5).mean()) if len(best) else nan,
        recall75=float((best >= 0.75).mean()) if len(best) else nan,
        best_iou=float(best.mean()) if len(best) else nan,
        seconds=seconds,
    )


def model_segmenter(model_name: str, preset: str, changes: dict[str, Any]) -> Segmenter:
    """Segment with a model and a preset, as `napari_sam2_automask.segment` does."""
    from napari_sam2_automask.api import propose
    from napari_sam2_automask.candidates.candidates import Floor
    from napari_sam2_automask.models import load_model
    from napari_sam2_automask.painting.labels import paint
    from napari_sam2_automask.selection.selecting import select
    from napari_sam2_automask.settings.presets import resolve_settings

    model = load_model(model_name)
    settings, _ = resolve_settings(preset, model.family)
    settings = settings.replace(**changes)
    floor = Floor.with_room(settings)  # what the viewer keeps: selection is as without it

    def segment(image: NDArray[np.uint8]) -> tuple[NDArray[np.integer], Any, float]:
        start = time.perf_counter()
        candidates = propose(image, settings, model, floor=(floor.pred_iou, floor.stability))
        if not len(candidates):
            return np.zeros(image.shape[:2], np.int32), [], time.perf_counter() - start
        labels = paint(select(candidates, settings)).labels
        seconds = time.perf_counter() - start

        def masks() -> Iterator[NDArray[np.bool_]]:
            for i in range(len(candidates)):
                y, x, mask = candidates.mask(i)
                full = np.zeros(candidates.shape, bool)
                full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
                yield full

        return labels, masks(), seconds

    return segment


def summary(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Means over the images of each kind and over all; NaN left out."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row.kind].append(row)
    kinds["all"] = rows
    names = [f.name for f in fields(Row) if f.name not in ("name", "kind")]
    out: dict[str, dict[str, float]] = {}
    for kind, members in kinds.items():
        out[kind] = {"images": float(len(members))}
        for name in names:
            values = np.array([getattr(r, name) for r in members], float)
            out[kind][name] = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
    return out


def print_table(result: dict[str, dict[str, float]]) -> None:
    """One line for each kind."""
    columns = ("images", "objects", "labels", "f1", "accuracy", "double", "missed", "recall50", "recall75",
               "best_iou", "seconds")  # fmt: skip
    print(f"{'kind':18}" + "".join(f"{c:>10}" for c in columns))
    for kind, values in result.items():
        print(f"{kind:18}" + "".join(f"{values[c]:10.3f}" for c in columns))


def main() -> None:
    """Read the arguments, score the folder, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled", help="name or file")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="changed parameters")
    parser.add_argument("--kinds", nargs="*", help="only these kinds")
    parser.add_argument("--classical", action="store_true", help="score the classical baseline")
    parser.add_argument(
        "--json", type=Path, nargs="?", const=Path("-"), help="write all figures; - for standard output"
    )
    args = parser.parse_args()
    changes = {k: json.loads(v) for k, v in (s.split("=", 1) for s in args.set)}
    run = None if args.classical else model_segmenter(args.model, args.preset, changes)
    rows = []
    for item in read_folder(args.data):
        if args.kinds and item.kind not in args.kinds:
            continue
        if run is None:
            from benchmarks.quality.baseline import TUNED, Parameters, classical

            start = time.perf_counter()
            labels: NDArray[np.integer] = classical(item.image, TUNED.get(item.kind, Parameters()))
            masks, seconds = None, time.perf_counter() - start
        else:
            labels, masks, seconds = run(item.image)
        rows.append(score_image(item, labels, masks, seconds))
    result = summary(rows)
    document = {
        "model": "classical" if args.classical else args.model,
        "preset": args.preset,
        "changes": changes,
        "images": [asdict(r) for r in rows],
        "kinds": result,
    }
    if args.json is not None and str(args.json) == "-":
        print(json.dumps(document, indent=1))
        return
    print_table(result)
    if args.json is not None:
        args.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Whether predicted IoU means something: rank correlation and calibration error.

    python benchmarks/calibration.py --data DIR [--model NAME|FILE] [--plot FILE] [--json FILE]

Every candidate of the grid counts, without any threshold; its true IoU is that with the annotated object it
overlaps best, 0 where there is none. Only images on which every object is annotated are used.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from folder import read_folder
from scipy.stats import spearmanr

from napari_sam2_automask.candidates import Floor
from napari_sam2_automask.engine import propose
from napari_sam2_automask.image import to_model_view
from napari_sam2_automask.models import load_model
from napari_sam2_automask.settings import AmgSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates import Candidates

__all__ = ["expected_calibration_error", "true_ious"]


def true_ious(candidates: Candidates, truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """IoU of every candidate with the object that it overlaps best."""
    areas = np.bincount(truth.ravel())
    out = np.zeros(len(candidates))
    for i in range(len(candidates)):
        y, x, mask = candidates.mask(i)
        inter = np.bincount(truth[y : y + mask.shape[0], x : x + mask.shape[1]][mask], minlength=len(areas))
        union = areas + inter.sum() - inter
        ious = inter / np.maximum(union, 1)
        out[i] = ious[1:].max() if len(ious) > 1 else 0.0
    return out


def bins(predicted: NDArray[np.float64], true: NDArray[np.float64], n: int = 10) -> NDArray[np.float64]:
    """Rows (count, mean predicted, mean true) of the equally wide bins that are not empty."""
    which = np.clip((predicted * n).astype(int), 0, n - 1)
    rows = [
        (float((which == b).sum()), predicted[which == b].mean(), true[which == b].mean())
        for b in range(n)
        if (which == b).any()
    ]
    return np.array(rows)


def expected_calibration_error(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Mean distance of predicted and true IoU over the bins, each counted by its candidates."""
    table = bins(predicted, true)
    return float((table[:, 0] * np.abs(table[:, 1] - table[:, 2])).sum() / table[:, 0].sum())


def plot(pooled: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]], path: Path) -> None:
    """Draw a reliability diagram, one line for each kind."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":")
    for kind, (predicted, true) in pooled.items():
        table = bins(predicted, true)
        axes.plot(table[:, 1], table[:, 2], marker="o", markersize=3, label=kind)
    axes.set(xlabel="predicted IoU", ylabel="true IoU", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Rank correlation and calibration of predicted IoU.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled", help="name or file")
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = load_model(args.model)
    parts: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = defaultdict(list)
    for item in read_folder(args.data):
        if not item.complete:
            continue
        settings = AmgSettings(points_per_side=args.points)
        candidates = propose(to_model_view(item.image), settings, model, floor=Floor(0.0, 0.0))
        parts[item.kind].append((candidates.predicted_iou.astype(float), true_ious(candidates, item.truth)))
    pooled = {k: tuple(np.concatenate(p) for p in zip(*v, strict=True)) for k, v in parts.items()}
    pooled["all"] = tuple(np.concatenate([p[j] for p in pooled.values()]) for j in range(2))
    result = {
        kind: {
            "candidates": len(predicted),
            "spearman": float(spearmanr(predicted, true).statistic),
            "ece": expected_calibration_error(predicted, true),
        }
        for kind, (predicted, true) in pooled.items()
    }
    for kind, row in result.items():
        print(f"{kind:16} {row['candidates']:8} Spearman {row['spearman']:.3f} ECE {row['ece']:.3f}")
    if args.plot:
        plot({k: v for k, v in pooled.items() if k != "all"}, args.plot)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Whether predicted IoU means something: rank correlation and calibration error.

    python benchmarks/quality/calibration.py --data DIR [--model NAME|FILE] [--plot FILE] [--json FILE]

Every candidate of the grid counts, without any threshold; its true IoU is that with the annotated object it
overlaps best, 0 where there is none. Only images on which every object is annotated are used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import read_folder
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.engine import propose
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.models import load_model
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask.candidates.candidates import Candidates

Pair: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

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


def plot(pooled: dict[str, Pair], path: Path) -> None:
    """Draw a reliability diagram as SVG, one line for each kind."""
    # Okabe and Ito's colours, which colour-blind people can tell apart.
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
    side, edge = 360, 50
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side + 2 * edge} {side + 2 * edge}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect x="{edge}" y="{edge}" width="{side}" height="{side}" fill="white" stroke="#888"/>',
        f'<path d="M{edge} {edge + side}L{edge + side} {edge}" stroke="#bbb" stroke-dasharray="4 4"/>',
        f'<text x="{edge + side / 2}" y="{side + 2 * edge - 12}" text-anchor="middle">predicted IoU</text>',
        f'<text x="18" y="{edge + side / 2}" text-anchor="middle" '
        f'transform="rotate(-90 18 {edge + side / 2})">true IoU</text>',
    ]
    for value in (0, 0.5, 1):
        out.append(
            f'<text x="{edge + side * value}" y="{edge + side + 18}" text-anchor="middle">{value:g}</text>'
        )
        out.append(
            f'<text x="{edge - 6}" y="{edge + side * (1 - value) + 4}" text-anchor="end">{value:g}</text>'
        )
    for n, (kind, (predicted, true)) in enumerate(pooled.items()):
        colour = colours[n % len(colours)]
        points = [(edge + side * p, edge + side * (1 - t)) for _, p, t in bins(predicted, true)]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        out.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        out.append(f'<text x="{edge + 12}" y="{edge + 20 + 18 * n}" fill="{colour}">{kind}</text>')
    path.write_text("\n".join([*out, "</svg>", ""]))


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
    parts: dict[str, list[Pair]] = defaultdict(list)
    for item in read_folder(args.data):
        if not item.complete:
            continue
        settings = AmgSettings(points_per_side=args.points)
        candidates = propose(to_model_view(item.image), settings, model, floor=Floor(0.0, 0.0))
        parts[item.kind].append((candidates.predicted_iou.astype(float), true_ious(candidates, item.truth)))
    pooled: dict[str, Pair] = {
        kind: (np.concatenate([p for p, _ in pairs]), np.concatenate([t for _, t in pairs]))
        for kind, pairs in parts.items()
    }
    pooled["all"] = (
        np.concatenate([p for p, _ in pooled.values()]),
        np.concatenate([t for _, t in pooled.values()]),
    )
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

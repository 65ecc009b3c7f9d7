"""What prompts at objects change: the grid beside them, with the same weights and thresholds.

    python benchmarks/quality/prompts.py --data DIR [DIR ...] --rows FILE [--presets NAME ...]
        [--per-kind N] [--meta N] [--page docs/prompts.md]

Each image of the folders (see folder.py) is segmented with each preset, once with ``prompts="grid"`` (and as
many points a diameter as the preset had when there was no other way) and once at objects, one after the other
in one process. A row for each goes to the file at once, so that a run that was stopped goes on; rows of other
weights or settings are measured anew. `--per-kind` takes the smallest images of each kind; `--meta` measures
Meta's generator at its defaults as well, on the smallest images with fewer than 200 objects and at most 512
pixels a side.

Time is that of the processor, with one thread: on a machine with other work the clock says nothing.
Candidates are those kept for the sliders. A nested alternative of an object is a candidate that contains its
best one (a whole) or lies in it (a part), to 80 %, at an IoU below 0.7 with it and with other alternatives.

`--page` writes the table by kinds between the page's marks.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask import load_model
from napari_sam2_automask.api import propose
from napari_sam2_automask.candidates.candidates import Candidates, Floor
from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.engine import object_rounds
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.points import objects
from napari_sam2_automask.evaluation import score
from napari_sam2_automask.models import meta_generator
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings

GRID = {
    "balanced": {"prompts": "grid", "points_per_diameter": 3},
    "fine": {"prompts": "grid", "points_per_diameter": 4},
    "coarse": {"prompts": "grid"},
}
"""How the presets asked on a grid."""
CONTAINED, DISTINCT = 0.8, 0.7
MARKS = "<!-- prompts: made by benchmarks/quality/prompts.py -->", "<!-- end of prompts -->"
MEANS = ("f1", "accuracy", "recall50", "recall75", "wholes", "parts")


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one image with one way of asking; NaN where its ground truth does not allow them.

    Attributes
    ----------
    name, kind, preset, prompts_at : str
        File, modality, preset, and ``"grid"``, ``"objects"`` or ``"meta"``.
    of : str
        What tells the weights and the settings.
    objects, asked, passes, candidates : int
        Annotated objects, point prompts, encoder crops, candidates.
    seconds : float
        Of the processor, from the image to the labels.
    f1, accuracy : float
        F1 at IoU 0.5; mean segmentation accuracy.
    recall50, recall75 : float
        Share of objects with a candidate of that IoU.
    wholes, parts : float
        Nested alternatives an object.
    any_whole, any_part : float
        Share of objects with at least one.
    """

    name: str
    kind: str
    preset: str
    prompts_at: str
    of: str
    objects: int
    asked: int
    passes: int
    candidates: int
    seconds: float
    f1: float
    accuracy: float
    recall50: float
    recall75: float
    wholes: float
    parts: float
    any_whole: float
    any_part: float


def best_candidates(
    candidates: Candidates, truth: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for each annotated object the best IoU of a candidate, and which one that is."""
    ids, inverse = np.unique(truth, return_inverse=True)
    inverse = inverse.reshape(truth.shape)
    areas = np.bincount(inverse.ravel()).astype(float)
    best, which = np.zeros(len(ids)), np.zeros(len(ids), np.intp)
    for row in range(len(candidates)):
        y, x, mask = candidates.mask(row)
        under = inverse[y : y + mask.shape[0], x : x + mask.shape[1]][mask]
        shared = np.bincount(under, minlength=len(ids))
        iou = shared / np.maximum(areas + len(under) - shared, 1)
        better = iou > best
        best[better], which[better] = iou[better], row
    return best[ids > 0], which[ids > 0]


def alternatives(candidates: Candidates, rows: Iterable[int]) -> NDArray[np.int64]:
    """Count nested alternatives of some candidates: wholes and parts, (N, 2)."""
    pairs = lookups(candidates).pairs
    same = pairs.iou >= DISTINCT
    alike: dict[int, set[int]] = defaultdict(set)
    for a, b in zip(pairs.small[same].tolist(), pairs.large[same].tolist(), strict=True):
        alike[a].add(b)
        alike[b].add(a)
    nested = (pairs.inside >= CONTAINED) & ~same
    small, large = pairs.small[nested], pairs.large[nested]

    def distinct(group: NDArray[np.int32]) -> int:
        chosen: set[int] = set()
        for row in np.sort(group).tolist():  # best first
            if not alike[row] & chosen:
                chosen.add(row)
        return len(chosen)

    counts = [(distinct(large[small == row]), distinct(small[large == row])) for row in rows]
    return np.array(counts, np.int64).reshape(-1, 2)


def measure(item: Annotated, preset: str, prompts_at: str, settings: AmgSettings, model: Model) -> Row:
    """Segment one image and score it."""
    features_cache.clear()
    floor = Floor.with_room(settings)
    start = time.process_time()
    found = propose(item.image, settings, model, floor=(floor.pred_iou, floor.stability))
    labels = paint(select(found, settings)).labels
    seconds = time.process_time() - start
    best, which = best_candidates(found, item.truth)
    counts = np.zeros((len(best), 2), np.int64)
    hit = best >= 0.5
    counts[hit] = alternatives(found, which[hit].tolist())
    background = found.removed.get("no object near the point", 0) // 3
    nan = float("nan")
    return Row(
        name=item.name,
        kind=item.kind,
        preset=preset,
        prompts_at=prompts_at,
        of=identity(settings, model),
        objects=len(best),
        asked=found.prompts[0] - background,
        passes=len(found.crop_boxes),
        candidates=len(found),
        seconds=seconds,
        f1=score.f1(labels, item.truth) if item.complete else nan,
        accuracy=score.mean_segmentation_accuracy(labels, item.truth) if item.complete else nan,
        recall50=float(hit.mean()),
        recall75=float((best >= 0.75).mean()),
        wholes=float(counts[:, 0].mean()),
        parts=float(counts[:, 1].mean()),
        any_whole=float((counts[:, 0] > 0).mean()),
        any_part=float((counts[:, 1] > 0).mean()),
    )


def measure_meta(item: Annotated, model: Model) -> Row:
    """Time Meta's generator at its defaults."""
    image = item.image if item.image.ndim == 3 else np.stack([item.image] * 3, -1)
    start = time.process_time()
    with torch.inference_mode():
        masks = meta_generator(model, PRESETS["sam2-defaults"].settings).generate(image)
    seconds = time.process_time() - start
    nan = float("nan")
    objects = len(np.unique(item.truth[item.truth > 0]))
    of = identity(PRESETS["sam2-defaults"].settings, model)
    return Row(
        item.name, item.kind, "sam2-defaults", "meta", of, objects, 1024, 1, len(masks), seconds, *[nan] * 8
    )


def identity(settings: AmgSettings, model: Model) -> str:
    """Return what changes with the weights, the settings and the rounds."""
    rounds = [inspect.getsource(module) for module in (objects, object_rounds)] if settings.at_objects else []
    text = json.dumps([model.sha256, settings.to_json(), *rounds], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def chosen(folders: list[Path], per_kind: int | None) -> list[Annotated]:
    """Return the images of some folders kind by kind in turns, the smallest of each kind first."""
    kinds: dict[str, list[Annotated]] = defaultdict(list)
    items = [item for folder in folders for item in read_folder(folder)]
    for item in sorted(items, key=lambda item: item.truth.size):
        kinds[item.kind].append(item)
    turns = range(max(map(len, kinds.values())) if per_kind is None else per_kind)
    return [members[turn] for turn in turns for members in kinds.values() if turn < len(members)]


def jobs(
    items: list[Annotated], presets: list[str], meta: int, model: Model
) -> Iterator[tuple[Annotated, str, str, AmgSettings]]:
    """Yield what to measure: image, preset, where it is asked, settings."""
    small = [item for item in items if max(item.truth.shape) <= 512 and len(np.unique(item.truth)) <= 200]
    timed = {item.name for item in small[:meta]}
    for item in items:
        for preset in presets:
            settings = PRESETS[preset].for_model(model.family)
            yield item, preset, "grid", settings.replace(**GRID[preset])
            yield item, preset, "objects", settings.replace(prompts="objects")
        if item.name in timed:
            yield item, "sam2-defaults", "meta", PRESETS["sam2-defaults"].settings


def table(rows: list[Row], preset: str) -> list[str]:
    """Return the lines of a Markdown table: a kind a line, the figures at objects and what changed."""
    by_way = {way: {row.name: row for row in rows if row.preset == preset and row.prompts_at == way}
              for way in ("grid", "objects")}  # fmt: skip
    names = [name for name in by_way["grid"] if name in by_way["objects"]]
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in names:
        kinds[by_way["grid"][name].kind].append(name)
    lines = [
        "| kind (images) | prompts | seconds | times faster | F1@0.5 | mSA | recall 0.5 | recall 0.75 "
        "| wholes | parts |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, members in [*sorted(kinds.items()), ("all", names)]:
        grid, objects = ([by_way[way][name] for name in members] for way in ("grid", "objects"))
        cells = [f"{kind} ({len(members)})"]
        for figure, digits in (("asked", 0), ("seconds", 1)):
            cells.append(f"{mean(grid, figure):,.{digits}f} → {mean(objects, figure):,.{digits}f}")
        cells.append(f"{mean(grid, 'seconds') / mean(objects, 'seconds'):.1f}")
        for figure in MEANS:
            before, now = mean(grid, figure), mean(objects, figure)
            cells.append("" if np.isnan(before) else f"{now:.3f} ({now - before:+.3f})")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def beside_meta(rows: list[Row]) -> list[str]:
    """Return a sentence on how much faster balanced is than Meta's generator."""
    meta = {row.name: row.seconds for row in rows if row.prompts_at == "meta"}
    ours = {row.name: row.seconds for row in rows if (row.preset, row.prompts_at) == ("balanced", "objects")}
    ratios = sorted(seconds / ours[name] for name, seconds in meta.items() if name in ours)
    if not ratios:
        return []
    return [
        "",
        f"Balanced beside Meta's generator at its defaults with the bundled model, on {len(ratios)} of the "
        f"smallest images, with fewer than 200 objects: {np.median(ratios):.1f} times faster (median; "
        f"{ratios[0]:.1f} to {ratios[-1]:.1f}).",
    ]


def mean(rows: list[Row], figure: str) -> float:
    """Return the mean of a figure over the rows that have it."""
    values = np.array([getattr(row, figure) for row in rows], float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def write_page(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    before, rest = page.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file, none if there is no file."""
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Measure what is not measured yet, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--rows", type=Path, required=True, help="one JSON object a line")
    parser.add_argument("--presets", nargs="+", default=["balanced"], choices=list(GRID))
    parser.add_argument("--per-kind", type=int, help="only so many images of each kind, the smallest")
    parser.add_argument("--meta", type=int, default=0, help="time Meta's generator on so many images")
    parser.add_argument("--page", type=Path, help="a page with marks for the tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("bundled", device="cpu")
    wanted = list(jobs(chosen(options.data, options.per_kind), options.presets, options.meta, model))
    known = {(row.name, row.preset, row.prompts_at, row.of): row for row in read_rows(options.rows)}
    rows = []
    for item, preset, way, settings in wanted:
        key = item.name, preset, way, identity(settings, model)
        if key not in known:
            meta = way == "meta"
            row = measure_meta(item, model) if meta else measure(item, preset, way, settings, model)
            known[key] = row
            with options.rows.open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")
        rows.append(known[key])
    text: list[str] = []
    for preset in options.presets:
        text += [f"**{PRESETS[preset].title}**", "", *table(rows, preset), ""]
    report = "\n".join(text[:-1] + beside_meta(rows))
    print(report)
    if options.page:
        write_page(options.page, report)


if __name__ == "__main__":
    main()

"""Objects left without a label, or given two: what leniency in gaps, another question and renderings change.

    python benchmarks/quality/gaps.py --data DIR [--every N] [--kinds WORDS] [--change NAME=VALUE ...]

Segments each completely annotated image of a folder (see folder.py) as a plain generator would, with the
thresholds of a preset, and with each change: gray images, colour images, and colour images turned gray. A
change is one or several settings joined by commas; without any, those that the docs report are measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import read_folder
from napari_sam2_automask.evaluation.score import double_masks, doubly_masked, f1, unlabelled
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.models import load_model
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.proposal.passes import propose_view
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_automask.settings.amg import AmgSettings

PLAIN = "fit_objects=false,box_nms_thresh=0.7,nested=keep,gap_leniency=0,fill_gaps=false,renderings=raw"
"""What makes a preset a plain generator: grid and suppression as SAM 2's are, the preset's thresholds."""
_ONE = "fit_objects=true,box_nms_thresh=0.3,nested=choose,granularity=0.75"
CHANGES = (
    "fit_objects=true",
    "fit_objects=true,box_nms_thresh=0.3",
    _ONE,
    _ONE + ",gap_leniency=0.1",
    _ONE + ",gap_leniency=0.1,renderings=raw+gamma",
)


def changed(base: AmgSettings, change: str) -> AmgSettings:
    """Apply ``name=value,name=value``; values are JSON, or texts."""
    values: dict[str, Any] = {}
    for part in filter(None, change.split(",")):
        name, _, value = part.partition("=")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return base.replace(**values)


def pictures(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the image and its kind, and for colours the same turned gray."""
    if image.ndim == 2 or (image == image[..., :1]).all():
        yield "gray", image if image.ndim == 2 else image[..., 0]
        return
    yield "colour", image
    yield "turned gray", np.rint(image[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def main() -> None:
    """Print a row for each change and kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--preset", default="balanced", choices=list(PRESETS))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--every", type=int, default=1, help="take every Nth image")
    parser.add_argument("--kinds", default="", help="only modalities that hold one of these words")
    parser.add_argument("--change", action="append", default=[])
    parser.add_argument("--base", default=PLAIN, help="what the preset is changed to before")
    options = parser.parse_args()
    model = load_model(options.model)
    base = changed(PRESETS[options.preset].for_model(model.family), options.base)
    changes = ["", *(options.change or CHANGES)]
    words = options.kinds.split(",")
    items = [i for i in read_folder(options.data) if i.complete and any(w in i.kind for w in words)]
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for number, item in enumerate(items[:: options.every]):
        for kind, picture in pictures(item.image):
            view = to_model_view(picture, rgb=picture.ndim == 3)
            for change in changes:
                settings = changed(base, change)
                begun = time.process_time()
                masks = select(propose_view(view, settings, model), settings)
                labels = paint(masks).labels
                seconds = time.process_time() - begun
                scores = (
                    unlabelled(labels, item.truth),
                    doubly_masked(map(masks.full, range(len(masks))), item.truth),
                    double_masks(labels, item.truth),
                    f1(labels, item.truth),
                )
                rows[change, kind].append((*scores, seconds, len(np.unique(item.truth)) - 1))
        print(f"{number + 1} images", file=sys.stderr, flush=True)
    print(
        f"{'':70} {'kind':12}{'images':>7}{'objects':>8}{'no label':>9}"
        f"{'two masks':>10}{'labels':>7}{'F1@0.5':>8}{'CPU s':>7}"
    )
    for (change, kind), values in sorted(rows.items(), key=lambda r: (r[0][1], changes.index(r[0][0]))):
        missed, masked, double, score, seconds, objects = np.array(values).T
        name = change or "plain generator"
        print(
            f"{name:70} {kind:12}{len(values):7}{int(objects.sum()):8}{int(missed.sum()):9}"
            f"{int(masked.sum()):10}{int(double.sum()):7}{score.mean():8.3f}{seconds.mean():7.2f}"
        )


if __name__ == "__main__":
    main()

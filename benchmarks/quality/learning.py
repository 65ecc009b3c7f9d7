"""What learning from one image, or from a few, does to other images of its kind, and to what was known.

    python benchmarks/quality/learning.py --learn DIR --score DIR --known DIR --out DIR --kinds worms powder
        [--images N] [--draws N] [--minutes N | --steps N] [--each N] [--each-known N]

The folders are as folder.py wants them: images of a kind are learned from in `--learn` and scored in
`--score`, which holds others of that kind, or is the same folder, of which images of a group learned from are
never scored; `--known` holds kinds that the base knows. Every image scored is a
line of results.jsonl in the folder `--out`, where the models learned lie as well: started again with the same
arguments, it goes on where it stopped, and with another figure for `--draws` or other kinds it adds those. A
draw whose images are all scored is not learned again. At the end the mean segmentation accuracy before and
after is printed with a 95 % interval over the images (bootstrap).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask import learn, load_model, save_model, segment
from napari_sam2_automask.evaluation.score import f1, mean_segmentation_accuracy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_sam2_automask.models import Model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learn", type=Path, required=True)
    parser.add_argument("--score", type=Path, required=True)
    parser.add_argument("--known", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", required=True, help="what modalities contain, such as powder")
    parser.add_argument("--base", default="bundled")
    parser.add_argument("--images", type=int, default=1, help="images of each draw")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--steps", type=int, help="in place of minutes, where others use the processor, too")
    parser.add_argument("--each", type=int, default=4, help="images scored of the kind learned")
    parser.add_argument("--each-known", type=int, default=2, help="images scored of each known kind")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    results = Results(args.out / "results.jsonl")
    base = load_model(args.base, device="cpu")
    known = [] if args.known is None else list(_spread(read_folder(args.known), args.each_known))
    for kind in args.kinds:
        pool = [item for item in read_folder(args.learn) if _is(item, kind)]
        of_kind = [item for item in read_folder(args.score) if _is(item, kind)]
        for draw in range(args.draws):
            order = np.random.default_rng((7, draw)).permutation(len(pool))[: args.images]
            chosen = [pool[i] for i in order]
            groups = {item.group for item in chosen}
            scored = [item for item in of_kind if item.group not in groups][: args.each]
            if not chosen or not scored:
                parser.error(
                    f"{args.learn} and {args.score} have no fully annotated images to learn from and score "
                    f"of a modality with {kind!r} in its name"
                )
            name = f"{kind}-{args.images}-{draw}-{args.steps or args.minutes}"
            model: Model | None = None
            for item in [*scored, *known]:
                # The base is the same whatever is learned afterwards.
                before = {"kind": "", "model": "base", "draw": -1, "image": item.name, "modality": item.kind}
                after = before | {"kind": kind, "model": name, "draw": draw}
                if not results.has(before):
                    results.add(before, item, base)
                if not results.has(after):
                    model = model or _learned(args, kind, draw, chosen, args.out / f"{name}.safetensors")
                    results.add(after, item, model)
            results.report(kind, name)


def _is(item: Annotated, kind: str) -> bool:
    return item.complete and kind.lower() in item.kind.lower()


def _spread(items: Iterable[Annotated], each: int) -> Iterator[Annotated]:
    """Yield a few images of each kind that is annotated completely."""
    seen: dict[str, int] = {}
    for item in items:
        if item.complete and seen.setdefault(item.kind, 0) < each:
            seen[item.kind] += 1
            yield item


def _learned(args: argparse.Namespace, kind: str, draw: int, chosen: list[Annotated], path: Path) -> Model:
    if path.is_file():
        return load_model(path, device="cpu")

    def told(progress: Any) -> None:
        if progress.stage == "learn":
            print(
                f"{kind} {progress.done}/{progress.total} {progress.score:.3f}", file=sys.stderr, flush=True
            )

    model = learn(
        [item.image for item in chosen],
        [item.truth for item in chosen],
        args.base,
        args.minutes,
        steps=args.steps,
        seed=draw,
        names=[item.name for item in chosen],
        name=path.stem,
        checkpoint=path.with_suffix(".part"),
        progress=told,
    )
    save_model(model, path)
    return model


class Results:
    """The lines of results, kept after every image."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def has(self, keys: dict[str, Any]) -> bool:
        """Return whether an image was scored before."""
        return any(all(row[key] == value for key, value in keys.items()) for row in self._rows)

    def add(self, keys: dict[str, Any], item: Annotated, model: Model) -> None:
        """Score an image."""
        labels = segment(item.image, "balanced", model).labels
        scores = {"accuracy": mean_segmentation_accuracy(labels, item.truth), "f1": f1(labels, item.truth)}
        self._rows.append(keys | {name: round(float(score), 4) for name, score in scores.items()})
        with self._path.open("a") as file:
            file.write(json.dumps(self._rows[-1]) + "\n")

    def report(self, kind: str, name: str) -> None:
        """Print what one model is, beside the base, on its kind and on what was known."""
        before = {row["image"]: row for row in self._rows if row["model"] == "base"}
        after = [row for row in self._rows if row["model"] == name]
        for modality in dict.fromkeys(row["modality"] for row in after):
            rows = [row for row in after if row["modality"] == modality]
            old = np.array([before[row["image"]]["accuracy"] for row in rows])
            new = np.array([row["accuracy"] for row in rows])
            draws = np.random.default_rng(0).integers(0, len(rows), (5000, len(rows)))
            low, high = np.percentile((new - old)[draws].mean(1), [2.5, 97.5])
            print(
                f"{name}: {modality} ({len(rows)} images): accuracy {old.mean():.3f} -> {new.mean():.3f}, "
                f"{(new - old).mean():+.3f} [{low:+.3f}, {high:+.3f}]", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()

"""What learning saves: the work on later images of a kind, before and after learning from the first three.

    python benchmarks/quality/learning_loop.py --data DIR --kinds bubbles powder --out DIR [--images 10]
        [--first 3] [--base MODEL] [--minutes N | --steps N] [--all]

The automatic user of clicks_to_mend.py corrects the balanced results of the first images of a kind; a model
learns from what it made of them, not from the annotation; then the last image is corrected from the base's
result and from that of the model, with `--all` every image between as well. Work is what that benchmark
counts: a press, a key or a click 1, a stroke or a box 2, brush or polygon 10 and all that was pressed in vain
before. Images are taken in an order drawn once. Every image is a line of results.jsonl in the folder `--out`,
where labels and models lie as well: started again with the same arguments, it goes on where it stopped.
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

from benchmarks.quality.clicks_to_mend import mend_all, user_of
from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask import learn, load_model, save_model

if TYPE_CHECKING:
    from napari_sam2_automask.models import Model


def main() -> None:
    """Go through the images of each kind and print what learning saved."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", required=True, help="what modalities contain, such as powder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10, help="images of a kind")
    parser.add_argument("--first", type=int, default=3, help="of these, images that are learned from")
    parser.add_argument("--base", default="bundled")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--steps", type=int, help="in place of minutes, where others use the processor, too")
    parser.add_argument("--all", action="store_true", help="correct every later image, not only the last")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    base = load_model(args.base, device="cpu")
    for kind in args.kinds:
        pool = [item for item in read_folder(args.data) if item.complete and kind in item.kind]
        if len(pool) < args.images:
            parser.error(f"{args.data} has {len(pool)} fully annotated images of {kind!r}, not {args.images}")
        order = np.random.default_rng(7).permutation(len(pool))[: args.images]
        chosen = [pool[i] for i in order]
        work = Work(args.out, kind)
        for item in chosen[: args.first]:
            work.mended(item, base, "base")
        model = _learned(args, kind, chosen[: args.first], work)
        for item in chosen[args.first :] if args.all else chosen[-1:]:
            work.mended(item, base, "base")
            work.mended(item, model, "learned")
        work.report(kind, [item.name for item in chosen])


class Work:
    """The lines of results, kept after every image, and the labels that came of it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._path = folder / "results.jsonl"
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        self._rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def labels_path(self, item: Annotated) -> Path:
        """Where the labels lie that the user made of the base's result."""
        return self._folder / f"{Path(item.name).name}.npz"

    def mended(self, item: Annotated, model: Model, name: str) -> None:
        """Let the user correct an image, unless that was done before."""
        if self._row(item.name, name) is not None:
            return
        user = user_of(item, model)
        told = mend_all(user)
        if name == "base":
            np.savez_compressed(self.labels_path(item), labels=user.mends.labels)
        row = {"kind": self._kind, "image": item.name, "model": name, "work": _work(told), **told}
        self._rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{self._kind} {item.name} {name}: {row['work']} for {told['errors']} errors", file=sys.stderr)

    def _row(self, image: str, model: str) -> dict[str, Any] | None:
        for row in self._rows:
            if (row["kind"], row["image"], row["model"]) == (self._kind, image, model):
                return row
        return None

    def report(self, kind: str, images: list[str]) -> None:
        """Print the work on the last image, and on all later ones that were corrected."""
        pairs = [(self._row(name, "base"), self._row(name, "learned")) for name in images]
        rows = [(before, after) for before, after in pairs if before is not None and after is not None]
        for title, some in (("last image", rows[-1:]), (f"{len(rows)} later images", rows)):
            before, after = (sum(row[side]["work"] for row in some) for side in (0, 1))
            errors = [sum(row[side]["errors"] for row in some) for side in (0, 1)]
            print(
                f"{kind}, {title}: work {before} -> {after} ({after / max(1, before):.2f}), "
                f"errors {errors[0]} -> {errors[1]}",
                flush=True,
            )


def _work(told: dict[str, Any]) -> int:
    return int(told["presses"] + told["brush presses"])


def _learned(args: argparse.Namespace, kind: str, items: list[Annotated], work: Work) -> Model:
    path = args.out / f"{kind}-{args.first}-{args.steps or args.minutes}.safetensors"
    if path.is_file():
        return load_model(path, device="cpu")
    labels = []
    for item in items:
        with np.load(work.labels_path(item)) as kept:
            labels.append(kept["labels"])
    model = learn(
        [item.image for item in items],
        labels,
        args.base,
        args.minutes,
        steps=args.steps,
        names=[item.name for item in items],
        name=path.stem,
        checkpoint=path.with_suffix(".part"),
    )
    save_model(model, path)
    return model


if __name__ == "__main__":
    main()

"""Whether two checkouts give the same results, byte for byte, times and paths apart.

    python benchmarks/quality/same_results.py OLD NEW [--keep DIR] [--json FILE] [--only STEP ...]

OLD and NEW are folders of two checkouts, such as `git worktree add` makes them; each runs in processes of its
own, with this Python and its own src/ on the path:

- demo: the bundled samples with three presets: labels, tables, COCO, records and outlines;
- image: a generated image with a pixel size at another mask threshold, and with all levels;
- stack: the planes of a generated stack, linked along z;
- large: a generated image in tiles, to OME-Zarr;
- replay: image and stack (which it needs) again from their records;
- live: labels and tables as sliders move, with a sample.

Prints what was compared and how it differs, what is alike in several files once (the JSON holds each); exits
with 1 if anything differs. Files are compared as compare_files.py says. Inputs are generated or come with the
package, the model is the bundled one.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.compare_files import compare, summed_up

PACKAGE = "napari_sam2_automask"
CLI = ["-m", f"{PACKAGE}.cli"]
QUICK = ["--points-per-side", "12"]
#: What the sliders are moved to, one after the other, from the settings of the proposal.
SLIDERS: tuple[dict[str, Any], ...] = (
    {},
    {"pred_iou_thresh": 0.8},
    {"pred_iou_thresh": 0.5, "gap_leniency": 0.0},
    {"stability_score_thresh": 0.97, "box_nms_thresh": 0.6},
    {"mask_threshold": 0.7},
    {"overlap": "best_score", "nested": "keep"},
    {"min_area": 60, "max_area": 900, "edge_objects": False},
    {"min_mask_region_area": 40, "overlap": "large_on_top"},
    {"granularity": 0.1, "duplicate_iou": 0.7},
)


def commands(inputs: Path) -> dict[str, list[list[str]]]:
    """Return what is run in each step, in the folder where its results go."""
    image, stack, large = (str(inputs / name) for name in ("image.tif", "stack.tif", "large.tif"))
    pixel = ["--spacing", "1", "0.5", "0.5"]
    return {
        "demo": [[*CLI, "demo", "--out", "demo"]],
        "image": [
            [*CLI, "segment", image, "--out", "image", "--mask-threshold", "0.5", *QUICK, *pixel],
            [*CLI, "segment", image, "--out", "levels", "--overlap", "all_levels", *QUICK],
        ],
        "stack": [[*CLI, "segment", stack, "--planes", "all", "--link", "z", "--out", "stack", *QUICK]],
        "large": [[*CLI, "large", large, "--out", "large.ome.zarr", "--tile", "256", "--keep-tiles", *QUICK]],
        "replay": [
            [*CLI, "replay", "image/image.record.json", "--out", "replay_image"],
            [*CLI, "replay", "stack/stack_linked.record.json", "--out", "replay_stack"],
        ],
        "live": [[str(Path(__file__).resolve()), "--live", "live"]],
    }


def write_inputs(folder: Path) -> None:
    """Write an image, a stack whose discs drift from plane to plane, and an image of several tiles."""
    folder.mkdir()
    tifffile.imwrite(folder / "image.tif", discs(320, 40, seed=1))
    planes = np.stack([discs(256, 30, seed=2, drift=3 * z) for z in range(4)])
    tifffile.imwrite(folder / "stack.tif", planes, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "large.tif", discs(700, 150, seed=3), tile=(256, 256))


def discs(size: int, count: int, seed: int, drift: int = 0) -> np.ndarray:
    """Return bright discs on noise, (size, size) uint16; `drift` moves them by about as many pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), 300.0)
    for cy, cx, radius, light in rng.uniform((0, 0, 6, 400), (size, size, 18, 1500), (count, 4)):
        step = drift * rng.uniform(-1, 1, 2)
        distance = np.hypot(y - cy - step[0], x - cx - step[1])
        image += light / (1 + np.exp(np.clip((distance - radius) / 1.2, -30, 30)))
    return (image + rng.normal(0, 40, image.shape)).clip(0, 65535).astype(np.uint16)


def first_of(*names: str) -> Any:
    """Return the first of some things that this checkout has, given as ``module:name`` in the package."""
    for name in names:
        with contextlib.suppress(ImportError, AttributeError):
            module, _, attribute = name.partition(":")
            return getattr(importlib.import_module(f"{PACKAGE}.{module}"), attribute)
    return None


def live_table(labels: np.ndarray, live: Any, settings: Any, image: np.ndarray) -> Any:
    """Return the table that the layer gets while sliders move, by whatever name this checkout has it."""
    table, facts = first_of("painting.table:object_table"), first_of("painting.table:Facts")
    if table is not None:
        masks = {row + 1: placed for row, placed in live.shown.items()}
        return table(labels, facts.of_candidates(live.candidates, settings, masks), image=image)
    table = first_of("_napari.live.live_table:live_table", "_napari.live_table:live_table")
    if table is not None:
        return table(labels, live.candidates, settings, image=image)
    from napari_sam2_automask import paint, select

    return paint(select(live.candidates, settings), image=image).table


def run_live(out: Path) -> None:
    """Write labels and table of a sample at each of the `SLIDERS`; for a process of one checkout."""
    from napari_sam2_automask import PRESETS, load_model, propose
    from napari_sam2_automask.samples import samples

    model = load_model("bundled")
    settings = PRESETS["balanced"].for_model(model.family)
    out.mkdir()
    for sample in samples():
        image = sample.image()
        candidates = propose(image, settings, model, floor=(0.3, 0.5))
        live = first_of("painting.live:LiveSelection", "live:LiveSelection")(candidates)
        live.prepare()
        for number, change in enumerate(SLIDERS):
            moved = settings.replace(**change)
            removed = live.update(moved).removed
            stem = f"{sample.name}_{number}"
            np.save(out / f"{stem}.npy", live.labels)
            live_table(live.labels, live, moved, image).to_csv(out / f"{stem}.csv", index=False)
            (out / f"{stem}.json").write_text(json.dumps({k: int(n) for k, n in removed.items()}))


def run_checkout(checkout: Path, folder: Path, steps: dict[str, list[list[str]]]) -> None:
    """Run the steps with the code of a checkout, in a folder."""
    folder.mkdir()
    own = {"PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    check = f"import {PACKAGE}; print({PACKAGE}.__file__)"
    for command in [["-c", check], *(one for commands in steps.values() for one in commands)]:
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env={**os.environ, **own}, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{checkout}: {' '.join(command)} failed\n{done.stdout}{done.stderr}")
        if command[0] == "-c" and not Path(done.stdout.strip()).is_relative_to(checkout):
            raise SystemExit(f"{checkout} is not what was imported, but {done.stdout.strip()}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="*", type=Path, metavar="OLD NEW")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep inputs and results here")
    parser.add_argument("--only", nargs="+", default=[], metavar="STEP")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found here, too")
    parser.add_argument("--live", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.live is not None:
        run_live(arguments.live)
        return 0
    if len(arguments.checkouts) != 2:
        parser.error("give two checkouts")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary) / "run").resolve()
        folder.mkdir(parents=True)
        return _compare(*(path.resolve() for path in arguments.checkouts), folder, arguments)


def _compare(old: Path, new: Path, folder: Path, arguments: argparse.Namespace) -> int:
    write_inputs(folder / "inputs")
    steps = {
        k: c for k, c in commands(folder / "inputs").items() if not arguments.only or k in arguments.only
    }
    same = {}
    for checkout, side in ((old, "old"), (new, "new")):
        run_checkout(checkout, folder / side, steps)
        same |= {str(folder / side): "FOLDER", str(checkout): "CHECKOUT"}
    found = compare(folder / "old", folder / "new", same)
    for name, files in found.files.items():
        print(f"{name:20} {files:5} files {found.size[name]:12,} bytes")
    print(f"{'in all':20} {found.files.total():5} files {found.size.total():12,} bytes")
    print("\n".join([f"{len(found.differences)} differences", *summed_up(found.differences)]))
    if arguments.json:
        told = {"old": str(old), "new": str(new), "files": found.files, "bytes": found.size}
        arguments.json.write_text(json.dumps({**told, "differences": found.differences}, indent=1))
    return int(bool(found.differences))


if __name__ == "__main__":
    sys.exit(main())

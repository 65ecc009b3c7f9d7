"""How quick one checkout is against another: paired, alternating, in fresh processes.

    python benchmarks/speed/checkouts.py OLD NEW [--pairs 5] [--fresh 10] [--only segment ...] [--json FILE]

OLD and NEW are folders of two checkouts, such as `git worktree add` makes them; each process has this Python
and one checkout's src/ on the path. Measured are, in seconds,

- segment: `segment` on a bundled sample with the bundled model, after loading it and a first run on a corner;
- first: from the start of a process to the first labels of a sample, mirrored to 512 x 512 pixels;
- import: `import napari_sam2_automask` and the first use of every public name that both checkouts have;
- widget: from importing the widget's module to its being shown in a viewer that is open already (needs a
  display: run under `xvfb-run -a` where there is none).

The two processes of a pair run one after the other, the old checkout first in every other pair, so that
whatever else the machine does meets both. Told are the medians of each and the median of the pairs' ratios,
new by old. Before the first pair each checkout runs once unmeasured, which fills the caches of bytecode.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "napari_sam2_automask"
#: What each process runs; it prints its seconds last.
SEGMENT = f"""
import time
from {PACKAGE} import load_model, segment
from {PACKAGE}.samples import samples
model = load_model("bundled", device="cpu")
(image,) = [sample.image() for sample in samples() if sample.name == {{sample!r}}]
segment(image[:64, :64], "coarse", model)
start = time.perf_counter()
segment(image, "balanced", model)
print(time.perf_counter() - start)
"""
FIRST = f"""
import time
import numpy as np
import psutil
from {PACKAGE} import load_model, segment
from {PACKAGE}.samples import samples
(image,) = [sample.image() for sample in samples() if sample.name == {{sample!r}}]
missing = [(0, max(0, 512 - side)) for side in image.shape[:2]]
image = np.pad(image, missing + [(0, 0)] * (image.ndim - 2), mode="symmetric")[:512, :512]
segment(image, "balanced", load_model("bundled", device="cpu"))
print(time.time() - psutil.Process().create_time())
"""
IMPORT = f"""
import time
start = time.perf_counter()
import {PACKAGE}
for name in {{names!r}}:
    getattr({PACKAGE}, name)
print(time.perf_counter() - start)
"""
WIDGET = f"""
import time
import napari
viewer = napari.Viewer()
start = time.perf_counter()
from {PACKAGE}._napari.widget import AutomaskWidget
widget = AutomaskWidget(viewer)
viewer.window.add_dock_widget(widget)
from qtpy.QtWidgets import QApplication
while not widget.isVisible():
    QApplication.processEvents()
QApplication.processEvents()
print(time.perf_counter() - start)
viewer.close()
"""
NAMES = f"import {PACKAGE}, json; print(json.dumps(sorted({PACKAGE}.__all__)))"


def run(checkout: Path, code: str, cache: str) -> str:
    """Run Python code with a checkout in a fresh process and return the last line that it prints."""
    own = {"PYTHONPATH": str(checkout / "src"), "PYTHONPYCACHEPREFIX": cache}
    where = f"import {PACKAGE}\nif not {PACKAGE}.__file__.startswith({str(checkout)!r}): raise SystemExit(9)"
    # Which checkout it was is looked at last, so that the measured import is the first.
    command = [sys.executable, "-c", f"{code}\n{where}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env={**os.environ, **own})
    if done.returncode == 9:
        raise SystemExit(f"{checkout} is not what was imported")
    if done.returncode:
        raise SystemExit(f"{checkout} failed:\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1]


def paired(old: Path, new: Path, code: str, pairs: int, cache: str) -> dict[str, object]:
    """Return the seconds of both checkouts in each pair, their medians and the median ratio."""
    for checkout in (old, new):
        run(checkout, code, cache)
    seconds: dict[Path, list[float]] = {old: [], new: []}
    for k in range(pairs):
        for checkout in (old, new) if k % 2 == 0 else (new, old):
            seconds[checkout].append(float(run(checkout, code, cache)))
    return {
        "old": seconds[old],
        "new": seconds[new],
        "median_old": statistics.median(seconds[old]),
        "median_new": statistics.median(seconds[new]),
        "median_ratio": statistics.median(b / a for a, b in zip(seconds[old], seconds[new], strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--pairs", type=int, default=5, help="of segment")
    parser.add_argument("--fresh", type=int, default=10, help="pairs of first, of import and of widget")
    parser.add_argument("--sample", default="fluorescence_nuclei")
    parser.add_argument("--only", nargs="+", choices=["segment", "first", "import", "widget"])
    parser.add_argument("--json", type=Path, help="write the result here")
    arguments = parser.parse_args()
    old, new = arguments.old.resolve(), arguments.new.resolve()
    results = {}
    with tempfile.TemporaryDirectory() as cache:
        names = [set(json.loads(run(checkout, NAMES, cache))) for checkout in (old, new)]
        plan = {
            "segment": (SEGMENT.format(sample=arguments.sample), arguments.pairs),
            "first": (FIRST.format(sample=arguments.sample), arguments.fresh),
            "import": (IMPORT.format(names=sorted(names[0] & names[1])), arguments.fresh),
            "widget": (WIDGET, arguments.fresh),
        }
        print("| | pairs | old (s) | new (s) | new / old |\n|---|---:|---:|---:|---:|")
        for name, (code, pairs) in plan.items():
            if name in (arguments.only or plan):
                found = results[name] = paired(old, new, code, pairs, cache)
                row = (name, pairs, *(f"{found[f'median_{k}']:.3f}" for k in ("old", "new", "ratio")))
                print(f"| {' | '.join(map(str, row))} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"old": str(old), "new": str(new), **results}, indent=1))


if __name__ == "__main__":
    main()

"""What napari alone takes for edits of a Labels layer, in a window without the widget.

    xvfb-run -a python benchmarks/viewer/bare_labels.py [--side 1024] [--planes 1]

Says how long the window's thread was busy in one go, the first use of each tool in a process included, and
how long a full garbage collection of Python takes there. `random_mends.py` runs it after its own.
"""

from __future__ import annotations

import argparse
import gc
from typing import Any

import napari
import numpy as np
import pandas as pd
from turns import Turns

#: How often each is done.
TIMES = 10
#: Seconds until all is drawn.
DRAWN = 0.1


def bare_labels(labels: np.ndarray) -> Turns:
    """Edit a Labels layer of labels (Y, X) or (plane, Y, X); return how long the window's thread was busy."""
    turns, viewer = Turns(), napari.Viewer()
    viewer.add_image(np.zeros(labels.shape, np.uint8))
    layer = viewer.add_labels(labels)
    if labels.ndim > 2:
        viewer.dims.set_current_step(0, 0)
    turns.wait(1)
    turns.forget()
    rng, first, side = np.random.default_rng(0), (0,) * (labels.ndim - 2), labels.shape[-1]
    names = [f"measure {k}" for k in range(16)]
    features = pd.DataFrame(rng.random((len(np.unique(labels)), len(names))), columns=names)

    def told(kind: str, step: Any) -> None:
        turns.kind = kind
        turns.do(step)
        turns.wait(DRAWN)

    def changed() -> None:
        layer.data[first][: side // 4] += 1
        layer.refresh(extent=False)

    layer.brush_size = 12
    for _ in range(TIMES):
        at = (*first, *rng.integers(0, side, 2).tolist())
        told("brush", lambda: setattr(layer, "mode", "paint"))
        told("brush", lambda at=at: layer.paint(at, 7))
        told("fill", lambda at=at: layer.fill(at, 8))
        told("undo", layer.undo)
        told("mode", lambda: setattr(layer, "mode", "pan_zoom"))
        told("changed", changed)
        told("features", lambda: setattr(layer, "features", features))
        data = layer.data.copy()
        told("replace", lambda data=data: setattr(layer, "data", data))
        if labels.ndim > 2:
            told("plane", lambda: viewer.dims.set_current_step(0, int(rng.integers(len(labels)))))
    turns.kind = "a full garbage collection"
    turns.do(gc.collect)
    viewer.close()
    return turns


def main() -> None:
    """Do it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--planes", type=int, default=1)
    options = parser.parse_args()
    squares = 1 + np.arange(400).reshape(20, 20)
    grid = np.kron(squares, np.ones((-(-options.side // 20),) * 2, int))[: options.side, : options.side]
    grid = grid.astype(np.uint32)
    labels = np.stack([grid] * options.planes) if options.planes > 1 else grid
    bare_labels(labels).tell("napari alone, a Labels layer without the widget:")


if __name__ == "__main__":
    main()

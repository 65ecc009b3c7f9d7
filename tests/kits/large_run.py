"""A run to be killed: ``python large_run.py IMAGE OUTPUT LOG SECONDS``; LOG gets a line for each tile."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from large_images import segment_tile

from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import FileSource


@dataclass(frozen=True)
class Cheap:
    """The cheap segmenter; leaves a line in a log, and fails where the image says so."""

    log: str = ""
    seconds: float = 0.0
    fail_at: int = -1
    die_at: int = -1
    die_once: str = ""

    def description(self):
        return {"name": "cheap"}

    def load(self):
        return self._segment

    def _segment(self, view, place):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        if view[0, 0] == self.fail_at:
            raise ValueError("this tile cannot be segmented")
        if view[0, 0] == self.die_at and not Path(self.die_once).exists():
            Path(self.die_once).touch()
            os.kill(os.getpid(), 9)
        # What a model says of centres: counts that differ from tile to tile.
        return *segment_tile(view), np.bincount([int(view.sum()) % 512], minlength=512)


SIZES = {"tile": 128, "overlap": 32, "block": 128}

if __name__ == "__main__":
    image, output, log = sys.argv[1:4]
    result = segment_large(FileSource(image), Path(output), Cheap(log, float(sys.argv[4])), **SIZES)
    sys.exit(len(result.failed))

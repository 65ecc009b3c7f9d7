"""A task over image files that needs no model, for tests on workers; must be importable by them."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent))

from mask_factory import make_masks, rectangle

from napari_sam2_automask.batch import job_task
from napari_sam2_automask.batch.job_task import JobTask
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.progress import Cancelled, Progress, no_progress
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.settings.presets import resolve_settings


@dataclass(frozen=True)
class CheapTask(JobTask):
    """Finds one object as wide as the image's first value; dies or waits where an image says so."""

    log: str = ""
    die_at: int = -1
    die_once: str = ""
    wait_at: int = -1

    def __call__(self, item):
        with patch.object(job_task, "segment_loaded", self._segment):
            return super().__call__(item)

    def _load(self):
        return None

    def _tell(self, text):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{text}\n")

    def _segment(self, image, settings, model, *, name, progress=no_progress, floor=None, **more):
        self._tell(f"{name} {os.getpid()}")
        size = int(image.array.flat[0])
        if size == self.die_at and not (self.die_once and Path(self.die_once).exists()):
            if self.die_once:
                Path(self.die_once).touch()
            os.kill(os.getpid(), 9)
        time.sleep(0.03)
        try:
            for k in range(1000 if size == self.wait_at else 1):
                progress(Progress("points", k, 1000))
                time.sleep(0.03 if size == self.wait_at else 0)
        except Cancelled:
            self._tell(f"{name} stopped")
            raise
        shape = image.array.shape[:2]
        found = make_masks(shape, [rectangle(shape, 0, 0, size, 3)] if size else [])
        resolved, _ = resolve_settings(settings, "sam2")
        lowest = [resolved.pred_iou_thresh, resolved.stability_score_thresh]
        record = make_record(
            resolved, image=image.array, image_name=name, plane=image.plane, floor=lowest, **more
        )
        return paint(found, image=image.array, record=record)

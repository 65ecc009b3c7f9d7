"""Folders of images segmented without a model."""

from __future__ import annotations

import numpy as np
import tifffile
from mask_factory import make_masks, rectangle

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.batch.job_task import JobTask
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.batch.running import run as run_all
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.settings.presets import PRESETS, resolve_settings


def save(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.full((12, 16), value, np.uint8))
    return path


def fake_segment(image, settings, model, *, name, progress=None, **more):
    """Find one object whose size is the image's first value."""
    size = int(image.array.flat[0])
    masks = [rectangle(image.array.shape[:2], 0, 0, size, 3)] if size else []
    found = make_masks(image.array.shape[:2], masks, removed={"stability": 4, "box NMS": 0})
    resolved, _ = resolve_settings(settings or PRESETS["balanced"], "sam2")
    lowest = more.pop("floor", None) or Floor.of(resolved)
    floor = [lowest.pred_iou, lowest.stability]
    record = make_record(resolved, image=image.array, image_name=name, plane=image.plane, floor=floor, **more)
    return paint(found, image=image.array, record=record)


def run(inputs, out, *, overwrite=False, plane=None, also=(), load=lambda: None, **kwargs):
    images, useless = find_images(inputs)
    assert not useless
    of_task = {name: kwargs.pop(name) for name in ("floor", "progress", "started") if name in kwargs}
    task = JobTask(kwargs.pop("settings", PRESETS["balanced"]), load=load, overwrite=overwrite, **of_task)
    return list(run_all(plan(images, out, Wanted(Pick(plane), also=also)).stacks, task, **kwargs))

"""Folders of images segmented without a model."""

from __future__ import annotations

import numpy as np
import tifffile
from mask_factory import make_masks, rectangle

from napari_sam2_automask.batch import run_images
from napari_sam2_automask.batch.image_jobs import find_images, plan_jobs
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.settings.presets import PRESETS


def save(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.full((12, 16), value, np.uint8))
    return path


def fake_segment(image, settings, model, *, name, progress=None, **more):
    """Find one object whose size is the image's first value."""
    size = int(image.array.flat[0])
    masks = [rectangle(image.array.shape[:2], 0, 0, size, 3)] if size else []
    found = make_masks(image.array.shape[:2], masks, removed={"stability": 4, "box NMS": 0})
    record = make_record(found.settings, image=image.array, image_name=name, plane=image.plane, **more)
    return paint(found, image=image.array, record=record)


def run(inputs, out, *, overwrite=False, plane=None, load=lambda: None, **kwargs):
    images, useless = find_images(inputs)
    assert not useless
    plan = plan_jobs(images, out, plane)
    return list(run_images.run_jobs(plan, PRESETS["balanced"], load, overwrite=overwrite, **kwargs))

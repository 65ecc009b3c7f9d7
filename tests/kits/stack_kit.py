"""Stacks of bright spots, and `sam2-automask segment` run over them with an engine that finds each spot."""

from __future__ import annotations

import numpy as np
from candidate_factory import Blob, make_candidates
from typer.testing import CliRunner

from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import AutomaskError

SHAPE = (48, 64)
SETTINGS = ["--points-per-side", "3", "--pred-iou-thresh", "0.5", "--stability-score-thresh", "0"]


def spots(*centres, height=200):
    """Draw a bright 9 x 9 square around each (y, x)."""
    image = np.zeros(SHAPE, np.uint8)
    for y, x in centres:
        image[y - 4 : y + 5, x - 4 : x + 5] = height
    return image


def find_spots(view, settings, model, *, progress, floor=None, crops=None):
    """Take the engine's place: propose every bright spot of a picture, in any colour."""
    from scipy import ndimage

    labels, _ = ndimage.label(view.max(2) > 100)
    blobs = [
        Blob((y.start + y.stop - 1) / 2, (x.start + x.stop - 1) / 2, 4, 4, 0.9 - 0.01 * k, 30)
        for k, (y, x) in enumerate(ndimage.find_objects(labels))
    ]
    return make_candidates(view.shape[:2], blobs, settings=settings, floor=floor or Floor.of(settings))


def invoke(*arguments):
    return CliRunner().invoke(app, ["segment", *map(str, arguments), *SETTINGS])


def message(*arguments):
    """Return the one line that a person sees of an error."""
    done = invoke(*arguments)
    assert done.exit_code == 1
    if isinstance(done.exception, AutomaskError):
        return str(done.exception)
    return next(line for line in done.output.splitlines() if line.startswith("error: "))

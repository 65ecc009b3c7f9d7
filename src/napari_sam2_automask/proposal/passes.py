"""The one door to the engine: everything that proposes masks in an image goes through `propose_view`.

What the settings ask for beyond one pass of the model over one picture is done here, so that command line,
widget, Python verbs and the tiles of large images all have it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.candidates.candidates import Candidates, Floor
from napari_sam2_automask.candidates.pooling import pool, take
from napari_sam2_automask.image.renderings import render
from napari_sam2_automask.progress import Cancelled, Progress, ProgressCallback, Throttled, no_progress
from napari_sam2_automask.proposal.gaps import (
    covered_pixels,
    gap_points,
    in_gaps,
    nearest_crop,
    typical_diameter,
)
from napari_sam2_automask.proposal.thinning import merge_near_duplicates, within_memory
from napari_sam2_automask.selection.likeness import with_brightness
from napari_sam2_automask.selection.selecting import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.engine.points.agreement import Agreement
    from napari_sam2_automask.engine.points.grid import Crop
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["part", "propose_view"]

# Seconds between two reports of progress.
_PATIENCE = 0.05


def propose_view(
    view: NDArray[np.uint8],
    settings: AmgSettings,
    model: Model,
    *,
    also: Sequence[NDArray[np.uint8]] = (),
    progress: ProgressCallback = no_progress,
    floor: Floor | None = None,
    crops: Sequence[Crop] | None = None,
    agreement: Agreement | None = None,
) -> Candidates:
    """Find every mask above the floor, as the settings ask for.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it, from `to_model_view`.
    settings : AmgSettings
        The settings.
    model : Model
        The model.
    also : sequence of (Y, X, 3) uint8 arrays
        Other pictures of the same place, such as other channels; the masks of all are pooled.
    progress : callable
        Takes a `Progress` often; may raise `Cancelled` to stop.
    floor : Floor, optional
        Keeps more candidates than `settings` would, so that thresholds can be lowered afterwards. Of those
        that show the same, one is kept then, see `napari_sam2_automask.proposal.thinning`.
    crops : sequence of Crop, optional
        What to ask first and where, in place of what the settings say.
    agreement : Agreement, optional
        Counts what the model says of the first picture, of which `Candidates.disagreement` tells.

    Returns
    -------
    Candidates
        Sorted by predicted IoU; possibly none. No more than fit into the settings' `candidate_memory`.

    Raises
    ------
    Cancelled
        If `progress` raised it, with the candidates found so far.
    AutomaskError
        If the image or a setting cannot be used, or memory does not suffice.
    """
    from napari_sam2_automask import engine

    told = Throttled(progress, _PATIENCE, Progress("points", 0, 0))
    views = [shown for one in (view, *also) for shown in render(one, settings.renderings)]
    found: list[Candidates] = []
    try:
        for k, one in enumerate(views):
            report = part(told.tell, k, len(views))
            more = {"agreement": agreement} if agreement is not None and k == 0 else {}
            found.append(
                engine.propose(one, settings, model, progress=report, floor=floor, crops=crops, **more)
            )
        if settings.fill_gaps:
            found.append(_ask_gaps(view, found, settings, model, told, floor))
    except Cancelled as cancelled:
        if cancelled.candidates is not None:
            found.append(cancelled.candidates)
        cancelled.candidates = replace(pool(found), complete=False) if found else None
        raise
    pooled = within_memory(pool(found), settings)
    try:
        told.tell(Progress("select", 0, 1))
        if settings.likeness > 0:  # then the choice, which merging leaves as it is, depends on the brightness
            pooled = with_brightness(pooled, view, told.tick)
        if pooled.floor != Floor.of(settings):
            whole = len(pooled)
            pooled = merge_near_duplicates(
                pooled, settings, told.tick, lambda k: told.report(Progress("select", k, whole))
            )
        return with_brightness(pooled, view, told.tick)
    except Cancelled as cancelled:
        cancelled.candidates = pooled
        raise


def _ask_gaps(
    view: NDArray[np.uint8],
    first: list[Candidates],
    settings: AmgSettings,
    model: Model,
    told: Throttled,
    floor: Floor | None,
) -> Candidates:
    """Ask the model again where no mask lies, at denser points; return what is new there."""
    from napari_sam2_automask import engine
    from napari_sam2_automask.engine.points.fitted_grid import tile
    from napari_sam2_automask.engine.points.grid import Crop

    found = pool(first)
    if settings.likeness > 0:
        found = with_brightness(found, view, told.tick)
    # Filters by measures choose among what was found; where nothing was found they have no say.
    masks = select(found, settings.replace(filters=()))
    covered, boxes = covered_pixels(masks), found.crop_boxes
    # With an object size, models that can tell leave out points where there is nothing near.
    size = settings.object_diameter or found.object_diameter or max(1.0, typical_diameter(masks))
    asked = first[0].prompts[1]
    if settings.at_objects:  # few points, and not where gaps are: as many as a grid fitted to the objects has
        asked = math.ceil(covered.size * (settings.points_per_diameter / size) ** 2)
    points = gap_points(covered, asked)
    if not len(points):
        return take(found, np.zeros(0, np.intp))
    owner = nearest_crop(points, boxes)
    crops: list[Crop] = []
    for k in np.unique(owner).tolist():
        x0, y0, x1, y1 = boxes[k].tolist()
        mine = points[owner == k] - boxes[k, :2].astype(np.float32)
        crops.append((tile if settings.fitted else Crop)(len(crops), (x0, y0, x1, y1), mine))
    fitted = settings.replace(object_diameter=size, prompts="grid")
    before = {"points": found.prompts[1], "encoder": len(boxes)}

    def report(p: Progress) -> None:
        already = before.get(p.stage, 0)
        told.tell(Progress(p.stage, p.done + already, p.total + already))

    try:
        again = engine.propose(view, fitted, model, progress=report, floor=floor, crops=crops)
    except Cancelled as cancelled:
        if cancelled.candidates is not None:
            cancelled.candidates = in_gaps(cancelled.candidates, covered)
        raise
    return in_gaps(again, covered)


def part(progress: ProgressCallback, k: int, parts: int) -> ProgressCallback:
    """Return a callable that counts points and passes over several pictures, of which this is number `k`."""
    if parts == 1:
        return progress
    return lambda p: progress(Progress(p.stage, p.done + k * p.total, p.total * parts))

"""The one door to the engine: everything that proposes masks in an image goes through `propose_view`.

What the settings ask for beyond one pass of the model over one picture is done here, so that command line,
widget, Python verbs and the tiles of large images all have it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2_automask.pooling import pool
from napari_sam2_automask.progress import Cancelled, Progress, ProgressCallback, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates import Candidates, Floor
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings import AmgSettings

__all__ = ["part", "propose_view"]


def propose_view(
    view: NDArray[np.uint8],
    settings: AmgSettings,
    model: Model,
    *,
    also: Sequence[NDArray[np.uint8]] = (),
    progress: ProgressCallback = no_progress,
    floor: Floor | None = None,
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
        Keeps more candidates than `settings` would, so that thresholds can be lowered afterwards.

    Returns
    -------
    Candidates
        Sorted by predicted IoU; possibly none.

    Raises
    ------
    Cancelled
        If `progress` raised it, with the candidates found so far.
    AutomaskError
        If the image or a setting cannot be used, or memory does not suffice.
    """
    from napari_sam2_automask import engine

    views = [view, *also]
    found: list[Candidates] = []
    for k, one in enumerate(views):
        report = part(progress, k, len(views))
        try:
            found.append(engine.propose(one, settings, model, progress=report, floor=floor))
        except Cancelled as cancelled:
            if cancelled.candidates is not None:
                found.append(cancelled.candidates)
            cancelled.candidates = replace(pool(found), complete=False) if found else None
            raise
    return pool(found)


def part(progress: ProgressCallback, k: int, parts: int) -> ProgressCallback:
    """Return a callable that counts points and passes over several pictures, of which this is number `k`."""
    if parts == 1:
        return progress
    return lambda p: progress(Progress(p.stage, p.done + k * p.total, p.total * parts))

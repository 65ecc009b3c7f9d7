"""The engine's verbs: which crops are asked, on a grid or at objects, with or without a fit to their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.finder import finder_on, show_objects, tells_objects
from napari_sam2_automask.engine.points.fitted_grid import plain_tiles, tiles
from napari_sam2_automask.engine.points.fitting import diameter_of_candidates, diameter_of_dense
from napari_sam2_automask.engine.points.grid import Crop, iter_crops
from napari_sam2_automask.engine.proposal_run import Proposal
from napari_sam2_automask.image.view import check_model_view
from napari_sam2_automask.progress import Cancelled, Progress, ProgressCallback, no_progress
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates, Floor
    from napari_sam2_automask.engine.points.agreement import Agreement
    from napari_sam2_automask.models import Model

__all__ = ["estimate_diameter", "propose"]

# The first pass of a model that cannot say itself how large objects are.
_FIRST_PASS = AmgSettings(points_per_side=16)


def propose(
    view: NDArray[np.uint8],
    settings: AmgSettings,
    model: Model,
    *,
    progress: ProgressCallback = no_progress,
    floor: Floor | None = None,
    crops: Sequence[Crop] | None = None,
    agreement: Agreement | None = None,
) -> Candidates:
    """Find every mask above the floor, in the image and in its crops.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it, red, green, blue.
    settings : AmgSettings
        Grid, crops, mask threshold and stability offset; thresholds as far as `floor` does not say otherwise.
    model : Model
        The model, on its device.
    progress : callable
        Told every twentieth of a second about encoder passes and point prompts done; may raise
        :class:`Cancelled` to stop.
    floor : Floor, optional
        Keeps more candidates than `settings` would, so that thresholds can be lowered afterwards.
    crops : sequence of Crop, optional
        What to ask and where, in place of the grid and the crops of the settings.
    agreement : Agreement, optional
        Counts what the model says of these crops, in place of one of this run's own.

    Returns
    -------
    Candidates
        Sorted by predicted IoU; possibly none.

    Raises
    ------
    Cancelled
        If `progress` raised it, with the candidates found so far.
    ImageError
        If `view` is not a (Y, X, 3) uint8 array with at least one pixel.
    MemoryBudgetError
        If memory does not suffice; said before anything starts where that can be told.
    ModelError
        If the model returns values that are not numbers.
    """
    check_model_view(view)
    with torch.inference_mode(), features_cache.settling():
        finder = finder_on(str(model.device)) if settings.at_objects and not tells_objects(model) else model
        diameter = 0.0
        if crops is None and settings.fitted:
            diameter = settings.object_diameter or _estimate(view, finder, progress)
            crops = _fitted(view, settings, diameter)
        elif crops is None:
            crops = list(iter_crops((view.shape[0], view.shape[1]), settings))
        if finder is not model:
            crops = _with_objects(view, crops, settings, finder, progress)
        return Proposal(view, settings, model, progress, floor, list(crops), diameter, agreement).run()


def estimate_diameter(
    view: NDArray[np.uint8], model: Model, *, progress: ProgressCallback = no_progress
) -> float:
    """Estimate how wide typical objects are.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it.
    model : Model
        The model.
    progress : callable
        As for `propose`.

    Returns
    -------
    float
        The diameter in pixels; 0 if no object is seen.

    Raises
    ------
    ImageError
        If `view` is no picture for the model.
    """
    check_model_view(view)
    with torch.inference_mode(), features_cache.settling():
        return _estimate(view, model, progress)


def _fitted(view: NDArray[np.uint8], settings: AmgSettings, diameter: float) -> list[Crop]:
    """Return the crops for objects of a diameter; the plain grid where none is known."""
    shape = view.shape[0], view.shape[1]
    if not diameter:
        return plain_tiles(shape, settings)
    return tiles(shape, diameter, settings.points_per_diameter)


def _with_objects(
    view: NDArray[np.uint8],
    crops: Sequence[Crop],
    settings: AmgSettings,
    finder: Model,
    progress: ProgressCallback,
) -> list[Crop]:
    """Return crops with the objects that another model sees, in tiles that fit them: it is quick."""
    diameter = settings.object_diameter or _estimate(view, finder, progress)
    looked_at = _fitted(view, settings, diameter)
    looking = Proposal(view, settings, finder, progress, None, looked_at)
    try:
        return show_objects(crops, looked_at, looking.see)
    except Cancelled as cancelled:
        cancelled.candidates = None
        raise


def _estimate(view: NDArray[np.uint8], model: Model, progress: ProgressCallback) -> float:
    """Estimate the diameter of typical objects in pixels; 0 if none is seen."""
    shape = view.shape[0], view.shape[1]

    def look(_: Progress) -> None:  # counts of its own would run ahead of those of what was asked for
        progress(Progress("fit", 0, 1))

    first = Proposal(view, _FIRST_PASS, model, look, None, plain_tiles(shape, _FIRST_PASS))
    try:
        if tells_objects(model):
            return diameter_of_dense(shape, first.look, model.image_size)
        return diameter_of_candidates(first.run())
    except Cancelled as cancelled:
        cancelled.candidates = None  # those of the first pass are not what was asked for
        raise

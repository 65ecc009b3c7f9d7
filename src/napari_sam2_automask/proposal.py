"""The one door to the engine: everything that proposes masks in an image goes through `propose_view`.

What the settings ask for beyond one pass of the model over one picture is done here, so that command line,
widget, Python verbs and the tiles of large images all have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates import Candidates, Floor
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings import AmgSettings

__all__ = ["propose_view"]


def propose_view(
    view: NDArray[np.uint8],
    settings: AmgSettings,
    model: Model,
    *,
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

    return engine.propose(view, settings, model, progress=progress, floor=floor)

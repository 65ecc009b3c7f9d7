"""Stacks by propagation: objects found on one plane are carried through the others by a model's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.stack.carrying import Propagation, Spread
from napari_sam2_automask.stack.linked_planes import Linked, number_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.engine.video import Views
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.settings.presets import Preset
    from napari_sam2_automask.stack.carrying import Keeper
    from napari_sam2_automask.stack.linked_planes import Axis

__all__ = ["propagate_planes"]


def propagate_planes(
    views: Views,
    settings: AmgSettings | Preset | str,
    model: Model,
    *,
    how: Propagation | None = None,
    axis: Axis = "z",
    spacing: tuple[float, float, float] | None = None,
    unit: str = "px",
    keeper: Keeper | None = None,
    progress: ProgressCallback = no_progress,
) -> Linked:
    """Find objects on one plane and carry them through a stack, forward and backward.

    Parameters
    ----------
    views : sequence of (Y, X, 3) uint8 arrays
        The planes as the model is to see them, see `to_model_view`; of one shape, taken one at a time.
    settings : AmgSettings, Preset or str
        How objects are found, as for `segment`.
    model : Model
        One with a memory: SAM 2.1 tiny, small, base+ or large.
    how : Propagation, optional
        Where to start, and how often to look for further objects.
    axis, spacing, unit
        As for `link_planes`.
    keeper : Keeper, optional
        Keeps how far the work is, and gives it back where a run of the same planes, settings, model and `how`
        was stopped; the result is then that of a run that was not stopped.
    progress : callable
        Takes the progress of finding objects, and ``"propagating"``: planes passed, of all to be passed (more
        of them as further objects are found). It may raise `Cancelled`.

    Returns
    -------
    Linked
        As `link_planes` returns it, without splits and merges. Where objects meet, a pixel belongs to the one
        whose mask is surer of it; planes that are passed a second time, for objects found later, keep what
        they had.

    Raises
    ------
    ModelError
        If the model has no memory.
    ImageError
        If there are no planes.
    SettingsError
        If there is no plane to start on.
    Cancelled
        If `progress` raised it.
    """
    from napari_sam2_automask.models import import_sam2

    import_sam2()
    from napari_sam2_automask.engine.video import Follower
    from napari_sam2_automask.pipeline import choose_and_paint, propose_views
    from napari_sam2_automask.settings.presets import resolve_settings

    if len(views) == 0:
        raise ImageError("there are no planes to propagate objects through")
    how = how or Propagation()
    start = how.plane_of(len(views))
    resolved, _ = resolve_settings(settings, model)

    def find(plane: int) -> NDArray[Any]:
        candidates = propose_views([views[plane]], resolved, model, progress=progress)
        return choose_and_paint(candidates, resolved).labels

    spread = Spread(len(views), views[0].shape[:2], find, how, progress)
    spread.follower = Follower(model, views, spread.tell)
    spread.run(start, keeper)
    return number_planes(spread.labels, axis=axis, spacing=spacing, unit=unit)

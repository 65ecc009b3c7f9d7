"""The public verbs on any image: `propose`, and `segment`, which is propose, select and paint in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.settings.presets import PRESETS, Preset, resolve_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from napari_sam2_automask.candidates.candidates import Candidates, Floor
    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.segmentation import Segmentation
    from napari_sam2_automask.settings.amg import AmgSettings


def propose(
    image: np.ndarray[Any, Any],
    settings: AmgSettings | Preset | str = PRESETS["balanced"],
    model: Model | None = None,
    *,
    rgb: bool | None = None,
    contrast_limits: tuple[float, float] | None = None,
    floor: Floor | tuple[float, float] | None = None,
    also: Sequence[np.ndarray[Any, Any]] = (),
    progress: ProgressCallback = no_progress,
) -> Candidates:
    """Run the model over an image and keep every mask that passes the settings' score thresholds.

    Parameters
    ----------
    image : ndarray
        Shape (Y, X) for gray of any real dtype, or (Y, X, 3) or (Y, X, 4) for RGB(A).
    settings : AmgSettings, Preset or str
        Settings, a preset, or a preset's name. A preset is resolved for the model's family.
    model : Model, optional
        From `load_model`; the bundled model when left out.
    rgb : bool, optional
        Whether the last axis is colour. Left out, a uint8 array with a last axis of 3 or 4 counts as colour.
    contrast_limits : tuple of float, optional
        Values shown as black and white to the model, for gray images. Percentiles when left out.
    floor : Floor or tuple of float, optional
        The lowest predicted IoU and stability of candidates to keep, so that thresholds can be lowered
        afterwards, such as the `floor` of other candidates. An object's number is its rank among the
        candidates. The settings' own when left out.
    also : sequence of ndarray
        Other pictures of the same place, such as other channels, of the same kind as `image`; the model sees
        each by itself, and the masks of all are pooled.
    progress : callable
        Takes a `Progress` often; may raise `Cancelled` to stop.

    Returns
    -------
    Candidates
        The masks, overlapping and unfiltered by NMS, ranked by predicted IoU.

    Raises
    ------
    AutomaskError
        If the image, a setting or the model cannot be used; the message says why and what to do.
    Cancelled
        If `progress` raised it; its `candidates` are those found so far.
    """
    from napari_sam2_automask.models import load_model
    from napari_sam2_automask.pipeline import propose_views

    # The image first: a wrong one is said at once, not after a model was loaded or downloaded.
    views = [view for one in (image, *also) for view in _picture(one, rgb).views(contrast_limits)]
    lowest = _floor(floor)
    model = load_model("bundled") if model is None else model
    resolved, _ = resolve_settings(settings, model)
    return propose_views(views, resolved, model, progress=progress, floor=lowest)


def segment(
    image: np.ndarray[Any, Any],
    settings: AmgSettings | Preset | str = PRESETS["balanced"],
    model: Model | None = None,
    *,
    rgb: bool | None = None,
    contrast_limits: tuple[float, float] | None = None,
    floor: Floor | tuple[float, float] | None = None,
    also: Sequence[np.ndarray[Any, Any]] = (),
    progress: ProgressCallback = no_progress,
) -> Segmentation:
    """Segment everything in an image.

    Parameters
    ----------
    image, settings, model, rgb, contrast_limits, floor, also, progress
        As for `propose`.

    Returns
    -------
    Segmentation
        With `labels` (Y, X), 0 for background and one integer per object, and `table`, a DataFrame with
        one row per object.

    Raises
    ------
    AutomaskError
        If the image, a setting or the model cannot be used; the message says why and what to do.
    Cancelled
        If `progress` raised it; its `candidates` are those found so far.

    Examples
    --------
    >>> from skimage.data import human_mitosis
    >>> from napari_sam2_automask import segment
    >>> result = segment(human_mitosis()[:256, :256])  # doctest: +SKIP
    >>> result.labels.max() > 0  # doctest: +SKIP
    True
    """
    from napari_sam2_automask.models import load_model
    from napari_sam2_automask.pipeline import segment_picture

    # The image first, as in `propose`.
    views = [view for one in (image, *also) for view in _picture(one, rgb).views(contrast_limits)]
    lowest = _floor(floor)
    model = load_model("bundled") if model is None else model
    return segment_picture(
        _picture(image, rgb),
        settings,
        model,
        contrast_limits=contrast_limits,
        views=views,
        floor=lowest,
        progress=progress,
    )


def _picture(image: np.ndarray[Any, Any], rgb: bool | None) -> LoadedImage:
    from napari_sam2_automask.image.picture import LoadedImage

    return LoadedImage(image, rgb)


def _floor(floor: Floor | tuple[float, float] | None) -> Floor | None:
    from napari_sam2_automask.candidates.candidates import Floor

    return Floor.given(floor)

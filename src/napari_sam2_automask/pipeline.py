"""One image that was read from a file: from its channels to labels with a record that can be replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates.pooling import take_inside
from napari_sam2_automask.image.channels import measure_channels
from napari_sam2_automask.image.picture import views_of
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.proposal.passes import propose_view
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.settings.presets import Preset, resolve_settings

if TYPE_CHECKING:
    from napari_sam2_automask.candidates.candidates import Floor
    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.segmentation import Segmentation
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["segment_loaded", "with_hashes"]


def segment_loaded(
    image: LoadedImage,
    settings: AmgSettings | Preset | str,
    model: Model,
    *,
    name: str,
    contrast_limits: tuple[float, float] | None = None,
    progress: ProgressCallback = no_progress,
    proposal: AmgSettings | None = None,
    floor: Floor | None = None,
    preset: Preset | str | None = None,
    region: Region | None = None,
    **more: Any,
) -> Segmentation:
    """Segment an image that was read from a file, with a record that names it and can be replayed.

    Parameters
    ----------
    image : LoadedImage
        From `read_image`.
    settings : AmgSettings, Preset or str
        As for `segment`.
    model : Model
        From `load_model`.
    name : str
        The image's name for the record.
    contrast_limits : (float, float), optional
        As for `segment`.
    progress : callable
        As for `segment`.
    proposal : AmgSettings, optional
        The settings of the proposal, where `settings` are those of a later selection.
    floor : Floor, optional
        The floor of the proposal; it decides how many candidates there are, and so their numbers.
    preset : Preset or str, optional
        The preset for the record, where the settings do not tell.
    region : Region, optional
        What of a larger plane the image is; objects outside of it are left out.
    **more
        Further entries of the record.
    """
    import torch

    from napari_sam2_automask.selection.selecting import select

    resolved, own_preset = resolve_settings(settings, model.family)
    view, *also = views_of(image, contrast_limits)
    candidates = propose_view(view, proposal or resolved, model, also=also, progress=progress, floor=floor)
    if region is not None:
        candidates = take_inside(candidates, region.mask)
    record = make_record(
        resolved,
        preset=own_preset or preset,
        model=model,
        image=image.array,
        image_name=name,
        plane=image.plane,
        contrast_limits=contrast_limits,
        floor=[candidates.floor.pred_iou, candidates.floor.stability],
        proposal=None if proposal in (None, resolved) else proposal.to_json(),
        threads=torch.get_num_threads(),
        **more,
    )
    done = paint(
        select(candidates, resolved),
        image=None if image.channels else image.array,
        pixel_size=image.pixel_size,
        unit=image.unit,
        record=record,
    )
    if image.channels:
        shown = done.labels if done.levels is None else done.levels
        channels = [np.broadcast_to(one, shown.shape) for one in np.moveaxis(image.array, -1, 0)]
        measure_channels(done.table, shown, channels)
    return with_hashes(done)


def with_hashes(done: Segmentation) -> Segmentation:
    """Return a segmentation whose record tells the hash of its labels, and of its levels if there are any."""
    hashes = {"labels_sha256": image_hash(done.labels)}
    if done.levels is not None:
        hashes["levels_sha256"] = image_hash(done.levels)
    return replace(done, record={**done.record, **hashes})

"""One picture: what the model sees of it, its candidates, the masks chosen among them, labels and a record.

Everything that segments a picture goes through here: the verbs in Python, files and folders of them, the
planes of stacks, the tiles of large images, replays and the widget.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.candidates.pooling import take_inside
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.measures.cells import cell_columns, expand
from napari_sam2_automask.measures.measuring import sides_in_micrometres
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.progress import Cancelled, ProgressCallback, no_progress
from napari_sam2_automask.proposal.passes import propose_view
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.selection.measured import know_picture
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.measure_names import STATISTICS
from napari_sam2_automask.settings.presets import Preset, resolve_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates, Floor
    from napari_sam2_automask.engine.points.agreement import Agreement
    from napari_sam2_automask.engine.points.grid import Crop
    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.segmentation import Segmentation
    from napari_sam2_automask.record.entries import Mended
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = [
    "choose_and_paint",
    "measure_channels_of",
    "propose_views",
    "segment_loaded",
    "segment_picture",
    "with_hashes",
]


def segment_picture(
    picture: LoadedImage,
    settings: AmgSettings | Preset | str,
    model: Model,
    *,
    name: str | None = None,
    contrast_limits: tuple[float, float] | None = None,
    views: Sequence[NDArray[np.uint8]] | None = None,
    proposal: AmgSettings | None = None,
    floor: Floor | None = None,
    preset: Preset | str | None = None,
    region: Region | None = None,
    mends: Mended | None = None,
    progress: ProgressCallback = no_progress,
    **more: Any,
) -> Segmentation:
    """Segment a picture, with a record from which that can be done again.

    Parameters
    ----------
    picture : LoadedImage
        The pixels and what is known of them.
    settings : AmgSettings, Preset or str
        As for `segment`.
    model : Model
        From `load_model`.
    name : str, optional
        The image's name for the record.
    contrast_limits : (float, float), optional
        As for `segment`.
    views : sequence of (Y, X, 3) uint8 arrays, optional
        What the model is to see in place of the picture's own views; the masks of all are pooled.
    proposal : AmgSettings, optional
        The settings of the proposal, where `settings` are those of a later selection.
    floor : Floor, optional
        The floor of the proposal; it decides how many candidates there are, and so their numbers.
    preset : Preset or str, optional
        The preset for the record, where the settings do not tell.
    region : Region, optional
        What of a larger plane the picture is; objects outside of it are left out.
    mends : Mended, optional
        What a person did to the objects; done again.
    progress : callable
        As for `segment`.
    **more
        Further entries of the record.
    """
    resolved, own_preset = resolve_settings(settings, model)
    shown = picture.views(contrast_limits) if views is None else views
    candidates = propose_views(
        shown, proposal or resolved, model, floor=floor, region=region, progress=progress
    )
    record = make_record(
        resolved,
        preset=own_preset or preset,
        model=model,
        image=picture.array,
        image_name=name,
        plane=picture.plane,
        contrast_limits=contrast_limits,
        floor=[candidates.floor.pred_iou, candidates.floor.stability],
        proposal=None if proposal in (None, resolved) else proposal.to_json(),
        mends=None if mends is None else mends.to_json(),
        **more,
    )
    if mends is not None:
        return _mended(candidates, mends, picture, record)
    return choose_and_paint(candidates, resolved, picture, record)


def _mended(
    candidates: Candidates, mends: Mended, picture: LoadedImage, record: Mapping[str, Any]
) -> Segmentation:
    """Do again what a person did."""
    from napari_sam2_automask.mending.mends import Mends
    from napari_sam2_automask.mending.segmented import segmented

    again = Mends(candidates, mends.settings)
    again.replay(mends.steps, mends.used)
    return segmented(again, picture, record)


def propose_views(
    views: Sequence[NDArray[np.uint8]],
    settings: AmgSettings,
    model: Model,
    *,
    floor: Floor | None = None,
    region: Region | None = None,
    crops: Sequence[Crop] | None = None,
    agreement: Agreement | None = None,
    progress: ProgressCallback = no_progress,
) -> Candidates:
    """Find the candidates of a picture, those of a region only if there is one.

    Parameters
    ----------
    views : sequence of (Y, X, 3) uint8 arrays
        What the model sees of it: one picture, or one for each channel.
    settings, model, floor, crops, agreement, progress
        As for `propose_view`.
    region : Region, optional
        What of a larger plane the picture is.

    Raises
    ------
    AutomaskError
        If the image or a setting cannot be used, or memory does not suffice.
    Cancelled
        If `progress` raised it, with the candidates found so far.
    """
    mask = None if region is None else region.mask
    view, *also = views
    try:
        found = propose_view(
            view, settings, model, also=also, progress=progress, floor=floor, crops=crops, agreement=agreement
        )
    except Cancelled as cancelled:
        if cancelled.candidates is not None:
            cancelled.candidates = take_inside(cancelled.candidates, mask)
        raise
    return take_inside(found, mask)


def choose_and_paint(
    candidates: Candidates,
    settings: AmgSettings,
    picture: LoadedImage | None = None,
    record: Mapping[str, Any] | None = None,
) -> Segmentation:
    """Choose among candidates, paint the chosen masks and measure them in the picture, if it is given."""
    if picture is not None:
        know_picture(candidates, picture)
    masks = select(candidates, settings)
    if picture is None:
        return paint(masks, record=record)
    measured = None if picture.channels else picture.array
    done = paint(masks, image=measured, pixel_size=picture.pixel_size, unit=picture.unit, record=record)
    measure_channels_of(picture, done.table, done.labels if done.levels is None else done.levels, settings)
    return done


def measure_channels_of(
    picture: LoadedImage, table: pd.DataFrame, labels: NDArray[Any], settings: AmgSettings
) -> None:
    """Add to a table what settings ask for of each channel of a picture, if it has any.

    Parameters
    ----------
    picture : LoadedImage
        The pixels.
    table : DataFrame
        From `object_table`; changed in place.
    labels : (Y, X) or (L, Y, X) array
        Where its objects are: the labels, or the levels.
    settings : AmgSettings
        Their measures and how far they are grown to cells.
    """
    statistics = [name for name in settings.measures if name in STATISTICS]
    picture.measure(table, labels, statistics)
    if picture.channels is None or settings.expand_distance <= 0 or labels.ndim > 2:
        return
    sides = sides_in_micrometres(picture.pixel_size, picture.unit, 2)
    cells = expand(labels, settings.expand_distance, sides)
    ids = table["index"].tolist()
    found = cell_columns(labels, cells, ids, picture.intensities, statistics or ["intensity_mean"], sides)
    for name, values in found.items():
        table[name] = values


def segment_loaded(
    image: LoadedImage, settings: AmgSettings | Preset | str, model: Model, **more: Any
) -> Segmentation:
    """Segment an image that was read from a file: as `segment_picture`, with all that a replay compares."""
    import torch

    return with_hashes(segment_picture(image, settings, model, threads=torch.get_num_threads(), **more))


def with_hashes(done: Segmentation) -> Segmentation:
    """Return a segmentation whose record tells the hash of its labels, and of its levels if there are any."""
    hashes = {"labels_sha256": image_hash(done.labels)}
    if done.levels is not None:
        hashes["levels_sha256"] = image_hash(done.levels)
    return replace(done, record={**done.record, **hashes})

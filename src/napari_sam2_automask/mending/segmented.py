"""Mended objects as a segmentation: labels, table, masks and the record of how they came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.mending.object_facts import facts_with, tell_edits
from napari_sam2_automask.painting.segmentation import Segmentation
from napari_sam2_automask.painting.table import Facts, object_table
from napari_sam2_automask.selection.selecting import Masks
from napari_sam2_automask.settings.measure_names import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.mending.mends import Mends
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["mended_record", "segmented"]


def mended_record(settings: AmgSettings, mends: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry ``mends`` of a record: the settings that mending began with, and `Mends.to_json`."""
    return {"settings": settings.to_json(), **mends}


def segmented(
    mends: Mends, picture: LoadedImage | None = None, record: Mapping[str, Any] | None = None
) -> Segmentation:
    """Return what is mended as `paint` returns what was selected.

    Parameters
    ----------
    mends : Mends
        Of candidates.
    picture : LoadedImage, optional
        The picture, for intensities and sizes.
    record : mapping, optional
        The record so far; the number of objects and what was removed are added.

    Raises
    ------
    MendError
        If there are no candidates: labels of another origin have no settings.
    """
    live, settings = mends.live, mends.settings
    if live is None or settings is None or live.change is None:
        raise MendError("mended labels of another origin have no settings: take `labels` of the mends")
    labels = mends.labels.copy()
    facts = facts_with(Facts.of_candidates(live.candidates, settings, live.masks), mends.kept, labels)
    measured = None if picture is None or picture.channels else picture.array
    size, unit = (None, None) if picture is None else (picture.pixel_size, picture.unit)
    table = object_table(labels, facts, image=measured, pixel_size=size, unit=unit)
    if picture is not None:
        picture.measure(table, labels, [name for name in settings.measures if name in STATISTICS])
    tell_edits(table, mends.kept)
    removed = {name: int(count) for name, count in live.change.removed.items()}
    if covered := len(np.setdiff1d(live.change.rows + 1, table["index"])):
        removed["covered by others"] = covered
    full = {**(record or {}), "objects": len(table), "removed": removed}
    return Segmentation(labels, table, settings, full, _masks(mends, labels, facts, removed))


def _masks(
    mends: Mends, labels: NDArray[np.unsignedinteger[Any]], facts: Facts, removed: dict[str, int]
) -> Masks:
    """Return the masks of the objects that show: whole where they follow the settings."""
    live, settings = mends.live, mends.settings
    assert live is not None and settings is not None
    placed = {
        label: live.masks.get(label) or Placed.at(y.start, x.start, labels[y, x] == label)
        for label, (y, x) in places_of(labels).items()
    }
    ids = np.array(list(placed), np.int64)
    order = np.argsort(facts.ids)
    rows = order[np.searchsorted(facts.ids, ids, sorter=order)]
    whole = np.array([0, 0, live.candidates.shape[1], live.candidates.shape[0]])
    crops = facts.crop_boxes[rows]
    corners = np.array([one.extent for one in placed.values()], np.int64).reshape(-1, 4)
    return Masks(
        shape=live.candidates.shape,
        ids=ids,
        rows=np.where(np.isin(ids, list(mends.kept)), -1, ids - 1),
        boxes=corners[:, [1, 0, 3, 2]] - np.array([0, 0, 1, 1]),
        areas=np.array([one.area for one in placed.values()], np.int64),
        arrays=tuple(one.mask for one in placed.values()),
        predicted_iou=facts.predicted_iou[rows].astype(np.float32),
        stability_score=facts.stability_score[rows].astype(np.float32),
        points=facts.points[rows].astype(np.float32),
        crop_boxes=np.where(np.isnan(crops), whole, crops).astype(np.int64),
        removed=removed,
        settings=settings,
        candidates=live.candidates,
    )

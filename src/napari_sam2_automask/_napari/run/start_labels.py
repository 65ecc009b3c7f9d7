"""Labels that are there already as a result to be mended: no model runs, and none is loaded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.outcome import Segmenter
    from napari_sam2_automask._napari.run.request import Request

    Index = tuple[int, ...]

__all__ = ["begun_with", "choosing_nothing"]


def choosing_nothing(settings: AmgSettings) -> AmgSettings:
    """Return settings by which nothing is chosen, whatever a model finds; they cost one point.

    A record of labels that were mended without a run has them, so that a replay finds nothing either before
    it does the mends again. What a model is asked with, and what is measured, is that of `settings`.
    """
    (smallest,) = (info for info in AmgSettings.fields() if info.name == "min_area")
    return settings.replace(
        points_per_side=1,
        point_grids=None,
        crop_n_layers=0,
        prompts="grid",
        fit_objects=False,
        object_diameter=0.0,
        fill_gaps=False,
        overlap="small_on_top",
        pred_iou_thresh=1.0,
        stability_score_thresh=1.0,
        gap_leniency=0.0,
        likeness=0.0,
        min_area=smallest.maximum,
        max_area=0,
        filters=(),
    )


def begun_with(plane: NDArray[Any], request: Request, segmenter: Segmenter, index: Index) -> PlaneResult:
    """Return the labels of another layer as the result of a plane, painted where nothing was chosen.

    Parameters
    ----------
    plane : ndarray, shape (Y, X) or (Y, X, C)
        The image.
    request : Request
        With the labels as its `start`, and settings that choose nothing.
    segmenter : Segmenter
        Lets the model be asked for what is missing.
    index : tuple of int
        Which plane of the stack it is; empty for an image of two axes.

    Raises
    ------
    MendError
        If the labels are none.
    """
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.mending.mends import Mends
    from napari_sam2_automask.mending.segmented import mended_record, segmented
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.record.making import make_record
    from napari_sam2_automask.record.record import RECORD_VERSION

    start, stack = request.start, bool(request.source.other_axes)
    assert start is not None
    labels = request.source.oriented(np.asarray(start.read(request.source.slices(index))))
    labels = labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
    labels, numbers = _own_labels(labels, start.name) if stack else (labels, None)
    shape = (int(labels.shape[0]), int(labels.shape[1]))
    asked = request.asked
    candidates = Candidates.none(shape, asked, request.floor, _diameter(labels))
    live = LiveSelection(candidates)
    live.prepare()
    mends = Mends(live, asked)
    painted = mends.paint(labels) is not None
    record = make_record(
        asked,
        preset=f"custom (from {request.preset})",
        model={"name": request.model},
        image=plane,
        image_name=request.source.name,
        contrast_limits=request.contrast_limits,
        floor=[request.floor.pred_iou, request.floor.stability],
        proposal=asked.to_json(),
        **({"mends": mended_record(asked, mends.to_json())} if painted else {}),
    )
    if numbers is not None:
        record |= {"numbers": [list(pair) for pair in numbers], "format_version": RECORD_VERSION}
    done = segmented(mends, request.picture(plane), record)
    if stack:
        return PlaneResult(
            done.labels,
            done.table,
            done.record,
            candidates=candidates,
            attach=partial(segmenter.attach, request),
            begun=(mends.steps, mends.next_label - 1) if painted else None,
            numbers=numbers,
        )
    segmenter.attach(request, live, lambda: plane)
    return PlaneResult(done.labels, done.table, done.record, live=live, mends=mends)


def _own_labels(labels: NDArray[Any], name: str) -> tuple[NDArray[np.int32], tuple[tuple[int, int], ...]]:
    """Return labels of a plane numbered from 1, and the numbers that they have in the stack.

    Raises
    ------
    MendError
        If one cannot be a number of the stack.
    """
    from napari_sam2_automask.evaluation.label_image import ranked
    from napari_sam2_automask.stack.plane_mends import LARGEST

    found, places = ranked(labels)
    if len(found) and not (found[0] >= 0 and found[-1] <= LARGEST):
        wrong = found[0] if found[0] < 0 else found[-1]
        raise MendError(
            f"the layer {name!r} has the label {wrong:,}: labels of a stack go from 1 to {LARGEST:,}"
        )
    own = np.cumsum(found > 0, dtype=np.int32) * (found > 0)
    pairs = tuple(
        (label, number) for label, number in zip(own.tolist(), found.tolist(), strict=True) if label
    )
    return own[places], pairs


def _diameter(labels: NDArray[Any]) -> float:
    """Return how wide objects are at the median, by which the model sees them as a run fitted to them."""
    areas = np.unique(labels[labels > 0], return_counts=True)[1]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else 0.0

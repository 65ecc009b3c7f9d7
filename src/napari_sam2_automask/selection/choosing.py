"""Choose candidates by settings: every filter that needs no pixels, in the order in which they act."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.errors import CandidatesError, NewRunError
from napari_sam2_automask.selection.box_nms import suppress, suppression_order
from napari_sam2_automask.selection.likeness import counted_quality
from napari_sam2_automask.selection.measured import measured
from napari_sam2_automask.selection.nesting import level_cut, merge_duplicates, parents

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.candidates.lookups import Measures
    from napari_sam2_automask.selection.box_nms import BoxTable
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = [
    "Choice",
    "check_settings",
    "choose",
    "covered",
    "filter_scores",
    "merge_and_cut",
    "needs_run",
    "touches_edge",
]

_PROPOSAL_ONLY = (
    "points_per_side", "point_grids", "crop_n_layers", "crop_overlap_ratio",
    "crop_n_points_downscale_factor", "use_m2m", "multimask_output",
    "prompts", "fit_objects", "object_diameter", "points_per_diameter", "renderings", "fill_gaps",
    "half_precision",
)  # fmt: skip

# A mask of which no more than this share lies in others is in a gap.
_IN_GAP = 0.3
# Poorly rated masks in gaps may be this many times smaller or larger than all chosen masks but the rare ones,
# this share of them at either end; that says something from so many chosen masks on.
_BEYOND, _RARE, _ENOUGH = 2.0, 0.05, 8


class Choice(NamedTuple):
    """Candidates chosen.

    Attributes
    ----------
    rows : (K,) int64 array
        In the order of Meta's generator: crop by crop, best first.
    removed : dict
        How many each filter removed, those of the proposal included.
    measures : Measures
        Areas and boxes of all candidates at the settings' mask threshold.
    decisive : (N,) bool array
        Those that passed the scores and that no box suppressed: without any other the choice is the same.
    """

    rows: NDArray[np.int64]
    removed: dict[str, int]
    measures: Measures
    decisive: NDArray[np.bool_]


def choose(
    candidates: Candidates,
    settings: AmgSettings,
    *,
    table: BoxTable | None = None,
) -> Choice:
    """Apply every filter that needs no pixels.

    Parameters
    ----------
    candidates : Candidates
        What to choose from.
    settings : AmgSettings
        The filters.
    table : BoxTable, optional
        Makes the same choice faster, at the mask threshold of the proposal.

    Returns
    -------
    Choice
        What is left.

    Raises
    ------
    CandidatesError
        If `settings` ask for more than the candidates hold.
    """
    check_settings(candidates, settings)
    measures = lookups(candidates).measures(settings)
    quality = counted_quality(candidates, settings, measures.area)
    removed = dict(candidates.removed)
    decisive = np.zeros(len(candidates), bool)
    if table is not None and settings.mask_threshold != candidates.settings.mask_threshold:
        table = None
    elif table is not None and settings.likeness > 0:
        table = table.ranked(candidates, quality)

    def one_round(alive: NDArray[np.bool_], removed: dict[str, int]) -> NDArray[np.bool_]:
        if table is not None:
            alive = table.suppress(alive, settings, removed)
        else:
            alive = suppress(candidates, settings, measures.boxes, quality, alive, removed)
        decisive[alive] = True
        return merge_and_cut(candidates, settings, measures, quality, alive, removed)

    alive = one_round(filter_scores(candidates, settings, measures, removed), removed)
    if settings.gap_leniency > 0:
        lenient = settings.replace(
            **dict(zip(("pred_iou_thresh", "stability_score_thresh"), settings.lowest_scores, strict=True))
        )
        rest = filter_scores(candidates, lenient, measures, {}) & ~covered(candidates, measures.area, alive)
        filled = one_round(rest & ~alive & of_their_size(measures.area, alive), {})
        removed["taken back in gaps"] = -int(filled.sum())
        alive = alive | filled
    order = suppression_order(candidates, quality)
    return Choice(order[alive[order]], removed, measures, decisive)


def check_settings(candidates: Candidates, settings: AmgSettings) -> None:
    """Raise a NewRunError if the candidates cannot answer for the settings, and say what to do."""
    own = candidates.settings
    differ = [name for name in _PROPOSAL_ONLY if getattr(settings, name) != getattr(own, name)]
    if differ:
        raise NewRunError(
            f"{differ[0]} differs from the proposal that found these candidates: propose again", *differ
        )
    for name, wanted, lowest in zip(
        ("pred_iou_thresh", "stability_score_thresh"),
        settings.lowest_scores,
        (candidates.floor.pred_iou, candidates.floor.stability),
        strict=True,
    ):
        # Differences of decimal fractions are off by a rounding error.
        if wanted < lowest - 1e-9:
            shown = f"{name}={getattr(settings, name):g}"
            shown += (
                f" less the leniency of {settings.gap_leniency:g} in gaps" if settings.gap_leniency else ""
            )
            raise NewRunError(
                f"{shown} is below {lowest:g}, the lowest that these candidates were kept for: raise it to "
                f"{lowest:g} or propose again with a lower floor",
                name,
            )


def needs_run(candidates: Candidates, settings: AmgSettings) -> str | None:
    """Return why the candidates cannot answer for some settings, in a sentence, or None if they can."""
    try:
        check_settings(candidates, settings)
        lookups(candidates).measures(settings)
    except CandidatesError as error:
        return str(error)
    return None


def filter_scores(
    candidates: Candidates, settings: AmgSettings, measures: Measures, removed: dict[str, int]
) -> NDArray[np.bool_]:
    """Apply the filters that look at one candidate at a time, and count what each removed.

    Returns
    -------
    (N,) bool array
        Which candidates pass all of them.
    """
    alive = np.ones(len(candidates), bool)

    def drop(name: str, keep: Callable[[], NDArray[np.bool_]], active: bool = True) -> None:
        if active:
            kept = alive & keep()
            removed[name] = removed.get(name, 0) + int(alive.sum() - kept.sum())
            alive[:] = kept

    least_iou, least_stability = settings.pred_iou_thresh, settings.stability_score_thresh
    # Single precision on both sides, as torch compares.
    drop("predicted IoU", lambda: candidates.predicted_iou > np.float32(least_iou), least_iou > 0)
    drop(
        "likeness",
        lambda: counted_quality(candidates, settings, measures.area) > np.float32(least_iou),
        settings.likeness > 0,
    )
    drop("stability", lambda: measures.stability >= np.float32(least_stability), least_stability > 0)
    drop("empty", lambda: measures.area > 0, measures.area is not candidates.area)
    drop("smallest object", lambda: measures.area >= settings.min_area, settings.min_area > 0)
    drop("largest object", lambda: measures.area <= settings.max_area, settings.max_area > 0)
    drop("edge objects", lambda: ~touches_edge(measures.boxes, candidates.shape), not settings.edge_objects)
    for name, low, high in settings.filters:
        values = measured(candidates, name, settings.mask_threshold, alive)
        drop(name.replace("_", " "), partial(_within, values, low, high))
    return alive


def _within(values: NDArray[np.float64], low: float | None, high: float | None) -> NDArray[np.bool_]:
    """Tell which values lie in a span, (N,) bool; NaN does not."""
    least, most = -np.inf if low is None else low, np.inf if high is None else high
    inside: NDArray[np.bool_] = (values >= least) & (values <= most)
    return inside


def merge_and_cut(
    candidates: Candidates,
    settings: AmgSettings,
    measures: Measures,
    quality: NDArray[np.floating],
    alive: NDArray[np.bool_],
    removed: dict[str, int],
) -> NDArray[np.bool_]:
    """Merge duplicates and choose a level of nested masks, (N,) bool; count what each removed."""
    if settings.duplicate_iou < 1:
        kept = merge_duplicates(alive, quality, lookups(candidates).pairs, settings.duplicate_iou)
        removed["duplicates"] = int(alive.sum() - kept.sum())
        alive = kept
    if settings.nested == "choose":
        above = parents(alive, measures.area, lookups(candidates).pairs)
        kept = level_cut(alive, measures.area, quality, above, settings.granularity)
        removed["granularity"] = int(alive.sum() - kept.sum())
        alive = kept
    return alive


def covered(
    candidates: Candidates, area: NDArray[np.integer], chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which candidates lie, to more than a small share, in chosen ones, (N,) bool."""
    pairs = lookups(candidates).pairs
    share = np.zeros(len(candidates))
    inside = chosen[pairs.large]
    np.add.at(share, pairs.small[inside], pairs.inside[inside])
    around = chosen[pairs.small]
    small, large = pairs.small[around], pairs.large[around]
    np.add.at(share, large, pairs.inside[around] * area[small] / np.maximum(area[large], 1))
    return share > _IN_GAP


def of_their_size(area: NDArray[np.integer], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which candidates are about as large as chosen ones, (N,) bool; all if few are chosen.

    What is poorly rated and much smaller or larger than all that is well rated is debris or background more
    often than an object.
    """
    if np.count_nonzero(chosen) < _ENOUGH:
        return np.ones(len(area), bool)
    low, high = np.quantile(area[chosen], (_RARE, 1 - _RARE))
    fits: NDArray[np.bool_] = (area >= low / _BEYOND) & (area <= high * _BEYOND)
    return fits


def touches_edge(boxes: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which boxes touch the edge of an image of some rows and columns, (N,) bool."""
    x0, y0, x1, y1 = boxes.T
    touches: NDArray[np.bool_] = (x0 <= 0) | (y0 <= 0) | (x1 >= shape[1] - 1) | (y1 >= shape[0] - 1)
    return touches

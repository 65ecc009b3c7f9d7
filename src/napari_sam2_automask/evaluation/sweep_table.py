"""What a sweep shows in figures: counts, costs, and scores where the truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.evaluation.score import double_masks, iou_matrix, match, unlabelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.evaluation.sweeping import Step

__all__ = ["boundary_f", "recall_by_size", "step_rows"]

# A boundary pixel is right if one of the truth's is this near, as a fraction of the image's diagonal.
_NEAR = 0.0075
_MATCH = 0.5


def step_rows(steps: Sequence[Step], parameter: str, truth: NDArray[np.integer[Any]] | None) -> pd.DataFrame:
    """Return a row for each value of a sweep.

    Parameters
    ----------
    steps : sequence of Step
        From `sweep`.
    parameter : str
        What was varied.
    truth : (Y, X) int array, optional
        What is there, 0 for background.

    Returns
    -------
    pandas.DataFrame
        Columns: the parameter, ``objects``, ``encoder_passes``, ``point_prompts``, ``seconds``, ``asked``
        (whether the model was asked for this value); with `truth` ``recall`` and ``recall_q1`` to
        ``recall_q4`` (share of the objects, and of each quarter of them from the smallest to the largest,
        that a label matches at an IoU of 0.5), ``f1``, ``boundary_f``, ``double`` and ``unlabelled``.
    """
    import pandas as pd

    rows = []
    for step in steps:
        row: dict[str, Any] = {
            parameter: getattr(step.settings, parameter),
            "objects": step.objects,
            "encoder_passes": step.passes,
            "point_prompts": step.prompts,
            "seconds": round(step.seconds, 3),
            "asked": step.asked,
        }
        rows.append(row if truth is None else row | _scores(step.labels, truth))
    return pd.DataFrame(rows)


def _scores(labels: NDArray[Any], truth: NDArray[np.integer[Any]]) -> dict[str, float]:
    whole, quarters = recall_by_size(labels, truth)
    return {
        "recall": whole,
        **{f"recall_q{k + 1}": value for k, value in enumerate(quarters)},
        "f1": match(labels, truth).f1,
        "boundary_f": boundary_f(labels, truth),
        "double": double_masks(labels, truth),
        "unlabelled": unlabelled(labels, truth),
    }


def recall_by_size(
    labels: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]]
) -> tuple[float, tuple[float, float, float, float]]:
    """Return the share of objects that a label matches, of all and of the quarters from small to large."""
    table = iou_matrix(labels, truth)
    found = table.max(0) >= _MATCH if table.shape[0] else np.zeros(table.shape[1], bool)
    _, area = np.unique(truth[truth > 0], return_counts=True)
    order = np.argsort(area, kind="stable")
    parts = [found[part] for part in np.array_split(order, 4)]
    one, two, three, four = (float(part.mean()) if len(part) else float("nan") for part in parts)
    return (float(found.mean()) if len(found) else float("nan")), (one, two, three, four)


def boundary_f(labels: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]]) -> float:
    """Return how well outlines fit: F of the boundary pixels within 0.75 % of the image's diagonal.

    Only labels that match an object (IoU of at least 0.5) count, and the objects they match, so that this
    measures outlines, not what was found. NaN where nothing matches.
    """
    from scipy.ndimage import distance_transform_edt

    table = iou_matrix(labels, truth)
    ids = [np.unique(image[image > 0]) for image in (labels, truth)]
    pairs = np.argwhere(table >= _MATCH) if table.size else np.zeros((0, 2), int)
    if not len(pairs):
        return float("nan")
    mine = _edges(np.where(np.isin(labels, ids[0][pairs[:, 0]]), labels, 0))
    theirs = _edges(np.where(np.isin(truth, ids[1][pairs[:, 1]]), truth, 0))
    near = max(1.0, _NEAR * float(np.hypot(*truth.shape)))
    precision = float((distance_transform_edt(~theirs)[mine] <= near).mean())
    recall = float((distance_transform_edt(~mine)[theirs] <= near).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _edges(labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return the pixels of objects that have another label or background beside them."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[:-1] != labels[1:], labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= down
    edge[1:] |= down
    edge[:, :-1] |= right
    edge[:, 1:] |= right
    return edge & (labels > 0)

"""Score labels and candidate masks against ground truth.

Used by the demo and the benchmarks. Labels are integer images, 0 for background, one positive integer per
object; they need not be consecutive. All overlaps come from one sparse contingency table, so a score costs
one pass over the pixels however many objects there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.evaluation.label_image import label_image, ranked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "Match",
    "best_ious",
    "double_masks",
    "doubly_masked",
    "f1",
    "iou_matrix",
    "match",
    "mean_segmentation_accuracy",
    "unlabelled",
]

# Labels times objects, each of 8 bytes.
_MOST_PAIRS = 1 << 27
_THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))


@dataclass(frozen=True, slots=True)
class Match:
    """Counts of a one-to-one matching of labels with annotated objects.

    Attributes
    ----------
    tp : int
        Pairs whose IoU reaches the threshold.
    fp : int
        Labels without a partner.
    fn : int
        Annotated objects without a partner.
    """

    tp: int
    fp: int
    fn: int

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 1.0 when there is nothing to find and nothing was found."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0

    @property
    def accuracy(self) -> float:
        """TP / (TP + FP + FN); 1.0 when there is nothing to find and nothing was found."""
        total = self.tp + self.fp + self.fn
        return self.tp / total if total else 1.0


@dataclass(frozen=True, slots=True)
class _Overlaps:
    """Overlap areas of every label with every annotated object, background left out."""

    inter: NDArray[np.float64]  # (labels, objects) pixels shared
    label_areas: NDArray[np.float64]
    truth_areas: NDArray[np.float64]

    @property
    def iou(self) -> NDArray[np.float64]:
        union = self.label_areas[:, None] + self.truth_areas[None, :] - self.inter
        return self.inter / np.maximum(union, 1.0)


def _overlaps(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> _Overlaps:
    labels, truth = label_image(labels), label_image(truth, "the ground truth")
    if labels.shape != truth.shape:
        raise ImageError(f"labels have shape {labels.shape}, ground truth {truth.shape}; they must be equal")
    (ids_a, a), (ids_b, b) = ranked(labels), ranked(truth)
    if ids_a.size * ids_b.size > _MOST_PAIRS:
        raise ImageError(
            f"{ids_a.size:,} labels and {ids_b.size:,} in the ground truth are too many to be compared: give "
            "a label image, or a part of it"
        )
    ones = np.ones(a.size, dtype=np.int64)
    table = (
        csr_array((ones, (a.ravel(), b.ravel())), shape=(ids_a.size, ids_b.size)).toarray().astype(np.float64)
    )
    keep_a, keep_b = ids_a > 0, ids_b > 0
    return _Overlaps(table[np.ix_(keep_a, keep_b)], table.sum(1)[keep_a], table.sum(0)[keep_b])


def iou_matrix(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """IoU of every label with every annotated object.

    Parameters
    ----------
    labels, truth : ndarray of int, shape (Y, X)
        Found labels and ground truth; 0 is background.

    Returns
    -------
    ndarray of float, shape (labels, objects)
        Rows and columns in ascending order of the ids.
    """
    return _overlaps(labels, truth).iou


def _count(iou: NDArray[np.float64], threshold: float) -> Match:
    tp = 0
    if iou.size:
        # Most pairs first, then the larger IoU: below 0.5 a label can reach the threshold with several
        # objects.
        good = iou >= threshold
        rows, cols = linear_sum_assignment(-(good.astype(np.float64) + 1e-6 * iou))
        tp = int(good[rows, cols].sum())
    return Match(tp, iou.shape[0] - tp, iou.shape[1] - tp)


def match(labels: NDArray[np.integer], truth: NDArray[np.integer], iou: float = 0.5) -> Match:
    """Match labels with annotated objects one to one.

    Parameters
    ----------
    labels, truth : ndarray of int, shape (Y, X)
        Found labels and ground truth; 0 is background.
    iou : float
        A pair counts from this IoU on.

    Returns
    -------
    Match
        The counts of the matching with the most pairs.
    """
    return _count(iou_matrix(labels, truth), iou)


def f1(labels: NDArray[np.integer], truth: NDArray[np.integer], iou: float = 0.5) -> float:
    """F1 of the one-to-one matching at an IoU threshold (see `match`)."""
    return match(labels, truth, iou).f1


def mean_segmentation_accuracy(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """Mean of TP / (TP + FP + FN) over the IoU thresholds 0.50, 0.55, ..., 0.95."""
    table = iou_matrix(labels, truth)
    return float(np.mean([_count(table, t).accuracy for t in _THRESHOLDS]))


def double_masks(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> int:
    """Count annotated objects that were given two masks.

    Parameters
    ----------
    labels, truth : ndarray of int, shape (Y, X)
        Found labels and ground truth; 0 is background.

    Returns
    -------
    int
        Objects with at least two labels that each have over half their area inside the object and cover at
        least a fifth of it.
    """
    o = _overlaps(labels, truth)
    part = _is_part(o.inter, o.label_areas[:, None], o.truth_areas[None, :])
    return int((part.sum(0) >= 2).sum())


def doubly_masked(masks: Iterable[NDArray[np.bool_]], truth: NDArray[np.integer]) -> int:
    """Count annotated objects that were given two masks, before one covers the other in a label image.

    Parameters
    ----------
    masks : iterable of (Y, X) bool arrays
        What was found; may overlap.
    truth : (Y, X) int array
        Ground truth; 0 is background.

    Returns
    -------
    int
        Objects with at least two masks by the rule of :func:`double_masks`.
    """
    ids, places = ranked(label_image(truth, "the ground truth"))
    areas = np.bincount(places.ravel())
    counts = np.zeros(len(areas), np.int64)
    for mask in masks:
        inter = np.bincount(places[mask], minlength=len(areas))
        counts += _is_part(inter, np.asarray(mask.sum()), areas)
    return int((counts[ids > 0] >= 2).sum())


def _is_part(
    inter: NDArray[np.number[Any]], label_area: NDArray[np.number[Any]], truth_area: NDArray[np.number[Any]]
) -> NDArray[np.bool_]:
    """Tell whether over half of a label lies in an object, and that is a fifth of the object."""
    part: NDArray[np.bool_] = (inter > 0.5 * label_area) & (inter >= 0.2 * truth_area)
    return part


def unlabelled(labels: NDArray[np.integer], truth: NDArray[np.integer], iou: float = 0.1) -> int:
    """Count annotated objects that were left without a label.

    Parameters
    ----------
    labels, truth : ndarray of int, shape (Y, X)
        Found labels and ground truth; 0 is background.
    iou : float
        An object has a label when some label's IoU with it reaches this value: low enough that a poor outline
        still counts as found, high enough that a neighbour's spill or one label over everything does not.

    Returns
    -------
    int
        Objects that no label reaches.
    """
    table = iou_matrix(labels, truth)
    if table.shape[0] == 0:
        return int(table.shape[1])
    return int((table.max(0) < iou).sum())


def best_ious(masks: Iterable[NDArray[np.bool_]], truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """Best IoU that any of several overlapping masks has with each annotated object.

    Parameters
    ----------
    masks : iterable of ndarray of bool, shape (Y, X)
        Candidates; they may overlap and are looked at one at a time.
    truth : ndarray of int, shape (Y, X)
        Ground truth; 0 is background.

    Returns
    -------
    ndarray of float, shape (objects,)
        In ascending order of the object ids; zeros where nothing overlaps.
    """
    truth = label_image(truth, "the ground truth")
    ids, inverse = ranked(truth)
    areas = np.bincount(inverse.ravel(), minlength=ids.size).astype(np.float64)
    best = np.zeros(ids.size)
    for mask in masks:
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != truth.shape:
            raise ImageError(f"a mask has shape {mask.shape}, ground truth {truth.shape}; they must be equal")
        inter = np.bincount(inverse[mask], minlength=ids.size).astype(np.float64)
        union = areas + inter.sum() - inter
        np.maximum(best, inter / np.maximum(union, 1.0), out=best)
    found: NDArray[np.float64] = best[ids > 0]
    return found

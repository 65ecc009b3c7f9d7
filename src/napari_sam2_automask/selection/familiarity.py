"""Whether an image is unlike what the bundled model knows, told from its own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["UNFAMILIAR", "doubt", "familiarity", "is_unfamiliar"]

UNFAMILIAR = "unlike what the model knows"

#: Doubt grows by one for each cell of disagreement, and falls by the first with each unit of predicted IoU
#: above the second. Fitted by logistic regression to 88 images of the training (docs/model_card.md).
_SURE, _AT = 1.94, 0.49
#: Where no mask was chosen, as in an empty frame, disagreement alone tells, as with masks of this rating.
_WITHOUT = 0.7


def doubt(disagreement: float, predicted_iou: NDArray[np.floating]) -> float:
    """Return how little the model knows what it sees; above 0 the image is unlike what it knows.

    Parameters
    ----------
    disagreement : float
        Median distance of the centres that neighbouring places on objects name, in cells; see `Candidates`.
    predicted_iou : (K,) float array
        Of the masks chosen.
    """
    sure = float(np.mean(predicted_iou)) if len(predicted_iou) else _WITHOUT
    return disagreement - _SURE * (sure - _AT)


def is_unfamiliar(disagreement: float, predicted_iou: NDArray[np.floating]) -> bool:
    """Tell whether an image is unlike what the model knows; never of models that name no centres.

    Parameters
    ----------
    disagreement, predicted_iou
        As for `doubt`; 0 if the model names no centres, or saw no object at all.
    """
    return disagreement > 0 and doubt(disagreement, predicted_iou) > 0


def familiarity(disagreement: float, predicted_iou: NDArray[np.floating]) -> dict[str, Any]:
    """Return what a record tells of how well the model knows an image; empty if it names no centres.

    Parameters
    ----------
    disagreement, predicted_iou
        As for `is_unfamiliar`.
    """
    if not disagreement:
        return {}
    doubted = {"unfamiliar": True} if is_unfamiliar(disagreement, predicted_iou) else {}
    return {"disagreement": round(disagreement, 3), **doubted}

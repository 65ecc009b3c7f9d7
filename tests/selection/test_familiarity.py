"""Whether an image is unlike what the model knows, by how its answers differ."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_automask.selection.familiarity import doubt, is_unfamiliar


@pytest.mark.parametrize(
    ("disagreement", "iou", "unfamiliar"),
    [
        (0.09, 0.83, False),  # nuclei
        (0.43, 0.78, False),  # precipitates that touch
        (0.46, 0.67, True),  # a photograph of a landscape
        (0.85, 0.63, True),  # the front of a house
        (0.43, 0.69, True),  # particles of which none was met
    ],
)
def test_measured_images_are_told_apart(disagreement, iou, unfamiliar):
    assert is_unfamiliar(disagreement, np.full(20, iou, np.float32)) is unfamiliar


def test_doubt_grows_with_disagreement_and_falls_with_sureness():
    sure, unsure = np.full(3, 0.9), np.full(3, 0.6)
    assert doubt(0.2, sure) < doubt(0.5, sure) < doubt(0.5, unsure)
    assert doubt(0.5, sure) == pytest.approx(0.5 - 1.94 * 0.41)


def test_models_that_name_no_centres_and_images_without_an_object_seen_are_not_judged():
    assert not is_unfamiliar(0.0, np.full(3, 0.1))
    assert is_unfamiliar(0.6, np.zeros(0)) and not is_unfamiliar(0.2, np.zeros(0))

"""The ladder's look-ups equal the masks they stand for, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates, random_candidates

from napari_sam2_automask.candidates.thresholds import LEVELS, STEP, make_ladder
from napari_sam2_automask.settings.amg import AmgSettings


@pytest.mark.parametrize(("shape", "grid"), [((90, 70), 32), ((64, 64), 64), ((40, 55), 64)])
def test_areas_and_boxes_are_those_of_the_masks(shape, grid):
    candidates = random_candidates(shape, 20, seed=1, grid=grid)
    ladder = make_ladder(candidates)
    for k in (0, 3, 10, 14, 25, 60, LEVELS - 1):
        threshold = ladder.lowest + k * STEP
        areas, boxes = ladder.area(threshold), ladder.box(threshold)
        for i in range(len(candidates)):
            y0, x0, mask = candidates.mask(i, threshold)
            assert areas[i] == pytest.approx(mask.sum(), abs=1)
            if mask.sum() > 1:
                box = (x0, y0, x0 + mask.shape[1] - 1, y0 + mask.shape[0] - 1)
                np.testing.assert_allclose(boxes[i], box, atol=1)


def test_at_the_proposals_own_settings_the_ladder_repeats_its_measures():
    candidates = random_candidates((80, 80), 30, seed=2)
    ladder = make_ladder(candidates)
    np.testing.assert_allclose(ladder.area(0.0), candidates.area, atol=1)
    np.testing.assert_allclose(ladder.stability(0.0, 1.0), candidates.stability_score, atol=0.02)
    small = ladder.stability(0.0, 0.5)
    assert (small >= ladder.stability(0.0, 1.0)).all()
    assert (small > ladder.stability(0.0, 1.0)).any()


def test_crops_are_placed_in_the_image():
    crops = [(0, 0, 100, 80), (40, 20, 100, 80)]
    settings = AmgSettings(crop_n_layers=1)
    candidates = make_candidates(
        (80, 100), [Blob(50, 70, 9, 12, 0.9, crop=1)], crops=crops, settings=settings
    )
    ladder = make_ladder(candidates)
    np.testing.assert_array_equal(ladder.box(0.0)[0], candidates.boxes[0])
    assert ladder.area(0.0)[0] == candidates.area[0]


def test_between_two_steps_areas_are_interpolated_and_outside_they_are_held():
    candidates = random_candidates((60, 60), 5, seed=4)
    ladder = make_ladder(candidates)
    middle = ladder.area(0.05)
    np.testing.assert_allclose(middle, (ladder.area(0.0) + ladder.area(0.1)) / 2)
    np.testing.assert_array_equal(ladder.area(-5), ladder.area(ladder.lowest))
    np.testing.assert_array_equal(ladder.area(500), ladder.area(ladder.highest))


def test_no_candidates_and_a_stop():
    ladder = make_ladder(make_candidates((9, 9), []))
    assert ladder.area(0.0).shape == (0,)
    assert ladder.box(0.0).shape == (0, 4)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_ladder(random_candidates((30, 30), 3), stop)

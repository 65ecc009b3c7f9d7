"""How far neighbouring places disagree about the centre of what they lie on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_automask.engine.points.agreement import Agreement
from napari_sam2_automask.engine.points.fitted_grid import tile

NO_POINTS = np.zeros((0, 2), np.float32)


def discs(shape: tuple[int, int], centres: list[tuple[int, int]], radius: float) -> np.ndarray:
    """What a dense head says of discs that it knows: every cell names its disc's centre."""
    dense = np.full((4, *shape), -6, np.float32)
    dense[1:] = 0
    y, x = np.indices(shape)
    for row, column in centres:
        on = np.hypot(y - row, x - column) < radius
        dense[0][on] = 6
        dense[1][on], dense[2][on] = (row - y)[on] / 8, (column - x)[on] / 8
    return dense


def of(dense: np.ndarray, box: tuple[int, int, int, int] = (0, 0, 512, 512)) -> float:
    agreement = Agreement()
    agreement.add(dense, tile(0, box, NO_POINTS))
    return agreement.disagreement


def test_cells_that_name_one_centre_agree_and_those_that_wander_do_not():
    known = discs((128, 128), [(30, 30), (30, 90), (90, 60)], 12)
    assert of(known) == pytest.approx(0, abs=0.02)
    wandering = known.copy()
    # Each cell is off by 0.5 in a direction of its own: neighbours are 0.64 apart in the median.
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, known.shape[1:])
    wandering[1] += 0.5 / 8 * np.sin(angle)
    wandering[2] += 0.5 / 8 * np.cos(angle)
    assert of(wandering) == pytest.approx(np.sqrt(0.5), abs=0.06)


def test_nothing_seen_is_no_disagreement_and_what_lies_in_the_mirror_does_not_count():
    assert of(np.full((4, 128, 128), -6, np.float32)) == 0
    # Of a long crop the model sees more than there is: here only 32 of 128 rows are the image's own.
    long = discs((128, 128), [(64, 64)], 9)
    crop = tile(0, (0, 0, 512, 128), NO_POINTS)
    first = crop.before[0] * 128 // crop.shown[0]
    assert first > 0
    outside = np.full_like(long, -6)
    outside[0, :first] = 6
    outside[1:, :first] = np.random.default_rng(0).normal(size=(3, first, 128))
    agreement = Agreement()
    agreement.add(outside, crop)
    assert agreement.disagreement == 0


def test_several_crops_count_together():
    rng = np.random.default_rng(1)
    both = Agreement()
    for apart, centre in ((0.0, (30, 30)), (2.0, (90, 90))):
        dense = discs((128, 128), [centre], 12)
        dense[1:3] += rng.normal(0, apart / 8, dense[1:3].shape)
        both.add(dense, tile(0, (0, 0, 512, 512), NO_POINTS))
    alone = of(dense)
    assert 0 < both.disagreement < alone

"""Full garbage collections wait for the end of a run, and not longer than a minute."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from napari_kit import ObedientSegmenter, dock, finish, half_way

from napari_sam2_automask._napari.common.garbage import LONGEST, CollectionsWait


@pytest.fixture(autouse=True)
def thresholds():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_they_wait_for_the_end_of_a_run(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.full((32, 48), 100, np.uint8))
    segmenter = ObedientSegmenter()
    widget = dock(viewer, segmenter)
    segmenter.open.clear()
    half_way(qtbot, widget)
    assert gc.get_threshold()[:2] == (700, 10)
    assert gc.get_threshold()[2] > 1_000_000
    segmenter.open.set()
    finish(qtbot, widget)
    assert gc.get_threshold() == (700, 10, 10)


def test_they_do_not_wait_for_hours():
    now = [0.0]
    wait = CollectionsWait(lambda: now[0])
    wait.begin()
    now[0] = LONGEST - 1
    wait.check()
    assert gc.get_threshold() != (700, 10, 10)
    now[0] = LONGEST + 1
    wait.check()
    assert gc.get_threshold() == (700, 10, 10)


def test_only_who_began_ends_the_wait_and_other_thresholds_are_left_alone():
    first, second = CollectionsWait(), CollectionsWait()
    first.begin()
    second.begin()
    second.end()
    assert gc.get_threshold() != (700, 10, 10)
    first.end()
    assert gc.get_threshold() == (700, 10, 10)
    first.begin()
    gc.set_threshold(5, 6, 7)
    first.end()
    assert gc.get_threshold() == (5, 6, 7)

"""Full garbage collections wait for the end of a run, and leave mending alone."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import pytest
from napari_kit import ObedientSegmenter, dock, finish, half_way, live_result
from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.garbage import AGAIN, LONGEST, CollectionsWait, QuietCollections


class Cycle:
    """Goes only by a collection."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def _mending_freezes_nothing() -> None:
    """It does here."""


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


def test_while_mending_they_look_at_new_objects_only(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    old = Cycle()
    widget, layer = live_result(viewer, qtbot)
    collections, new = widget.result.collections, Cycle()
    assert gc.is_tracked(old) and gc.get_freeze_count() > 10_000
    old, new = ref(old), ref(new)
    gc.collect()
    assert new() is None and old() is not None
    collections.idle.stop()
    widget.live.passed.emit(widget.live.live_layer)  # something was done in another plane of a stack
    assert collections.idle.isActive()
    collections.idle.timeout.emit()  # nothing was done for a while
    assert old() is None and gc.get_freeze_count() > 10_000
    viewer.layers.remove("cells")  # the image, which may be large
    assert gc.get_freeze_count() == 0 and collections.idle.isActive()
    collections.idle.timeout.emit()
    assert gc.get_freeze_count() > 10_000
    viewer.layers.remove(layer)
    assert gc.get_freeze_count() == 0 and not collections.idle.isActive()


def test_all_objects_are_looked_at_when_nothing_is_done_and_not_too_often(qapp):
    parent, now = QObject(), [0.0]
    collections = QuietCollections(parent, lambda: now[0])
    collections.note()
    assert not collections.idle.isActive()
    collections.begin()
    collections.idle.timeout.emit()
    collections.idle.stop()
    now[0] = AGAIN - 1
    collections.note()
    assert not collections.idle.isActive()
    now[0] = AGAIN + 1
    collections.note()
    assert collections.idle.isActive()
    collections.end()
    assert not collections.idle.isActive()


def test_of_two_that_mend_the_last_ends_it(qapp):
    parent = QObject()
    first, second = QuietCollections(parent), QuietCollections(parent)
    first.begin()
    second.begin()
    first.end()
    assert gc.get_freeze_count() > 10_000
    second.end()
    assert gc.get_freeze_count() == 0

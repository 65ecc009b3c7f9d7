"""Mends of single planes in the numbers of their stack, and candidates within a bound of memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from candidate_factory import random_candidates

sys.path.append(str(Path(__file__).parents[1] / "mending"))
from test_random_actions import SHAPE, moved, random_action

from napari_sam2_automask import AmgSettings, Mends
from napari_sam2_automask.errors import AutomaskError, MendError, OutputError
from napari_sam2_automask.mending import Grow
from napari_sam2_automask.stack import Numbers, PlaneMends, PlaneStore, plane_store

OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
PLANES = 3
ACTIONS = 60


def candidates(seed):
    return random_candidates(SHAPE, 80, seed=seed, settings=OPEN, lowest=-2.0)


def stack():
    """Return the mends of the planes, and how they begin by themselves."""
    numbers = Numbers()
    found = [PlaneMends(candidates(k), OPEN, numbers=numbers, plane=(k,)) for k in range(PLANES)]
    return numbers, found, [one.labels for one in found]


def test_numbers_are_given_once_and_belong_to_one_label_of_a_plane():
    numbers = Numbers({(0,): {1: 1, 4: 2}, (1,): {3: 2, 9: 7}})
    assert numbers.largest == 7 and numbers.planes == [(0,), (1,)]
    assert numbers.number((0,), 5) == 8 and numbers.label((0,), 8) == 5 and numbers.label((1,), 8) == 0
    numbers.put((1,), [(4, 2)])
    assert numbers.of((1,)) == {9: 7, 4: 2}
    numbers.forget((1,), 4)
    assert numbers.number((1,), 4) == 9
    table = numbers.table((0,), np.array([[0, 6], [1, 2]]))
    assert table.tolist() == [0, 1, 10, 0, 2, 8, 11]


def test_planes_do_not_share_numbers_and_do_not_move_each_other():
    _, found, before = stack()
    used = [set(np.unique(labels)[1:].tolist()) for labels in before]
    assert not used[0] & used[1] and not used[1] & used[2]
    largest = max(map(max, used))
    label = min(used[1])
    y, x = np.argwhere(before[1] == label)[0].tolist()
    found[1].remove(label)
    assert found[1].removed == {label} and not found[1].label_at((y, x))
    with pytest.raises(MendError, match="no object 1 in this plane"):
        found[1].remove(1)
    (new,) = found[1].add(mask=before[1] == label).labels
    assert new == largest + 1 and found[1].edited == {new: "added"}
    area = found[1].placed(new).area
    assert found[1].grow(new, pixels=-1).labels == (new,) and found[1].placed(new).area < area
    assert set(found[1].preview(Grow(labels=(new,)))) == {new}
    found[1].undo()
    assert (
        found[2].add(mask=np.pad(np.ones((3, 3), bool), ((0, SHAPE[0] - 3), (0, SHAPE[1] - 3)))).labels
        == (largest + 2,)
        or found[2].next_label == largest + 2
    )
    for plane in (0, 2):
        same = (found[plane].labels == before[plane]) | (before[plane] == 0)
        assert same.all()
    painted = found[1].labels
    painted[:4, :4] = 1  # the object that has this number in another plane
    found[1].paint(painted)
    assert found[1].label_at((0, 0)) == 1
    found[1].undo()
    assert found[1].label_at((0, 0)) != 1


def test_random_actions_in_all_planes_leave_what_a_replay_gives():
    rng = np.random.default_rng(5)
    numbers, found, _ = stack()
    done = 0
    while done < ACTIONS:
        one = found[rng.integers(PLANES)]
        before = one.labels.tobytes(), one.kept, one.removed
        try:
            random_action(one, rng, moved)
        except AutomaskError:
            assert (one.labels.tobytes(), one.kept, one.removed) == before
            continue
        done += 1
        seen = np.unique(one.labels)[1:].tolist()
        assert len(one.own(seen)) == len(seen)
    for k, one in enumerate(found):
        again = Mends(candidates(k), OPEN)
        again.replay(**json.loads(json.dumps(one.to_json())))
        table = np.zeros(again.labels.max() + 1, int)
        for label, number in numbers.of((k,)).items():
            if label < len(table):
                table[label] = number
        np.testing.assert_array_equal(table[again.labels], one.labels)


def test_what_does_not_fit_into_memory_is_on_the_disk(monkeypatch):
    store = PlaneStore(limit=0)
    every = [candidates(k) for k in range(PLANES)]
    for k, one in enumerate(every):
        store.put((k,), one)
    assert store.on_disk == PLANES - 1 and store.nbytes == every[-1].nbytes
    assert store.planes == [(0,), (1,), (2,)] and (1,) in store and (7,) not in store
    for k, one in enumerate(every):
        again = store.get((k,))
        np.testing.assert_array_equal(again.predicted_iou, one.predicted_iou)
        np.testing.assert_array_equal(again.mask(3)[2], one.mask(3)[2])
        assert again.settings == one.settings
    folder = store._folder
    assert folder.is_dir()
    del store
    assert not folder.exists()

    def full(*_):
        raise OutputError("the disk is full")

    monkeypatch.setattr(plane_store, "save_candidates", full)
    store = PlaneStore(limit=0)
    for k, one in enumerate(every):
        store.put((k,), one)
    assert store.on_disk == 0 and [len(store.get((k,))) for k in range(PLANES)] == [len(one) for one in every]


def test_large_numbers_leave_room_for_new_objects():
    numbers, found, before = stack()
    empty = np.argwhere(before[0] == 0)[:2]
    painted = before[0].astype(np.int64)
    painted[tuple(empty[0])] = 2**31 - 1
    with pytest.raises(MendError, match=r"leave no numbers .* up to 2,146,435,071"):
        found[0].paint(painted)
    np.testing.assert_array_equal(found[0].labels, before[0])
    painted[tuple(empty[0])] = 2_146_435_071
    assert found[0].paint(painted).labels == (2_146_435_071,)
    mask = np.zeros(SHAPE, bool)
    mask[tuple(np.argwhere(before[1] == 0)[0])] = True
    (new,) = found[1].add(mask=mask).labels
    assert new == 2_146_435_072 and found[1].remove(new).action.labels
    with pytest.raises(MendError, match="number its objects from 1"):
        PlaneMends(np.array([[0, 2_000_000_000]]), numbers=numbers, plane=(9,)).labels  # noqa: B018

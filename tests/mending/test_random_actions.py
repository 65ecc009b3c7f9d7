"""Any sequence of actions, undos and redos leaves what doing its steps again gives, in bounded memory."""

from __future__ import annotations

import json

import numpy as np
import pytest
from candidate_factory import random_candidates

from napari_sam2_automask import AmgSettings, Mends
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.painting.live import LiveSelection

OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
SHAPE = (110, 130)
ACTIONS = 500


def random_action(mends, rng, settings):
    """Do something, or try to."""
    point = tuple(rng.uniform(0, SHAPE).tolist())
    ids = np.unique(mends.labels)[1:].tolist()
    some = [int(n) for n in rng.choice(ids, min(2, len(ids)), replace=False)] if ids else [1]
    labels = mends.labels.astype(np.int64)
    y, x = (int(v) for v in point)
    kind = rng.choice(
        ["add", "mask", "reshape", "remove", "merge", "stroke", "seeds", "whole", "parts", "grow", "lock",
         "release", "release all", "paint", "erase", "fill", "settle", "join", "undo", "redo"],
        p=np.array([4, 1, 1, 3, 2, 3, 2, 3, 3, 3, 2, 2, 0.3, 3, 2, 2, 3, 2, 8, 5]) / 54.3,
    )  # fmt: skip
    square = np.zeros(SHAPE, bool)
    square[y : y + 12, x : x + 15] = True
    if kind in ("paint", "erase"):
        labels[square] = 0 if kind == "erase" else rng.choice([*some, mends.next_label + 3])
    elif kind == "fill":
        labels[labels == some[0]] = rng.choice([0, some[-1], mends.next_label])
    acts = {
        "add": lambda: mends.add(point),
        "mask": lambda: mends.add(mask=square),
        "reshape": lambda: mends.reshape(some[0], square),
        "remove": lambda: mends.remove(*some),
        "merge": lambda: mends.merge(*some),
        "stroke": lambda: mends.split(stroke=[point, (point[1] % SHAPE[0], point[0])]),
        "seeds": lambda: mends.split(seeds=[point, (point[0] + 3, point[1] + 2)]),
        "whole": lambda: mends.step(point, "whole"),
        "parts": lambda: mends.step(point, "parts"),
        "grow": lambda: mends.grow(*some, pixels=int(rng.choice([-3, -1, 1, 4]))),
        "lock": lambda: mends.lock(*some),
        "release": lambda: mends.release(some[0]),
        "release all": lambda: mends.release(),
        "settle": lambda: mends.settle(settings(rng, mends.settings)),
        "join": lambda: mends.settle(settings(rng, mends.settings), join=True),
        "undo": mends.undo,
        "redo": mends.redo,
    }
    return acts.get(kind, lambda: mends.paint(labels))()


def moved(rng, settings):
    if settings is None:
        return OPEN  # refused: there are no candidates
    values = {
        "pred_iou_thresh": rng.uniform(0.5, 1),
        "box_nms_thresh": rng.uniform(0.2, 1),
        "duplicate_iou": rng.uniform(0.5, 1),
        "nested": rng.choice(["keep", "choose"]).item(),
        "granularity": rng.uniform(),
        "overlap": rng.choice(["small_on_top", "large_on_top", "best_score"]).item(),
        "min_mask_region_area": int(rng.choice([0, 5, 40])),
        "mask_threshold": round(float(rng.choice([0.0, 0.0, 0.1, 0.5])), 1),
    }
    name = rng.choice(list(values)).item()
    return settings.replace(**{name: values[name]})


def state(mends):
    return mends.labels.tobytes(), mends.labels.dtype, dict(mends.kept), mends.removed, mends.ground.tobytes()


@pytest.mark.parametrize(("seed", "labels_only"), [(0, False), (1, False), (2, True)])
def test_the_state_is_that_of_a_replay(seed, labels_only):
    rng = np.random.default_rng(seed)
    candidates = random_candidates(SHAPE, 150, seed=seed, settings=OPEN, lowest=-2.0, holes=True)
    live = LiveSelection(candidates)
    live.update(OPEN)
    start = live.labels.copy() if labels_only else candidates
    mends = Mends(start, limit=60_000)
    done, most = 0, 0
    while done < ACTIONS:
        before = state(mends)
        try:
            random_action(mends, rng, moved)
        except AutomaskError:
            now = state(mends)
            assert now == before, "what could not be done changed something"
            continue
        done += 1
        most = max(most, mends.nbytes)
        # What is not free is what is held, and nothing shows where something was removed.
        held = mends._state.hold.pixels
        np.testing.assert_array_equal(mends.labels[held > 0], held[held > 0])
        assert not mends.labels[held < 0].any()
        assert set(np.unique(held[held > 0]).tolist()) <= set(mends.kept)
    assert most <= 60_000 + 20_000  # the last step is kept, however large
    told = json.loads(json.dumps(mends.to_json()))
    again = Mends(start)
    again.replay(**told)
    assert state(again) == state(mends)
    assert again.next_label == mends.next_label


def test_every_step_can_be_taken_back():
    rng = np.random.default_rng(7)
    candidates = random_candidates(SHAPE, 100, seed=3, settings=OPEN, lowest=-2.0)
    mends = Mends(candidates)
    seen = {0: state(mends)[0]}
    while len(mends.steps) < 120:
        try:
            random_action(mends, rng, moved)
        except AutomaskError:
            continue
        image = mends.labels.astype(np.uint32).tobytes()
        seen[len(mends.steps)] = image
    for number in range(len(mends.steps) - 1, 0, -1):
        mends.undo()
        assert mends.labels.astype(np.uint32).tobytes() == seen[number]

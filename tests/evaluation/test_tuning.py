"""Settings found from a few objects keep what was shown and drop what was shown to be wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.evaluation.score import f1
from napari_sam2_automask.evaluation.tuning import tune

LOW = AmgSettings(pred_iou_thresh=0.3, stability_score_thresh=0.3)
SHAPE = (200, 240)


@pytest.fixture(scope="module")
def scene():
    """Objects rated 0.6 with a better rated part in each, around them debris and one background mask."""
    rng = np.random.default_rng(0)
    blobs = [Blob(100, 120, 95, 115, 0.97, 40)]
    truth = np.zeros(SHAPE, int)
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for k, (y, x) in enumerate((y, x) for y in range(25, 200, 50) for x in range(30, 240, 45)):
        blobs += [Blob(y, x, 15, 13, 0.6, 30), Blob(y + 3, x - 3, 6, 6, 0.9, 30)]
        truth[((ys + 0.5 - y) / 15) ** 2 + ((xs + 0.5 - x) / 13) ** 2 < 1] = k + 1
        blobs.append(Blob(y + rng.uniform(20, 24), x + 20, 2.5, 2.5, 0.8, 30))
    return make_candidates(SHAPE, blobs, grid=120, settings=LOW), truth


def test_five_objects_are_enough_for_the_rest(scene):
    candidates, truth = scene
    start = LOW.replace(pred_iou_thresh=0.75)
    few = np.where(np.isin(truth, [2, 5, 9, 12, 17]), truth, 0)
    rest = np.where(few > 0, 0, truth)

    def on_the_rest(settings):
        labels = paint(select(candidates, settings)).labels.astype(int)
        for label in np.unique(labels[few > 0]):
            if label and (few[labels == label] > 0).mean() > 0.5:
                labels[labels == label] = 0
        return f1(labels, rest)

    tuned = tune(candidates, few, start=start)
    assert on_the_rest(start) < 0.1
    assert on_the_rest(tuned.best.settings) > 0.95
    assert tuned.best.found == 5
    assert tuned.best.score == max(trial.score for trial in tuned.trials)
    assert tuned.start.settings == start == tuned.trials[0].settings


def test_the_same_search_gives_the_same_winner(scene):
    candidates, truth = scene
    few = np.where(truth <= 3, truth, 0)
    one, two = (tune(candidates, few, seconds=60) for _ in range(2))
    assert one.trials == two.trials
    assert len({trial.settings for trial in one.trials}) == len(one.trials)


def test_what_fits_already_stays_as_it_is():
    blobs = [Blob(y, x, 9, 9, 0.9, 30) for y in (20, 60) for x in (20, 60, 100)]
    candidates = make_candidates((80, 120), blobs, settings=LOW)
    labels = paint(select(candidates, LOW)).labels
    tuned = tune(candidates, labels, ids=[1, 2])
    assert tuned.best.settings.pred_iou_thresh == LOW.pred_iou_thresh
    assert tuned.best.f1 == 1.0
    assert tuned.best.mean_iou == 1.0


def test_a_result_clicked_away_goes(scene):
    candidates, truth = scene
    start = LOW.replace(max_area=2000, nested="choose", granularity=0.0)
    before = select(candidates, start)
    debris = int(before.ids[before.areas < 40][0])
    tuned = tune(candidates, np.where(truth <= 4, truth, 0), bad=[debris], start=start)
    assert debris not in select(candidates, tuned.best.settings).ids
    assert tuned.best.found == 4


def test_the_table_names_what_was_changed(scene):
    candidates, truth = scene
    rows = tune(candidates, np.where(truth <= 2, truth, 0)).table()
    assert {"score", "f1", "found", "extra", "objects", "pred_iou_thresh", "granularity"} <= set(rows[0])
    assert all(set(row) == set(rows[0]) for row in rows)


@pytest.mark.parametrize(
    ("labels", "ids", "words"),
    [
        (np.zeros(SHAPE, int), None, "no object is labelled"),
        (np.ones((3, 3), int), None, r"\(3, 3\).*\(200, 240\)"),
        (np.ones(SHAPE, int), [1, 7], "label 7"),
    ],
)
def test_labels_of_no_use_are_refused(scene, labels, ids, words):
    with pytest.raises(CandidatesError, match=words):
        tune(scene[0], labels, ids=ids)


def test_no_candidates_are_refused():
    with pytest.raises(CandidatesError, match="no candidates"):
        tune(make_candidates((9, 9), []), np.ones((9, 9), int))


def test_a_search_can_be_stopped(scene):
    class Stop(Exception):
        pass

    def stop(done):
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        tune(scene[0], np.where(scene[1] <= 2, scene[1], 0), progress=stop)
    # The start, and likeness where gray levels are known.
    assert len(tune(scene[0], np.where(scene[1] <= 2, scene[1], 0), seconds=0).trials) <= 2


def test_leniency_in_gaps_stays_above_the_floor(scene):
    candidates, truth = scene
    start = candidates.settings.replace(gap_leniency=0.1)
    tuned = tune(candidates, np.where(truth <= 2, truth, 0), start=start)
    assert len(tuned.trials) > 10
    for trial in tuned.trials:
        select(candidates, trial.settings)  # all of them could be selected


@pytest.mark.parametrize(("specks", "bounded"), [(3, False), (12, True)])
def test_sizes_are_bounded_only_where_much_is_of_another_size(specks, bounded):
    places = [(y, x) for y in (20, 60, 100) for x in range(20, 180, 40)]
    blobs = [Blob(y, x, 10, 10, 0.9) for y, x in places]
    blobs += [Blob(40, 12 + 12 * k, 2, 2, 0.85) for k in range(specks)]
    settings = AmgSettings(pred_iou_thresh=0.6, stability_score_thresh=0.1)
    candidates = make_candidates((120, 180), blobs, settings=settings)
    labels = paint(select(candidates, settings)).labels
    large = np.flatnonzero(np.bincount(labels.ravel()) > 100)[1:4]
    best = tune(candidates, np.where(np.isin(labels, large), labels, 0)).best.settings
    assert (best.min_area > 0) == bounded
    assert len(select(candidates, best)) == len(places) + (0 if bounded else specks)


def discs(diameter, fitted):
    """Discs found whole, or of each only a part, in a run fitted to objects of some diameter."""
    places = [(y, x) for y in (25, 75, 125) for x in (30, 80, 130, 180)]
    radius = diameter / 2
    candidates = make_candidates(
        SHAPE, [Blob(y, x, radius, radius, 0.8, 30) for y, x in places], settings=LOW
    )
    return replace(candidates, object_diameter=fitted)


def test_examples_of_another_size_are_worth_another_run():
    small, whole = discs(8, fitted=8.0), discs(30, fitted=30.0)
    truth = paint(select(whole, LOW)).labels
    asked = []

    def again(settings):
        asked.append(settings.object_diameter)
        return replace(whole, settings=settings)

    tuned = tune(small, np.where(truth <= 3, truth, 0), again=again)
    assert asked == [30.0]
    assert tuned.best.settings.object_diameter == 30.0
    assert tuned.best.found == 3 > tuned.start.found
    assert len(select(tuned.candidates, tuned.best.settings)) == len(whole)


def test_examples_of_the_size_fitted_are_not():
    def again(settings):
        raise AssertionError("the model would run for nothing")

    whole = discs(30, fitted=28.0)
    truth = paint(select(whole, LOW)).labels
    tuned = tune(whole, np.where(truth <= 3, truth, 0), again=again)
    assert tuned.candidates is whole


def test_what_was_rejected_is_known_in_another_run():
    whole = discs(30, fitted=30.0)
    first = replace(whole, object_diameter=8.0)
    truth = paint(select(whole, LOW)).labels
    good, bad = int(truth[25, 30]), int(truth[75, 80])
    tuned = tune(
        first, np.where(truth == good, truth, 0), bad=[bad], again=lambda s: replace(whole, settings=s)
    )
    second = [trial for trial in tuned.trials if trial.settings.object_diameter == 30.0]
    assert second
    assert all(trial.extra == 1 for trial in second if trial.objects == len(whole))

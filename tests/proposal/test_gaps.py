"""What no mask covers: gentler thresholds, another question there, other renderings, candidates pooled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates

from napari_sam2_automask import AmgSettings, select
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.candidates.file import load_candidates, save_candidates
from napari_sam2_automask.candidates.pooling import pool, take
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.image.renderings import render
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.proposal.gaps import covered_pixels, gap_points, in_gaps, nearest_crop
from napari_sam2_automask.proposal.passes import propose_view
from napari_sam2_automask.selection.box_nms import BoxTable
from napari_sam2_automask.selection.choosing import choose, covered, needs_run
from napari_sam2_automask.settings.amg import AmgSettings as Settings

SHAPE = (80, 120)
BASE = AmgSettings(points_per_side=4, pred_iou_thresh=0.7, stability_score_thresh=0.3)
GOOD, POOR_BESIDE = Blob(30, 30, 10, 10, 0.9), Blob(30, 80, 10, 10, 0.6)
POOR_ON_TOP, WORSE = Blob(33, 31, 4, 4, 0.62), Blob(60, 60, 6, 6, 0.45)
BLOBS = [GOOD, POOR_BESIDE, POOR_ON_TOP, WORSE]


def points_of(masks):
    return sorted(map(tuple, masks.points.tolist()))


@pytest.fixture
def candidates():
    return make_candidates(SHAPE, BLOBS, settings=BASE, floor=Floor(0.3, 0.1))


def test_poorer_masks_are_taken_only_where_no_other_lies(candidates):
    assert points_of(select(candidates, BASE)) == [(30, 30)]
    lenient = select(candidates, BASE.replace(gap_leniency=0.15))
    assert points_of(lenient) == [(30, 30), (80, 30)]
    assert lenient.removed["taken back in gaps"] == -1
    everything = select(candidates, BASE.replace(pred_iou_thresh=0.55))
    assert points_of(everything) == [(30, 30), (31, 33), (80, 30)], "a lower threshold takes the part as well"


def test_poorer_masks_are_about_as_large_as_the_others():
    good = [Blob(15 + 30 * (k // 4), 15 + 30 * (k % 4), 5, 5 + k % 2, 0.9) for k in range(8)]
    poor = [
        Blob(75, 15, 5, 5, 0.6), Blob(75, 45, 2, 2, 0.6), Blob(75, 75, 5, 8, 0.6), Blob(75, 112, 4, 24, 0.6)
    ]  # fmt: skip
    lenient = BASE.replace(gap_leniency=0.15)
    found = make_candidates((90, 140), good + poor, settings=BASE, floor=Floor(0.3, 0.1))
    taken = set(points_of(select(found, lenient))) - {(b.x, b.y) for b in good}
    assert taken == {(15, 75), (75, 75)}, "neither the small nor the large one"
    few = make_candidates((90, 140), good[:7] + poor, settings=BASE, floor=Floor(0.3, 0.1))
    assert len(select(few, lenient)) == 7 + len(poor), "seven do not say how large objects are"


def test_two_poor_masks_of_one_object_are_not_both_taken():
    twice = make_candidates(
        SHAPE, [GOOD, POOR_BESIDE, Blob(31, 81, 10, 10, 0.58)], settings=BASE, floor=Floor(0.3, 0.1)
    )
    settings = BASE.replace(gap_leniency=0.2, box_nms_thresh=0.5)
    assert points_of(select(twice, settings)) == [(30, 30), (80, 30)]


def test_stability_is_half_as_lenient(candidates):
    stability = np.where(candidates.points[:, 0] == 80, 0.8, 1.0).astype(np.float32)
    candidates = replace(candidates, stability_score=stability)
    strict = BASE.replace(stability_score_thresh=0.9)
    assert strict.replace(gap_leniency=0.2).lowest_scores == pytest.approx((0.5, 0.8))
    assert points_of(select(candidates, strict.replace(gap_leniency=0.15))) == [(30, 30)]
    assert points_of(select(candidates, strict.replace(gap_leniency=0.21))) == [(30, 30), (80, 30)]


def test_leniency_needs_candidates_that_low(candidates):
    assert needs_run(candidates, BASE.replace(gap_leniency=0.4)) is None
    assert "leniency of 0.45" in needs_run(candidates, BASE.replace(gap_leniency=0.45))
    with pytest.raises(CandidatesError, match="leniency"):
        select(candidates, BASE.replace(gap_leniency=0.5))
    floor = Floor.of(BASE.replace(gap_leniency=0.2))
    assert (floor.pred_iou, floor.stability) == pytest.approx((0.5, 0.2))


def test_a_slider_gives_the_same_as_selecting(candidates):
    live = LiveSelection(candidates)
    live.prepare()
    for leniency in (0.0, 0.15, 0.3, 0.0):
        settings = BASE.replace(gap_leniency=leniency)
        change = live.update(settings)
        assert change.rows.tolist() == sorted(select(candidates, settings).rows.tolist())
    table = BoxTable(candidates)
    settings = BASE.replace(gap_leniency=0.15)
    assert (
        choose(candidates, settings, table=table).rows.tolist() == choose(candidates, settings).rows.tolist()
    )


def test_what_others_cover_is_known(candidates):
    chosen = np.zeros(len(candidates), bool)
    chosen[0] = True  # the good one
    found = covered(candidates, candidates.area, chosen)
    assert found.tolist() == [False, True, False, False]
    chosen[:] = [False, True, False, False]  # the small one: little of the good one lies in it
    assert not covered(candidates, candidates.area, chosen).any()


def test_pooled_candidates_are_those_of_all_parts(tmp_path):
    first = make_candidates(SHAPE, [GOOD, WORSE], settings=BASE)
    second = make_candidates(SHAPE, [POOR_BESIDE], settings=BASE, crops=[(0, 0, 120, 80), (40, 0, 120, 80)])
    both = pool([first, second])
    assert both.predicted_iou.tolist() == pytest.approx([0.9, 0.6, 0.45])
    assert both.crop_boxes.tolist() == [[0, 0, 120, 80], [40, 0, 120, 80]]
    assert both.prompts == (3, 3) and both.complete
    for row, (part, own) in enumerate([(first, 0), (second, 0), (first, 1)]):
        y, x, mask = both.mask(row)
        expected = part.mask(own)
        assert (y, x) == expected[:2]
        np.testing.assert_array_equal(mask, expected[2])
    again = load_candidates(save_candidates(both, tmp_path / "pooled.npz"))
    np.testing.assert_array_equal(again.boxes, both.boxes)
    assert take(both, np.array([2, 0])).predicted_iou.tolist() == pytest.approx([0.45, 0.9])
    assert len(take(both, np.zeros(0, int))) == 0
    assert pool([first]) is first


def test_points_stand_in_gaps_and_denser():
    covered_area = np.zeros(SHAPE, bool)
    covered_area[:, :60] = True
    points = gap_points(covered_area, 24)
    assert (points[:, 0] >= 60).all() and points[:, 1].max() < 80
    assert len(points) == pytest.approx(4 * 24 / 2, rel=0.3)
    assert len(gap_points(np.ones(SHAPE, bool), 24)) == 0
    boxes = np.array([[0, 0, 120, 80], [0, 0, 70, 80], [50, 0, 120, 80]])
    owner = nearest_crop(np.array([[10, 10], [59, 40], [61, 40], [110, 70]], np.float32), boxes)
    assert owner.tolist() == [1, 1, 2, 2]


class FakeModel:
    family = "bundled"


@pytest.fixture
def engine(monkeypatch):
    """Replace the engine: the good mask first, then what lies under the points of a later question."""
    asked = []

    def propose(view, settings, model, *, progress, floor=None, crops=None):
        asked.append((view, settings, crops))
        progress(Progress("points", 8, 16))
        if crops is None:
            return replace(make_candidates(SHAPE, [GOOD], settings=settings), prompts=(16, 16))
        points = np.concatenate([crop.points + np.array(crop.box[:2]) for crop in crops])
        hit = [b for b in (Blob(30, 80, 10, 10, 0.8), Blob(31, 31, 9, 9, 0.95))
               if (np.hypot(*(points - [b.x, b.y]).T) < 4).any() or b.x == 31]  # fmt: skip
        return make_candidates(SHAPE, hit, settings=settings)

    monkeypatch.setattr("napari_sam2_automask.engine.propose", propose)
    return asked


VIEW = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), np.uint8)


def test_gaps_are_asked_again_and_only_what_is_new_is_taken(engine):
    reports = []
    found = propose_view(VIEW, BASE.replace(fill_gaps=True), FakeModel(), progress=reports.append)
    assert sorted(found.points[:, 0].tolist()) == [30, 80], "the mask over the good one is not new"
    _, settings, crops = engine[1]
    assert settings.fitted and settings.object_diameter == pytest.approx(20, rel=0.1)
    points = np.concatenate([crop.points for crop in crops])
    assert not covered_pixels(select(pool([make_candidates(SHAPE, [GOOD], settings=BASE)]), BASE))[
        points[:, 1].astype(int), points[:, 0].astype(int)
    ].any()
    points = [report for report in reports if report.stage == "points"]
    assert points[-1] == Progress("points", 8 + 16, 16 + 16), "points of the first pass count"
    assert reports[-1].stage == "select"
    engine.clear()
    assert len(propose_view(VIEW, BASE, FakeModel())) == 1 and len(engine) == 1


def test_what_lies_on_other_masks_is_not_in_a_gap(candidates):
    area = covered_pixels(select(candidates, BASE))
    kept = in_gaps(candidates, area)
    assert sorted(kept.points[:, 0].tolist()) == [60, 80]


def test_renderings_are_pooled(engine):
    found = propose_view(VIEW, BASE.replace(renderings="raw+gamma+inverted"), FakeModel(), also=[VIEW])
    assert len(found) == 6 and len(engine) == 6
    np.testing.assert_array_equal(engine[0][0], VIEW)
    np.testing.assert_array_equal(engine[2][0], 255 - VIEW)


def test_a_cancel_between_renderings_keeps_what_was_found(engine):
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 2:
            raise Cancelled

    with pytest.raises(Cancelled) as caught:
        propose_view(VIEW, BASE.replace(renderings="raw+inverted"), FakeModel(), progress=stop)
    assert len(caught.value.candidates) == 1 and not caught.value.candidates.complete
    assert seen[1] == Progress("points", 8 + 16, 32)


@pytest.mark.parametrize(
    "name", [c for info in Settings.fields() if info.name == "renderings" for c in info.choices]
)
def test_every_rendering_is_a_picture(name):
    gray = np.repeat(VIEW[..., :1], 3, 2)
    for view in (VIEW, gray, np.zeros_like(VIEW), VIEW[:1, :1]):
        shown = render(view, name)
        assert len(shown) == len(name.split("+"))
        assert all(one.shape == view.shape and one.dtype == np.uint8 for one in shown)
        assert all(one.flags.c_contiguous for one in shown)
        if name.startswith("raw"):
            np.testing.assert_array_equal(shown[0], view)


def test_local_contrast_shows_what_is_faint():
    view = np.full((64, 64, 3), 20, np.uint8)
    view[20:30, 20:30] = 26
    view[50:, :] = 250
    local = render(view, "raw+local")[1].astype(int)
    assert local[25, 25, 0] - local[40, 40, 0] > 7
    assert render(view, "raw+gamma")[1][25, 25, 0] == round(255 * (26 / 255) ** 0.5)

"""Points at the objects that the dense head sees, in place of a grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from parity_kit import as_model, blobs, calibrate, small_network
from scipy.ndimage import center_of_mass
from scipy.spatial.distance import cdist

from napari_sam2_automask import AmgSettings, load_model, select
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.engine import proposal_run, propose
from napari_sam2_automask.engine.collector import Found
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.finder import show_objects
from napari_sam2_automask.engine.object_rounds import Rounds
from napari_sam2_automask.engine.points.fitted_grid import crops, tile
from napari_sam2_automask.engine.points.grid import Crop, ObjectPoints
from napari_sam2_automask.engine.points.objects import RIM, SQUARE, see_objects
from napari_sam2_automask.evaluation.score import match
from napari_sam2_automask.geometry.spans import spans
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.proposal.passes import propose_view
from napari_sam2_automask.samples import samples
from napari_sam2_automask.settings.presets import PRESETS

SAMPLES = {sample.name: sample for sample in samples()}
BALANCED = PRESETS["balanced"].for_model("bundled")
NOTHING = np.zeros((0, 2), np.float32)


@pytest.fixture(scope="module")
def bundled():
    return load_model("bundled", device="cpu")


@pytest.fixture(scope="module")
def view():
    return to_model_view(SAMPLES["fluorescence_nuclei"].image()[:100, :120])


def dense_of(labels, agree=True):
    """Return what a perfect head says of a label image of cells, or one that scatters centres widely."""
    dense = np.zeros((4, *labels.shape), np.float32)
    dense[0] = np.where(labels > 0, 6.0, -6.0)
    rng = np.random.default_rng(0)
    for label in np.unique(labels[labels > 0]):
        at = np.array(np.nonzero(labels == label))
        centre = np.array(center_of_mass(labels == label))[:, None]
        scatter = np.zeros(at.shape) if agree else rng.normal(0, 25, at.shape)
        dense[1:3, at[0], at[1]] = (centre - at + scatter) / 8
        dense[3, at[0], at[1]] = np.log(np.sqrt(at.shape[1] / np.pi) / 4)
    return dense


def discs(shape, places, radius=5):
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, int)
    for number, (row, column) in enumerate(places, 1):
        labels[np.hypot(y - row, x - column) <= radius] = number
    return labels


def whole(height, width):
    return Crop(0, (0, 0, width, height), NOTHING)


def label_at(labels, points, crop):
    """Return the label under points in pixels of a crop that is shown as it is."""
    scale = np.array(labels.shape[::-1]) / crop.shape[::-1]
    column, row = (points * scale).astype(int).T
    return labels[row, column]


PLACES = [(12, 12), (12, 24), (30, 50), (50, 20)]


@pytest.mark.parametrize("most", [1, 2, 4])
def test_each_object_is_asked_at_its_centre_half_way_to_its_neighbour_and_around(most):
    labels, crop = discs((64, 64), PLACES), whole(400, 400)
    seen = see_objects(dense_of(labels), crop, most)
    assert label_at(labels, seen.centres, crop).tolist() == [1, 2, 3, 4]
    cell = 400 / 64
    middles = (np.array(PLACES)[:, ::-1] + 0.5) * cell
    np.testing.assert_allclose(seen.centres, middles, atol=0.6 * cell)
    assert seen.owner.tolist() == np.repeat(np.arange(4), most + 1).tolist()
    places = seen.further.reshape(4, most + 1, 2)
    np.testing.assert_allclose(places[:2, 0], [middles[:2].mean(0)] * 2, atol=0.6 * cell)
    away = places[:, 1:] - middles[:, None]
    np.testing.assert_allclose(np.linalg.norm(away, axis=-1), 5 * RIM * cell, atol=0.6 * cell)
    # Seen from the centre they and the way to the neighbour share the circle evenly.
    angles = np.sort(np.arctan2(*(places - middles[:, None]).T).T % (2 * np.pi), axis=1)
    gaps = np.diff(np.concatenate([angles, angles[:, :1] + 2 * np.pi], 1), axis=1)
    np.testing.assert_allclose(gaps, 2 * np.pi / (most + 1), atol=0.25)
    assert len(seen) == 4 + 4 * (most + 1) + len(seen.sparse)


def test_an_object_alone_has_no_way_to_a_neighbour():
    seen = see_objects(dense_of(discs((64, 64), [(32, 32)])), whole(256, 256), 2)
    assert len(seen.centres) == 1 and len(seen.further) == 2


def test_sparse_points_lie_all_over_what_was_seen_and_nowhere_else():
    labels = np.zeros((64, 64), int)
    labels[20:30, 4:60] = 1
    crop = whole(256, 256)
    seen = see_objects(dense_of(labels, agree=False), crop, 3)
    assert len(seen.centres) == 0, "no centre that cells agree on"
    assert (label_at(labels, seen.sparse, crop) == 1).all()
    squares = {tuple(square) for square in (seen.sparse / 4 // SQUARE).astype(int).tolist()}
    row, column = np.nonzero(labels)
    assert squares == set(zip((column // SQUARE).tolist(), (row // SQUARE).tolist(), strict=True))
    unsure = dense_of(labels, agree=False)
    unsure[0] = np.where(labels > 0, 1.0, -6.0)
    assert len(see_objects(unsure, crop, 3)) == 0


def test_where_nothing_is_seen_or_only_texture_nothing_is_asked():
    labels = discs((64, 64), PLACES)
    assert len(see_objects(dense_of(np.zeros_like(labels)), whole(256, 256), 3)) == 0
    # The same discs in a picture so small that they are three pixels wide.
    assert len(see_objects(dense_of(labels), whole(16, 16), 3)) == 0


def test_what_lies_in_the_mirror_of_a_long_crop_is_not_asked():
    crop = tile(0, (0, 0, 400, 100), NOTHING)
    assert crop.square and crop.before == (150, 0)
    seen = see_objects(dense_of(discs((64, 64), [(10, 20), (32, 40), (54, 20)])), crop, 3)
    np.testing.assert_allclose(seen.centres, [[40.5 * 400 / 64, 32.5 * 400 / 64 - 150]], atol=4)
    for points in (seen.centres, seen.further, seen.sparse):
        assert (points >= 0).all() and (points < (400, 100)).all()


def test_an_object_is_asked_in_the_tile_whose_part_it_lies_in_and_at_a_border_in_one_at_least():
    """Tiles of 64 cells of 4 pixels, which look at one picture of cells."""
    rng = np.random.default_rng(3)
    places = [(r, c) for r in range(8, 90, 14) for c in range(8, 120, 14)]
    labels = discs((96, 128), rng.integers(-1, 2, (len(places), 2)) + places, radius=4)
    pieces = crops((384, 512), spans(384, 256, 60), spans(512, 256, 60), 1e9)
    asked = np.zeros(len(places) + 1, int)
    for crop in pieces:
        x0, y0, x1, y1 = (side // 4 for side in crop.box)
        part = labels[y0:y1, x0:x1]
        seen = see_objects(dense_of(part), crop, 1)
        assert crop.owns(seen.centres, 9.0).all()
        np.add.at(asked, label_at(part, seen.centres, crop), 1)
    assert (asked[1:] >= 1).all() and asked[1:].mean() < 1.3 and asked[0] == 0


def found_at(point, mask_rows, rated=0.9, stable=0.95):
    window = np.full((mask_rows.stop - mask_rows.start, 16), 3.0, np.float16)
    box, repairs = np.zeros(4, int), np.zeros((2, 0), int)
    return Found(rated, stable, box, 1, np.float32(point), 0, (mask_rows.start, 0), window, repairs)


def asked_in(seen, answers, settings=AmgSettings(pred_iou_thresh=0.6, stability_score_thresh=0.9)):  # noqa: B008
    """Return the points of each round and how many were left out, where points give certain masks."""
    rounds = Rounds(seen, Crop(0, (100, 0, 132, 32), NOTHING), (16, 16), settings)
    asked, left_out = [], 0
    for points, count in rounds:
        asked.append(points.tolist())
        left_out += count
        rounds.found(one for point in points.tolist() for one in answers(point))
    assert sum(map(len, asked)) + left_out == len(seen)
    return asked


SPARSE = np.float32([[x, y] for y in (5, 15, 25) for x in (5, 15, 25)])
SEEN = ObjectPoints(
    np.float32([[4, 3], [20, 3]]),
    np.float32([[6, 3], [12, 3], [22, 3], [12, 3]]),
    np.array([0, 0, 1, 1]),
    SPARSE,
)


def test_objects_that_gave_a_mask_are_asked_further_and_what_it_covers_is_not_asked_again():
    def both(point):
        return [found_at((point[0] + 100, point[1]), slice(0, 6))] if point[1] == 3 else []

    centres, further, sparse = asked_in(SEEN, both)
    assert centres == [[4, 3], [20, 3]]
    assert further == [[6, 3], [12, 3], [22, 3]], "what two share is asked once"
    assert sparse == SPARSE[3:].tolist(), "rows to 12 are covered, and the next one is beside them"


@pytest.mark.parametrize(("rated", "stable"), [(0.55, 0.95), (0.9, 0.85)])
def test_masks_that_cannot_be_chosen_do_not_count(rated, stable):
    def poor(point):
        return [found_at((point[0] + 100, point[1]), slice(0, 16), rated, stable)]

    assert [len(points) for points in asked_in(SEEN, poor)] == [2, 0, 9]
    lenient = AmgSettings(pred_iou_thresh=0.6, stability_score_thresh=0.9, gap_leniency=0.2)
    assert [len(points) for points in asked_in(SEEN, poor, lenient)] == [2, 3, 0]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_objects_are_found_as_well_as_on_a_grid_with_a_fraction_of_the_prompts(name, bundled):
    sample = SAMPLES[name]
    image, truth = (array[:160, :160] for array in (sample.image(), sample.truth()))
    ways = [BALANCED, BALANCED.replace(prompts="grid", points_per_diameter=3)]
    objects, grid = (propose(to_model_view(image), settings, bundled) for settings in ways)
    f1 = [
        match(paint(select(found, settings)).labels, truth).f1
        for found, settings in zip((objects, grid), ways, strict=True)
    ]
    assert f1[0] >= f1[1] - 0.03
    asked = grid.prompts[0] - grid.removed["no object near the point"] // 3
    assert objects.prompts[0] < asked / 3
    assert objects.complete and len(objects) + sum(objects.removed.values()) == 3 * objects.prompts[0]


def same(a, b):
    return np.array_equal(a.boxes, b.boxes) and np.array_equal(a.windows.values, b.windows.values)


def test_a_repetition_and_a_lower_floor_give_the_same_masks(bundled, view):
    first = propose(view, BALANCED, bundled)
    features_cache.clear()
    assert same(propose(view, BALANCED, bundled), first)
    more = propose(view, BALANCED, bundled, floor=Floor(0.2, 0.5))
    assert more.prompts == first.prompts and len(more) > len(first)
    np.testing.assert_array_equal(select(more, BALANCED).boxes, select(first, BALANCED).boxes)


def test_prompts_are_counted_towards_an_end_that_comes_nearer(bundled, view, monkeypatch):
    monkeypatch.setattr(proposal_run, "_REPORT", 0.0)
    told = []
    found = propose(view, BALANCED.replace(object_diameter=4.0), bundled, progress=told.append)
    points = [(p.done, p.total) for p in told if p.stage == "points"]
    assert len(found.crop_boxes) > 2 and points[-1] == found.prompts and len(set(found.prompts)) == 1
    shares = [done / total for done, total in points]
    assert shares == sorted(shares) and shares[0] < 0.3
    assert {p.total for p in told if p.stage == "encoder"} == {len(found.crop_boxes)}


def test_tiles_beyond_those_looked_at_together_give_the_same_masks(bundled, view, monkeypatch):
    settings = BALANCED.replace(object_diameter=4.0)
    together = propose(view, settings, bundled)
    assert len(together.crop_boxes) > 2
    monkeypatch.setattr(proposal_run, "_LOOKED_AT", 2)
    assert same(propose(view, settings, bundled), together)


def test_a_cancel_keeps_what_was_found(bundled, view):
    def stop(p):
        if p.stage == "points" and p.done > 20:
            raise Cancelled

    with pytest.raises(Cancelled) as caught:
        propose(view, BALANCED, bundled, progress=stop)
    found = caught.value.candidates
    assert len(found) and not found.complete and found.prompts[0] < found.prompts[1]


def test_a_window_of_a_large_image_is_asked_alike_whichever_others_are(bundled, view):
    rows, columns = spans(view.shape[0], 120, 40), spans(view.shape[1], 120, 40)
    settings = BALANCED.replace(object_diameter=14)
    pieces = crops(view.shape[:2], rows, columns, 7)
    everything = propose(view, settings, bundled, crops=pieces)
    alone = propose(view, settings, bundled, crops=pieces[2:3])
    mine = np.sort(everything.predicted_iou[everything.crop_index == 2])
    np.testing.assert_array_equal(np.sort(alone.predicted_iou), mine)


def test_gaps_are_asked_on_a_grid_as_dense_as_a_fit(bundled, view):
    settings = BALANCED.replace(object_diameter=20.0, fill_gaps=True, pred_iou_thresh=0.85, gap_leniency=0.0)
    first = propose_view(view, settings.replace(fill_gaps=False), bundled)
    again = propose_view(view, settings, bundled)
    dense = view.shape[0] * view.shape[1] * (2 * settings.points_per_diameter / 20) ** 2
    assert first.prompts[0] < again.prompts[0] < first.prompts[0] + 1.1 * dense
    assert set(map(tuple, first.points.tolist())) <= set(map(tuple, again.points.tolist()))


@pytest.fixture(scope="module")
def other():
    """Return a model that cannot tell where objects are."""
    network = small_network(0)
    calibrate(network, blobs((150, 200), seed=1, scale=0.15))
    return as_model(network)


@pytest.mark.parametrize("changes", [{}, {"fit_objects": True}, {"crop_n_layers": 1}])
def test_other_models_are_asked_where_the_bundled_one_sees_objects(changes, other, view, monkeypatch):
    seen = []

    def see(self, crop, see=proposal_run.Proposal.see):
        seen.append((crop, see(self, crop)))
        return seen[-1][1]

    monkeypatch.setattr(proposal_run.Proposal, "see", see)
    settings = AmgSettings(prompts="objects", pred_iou_thresh=0.5, stability_score_thresh=0.5, **changes)
    found = propose(view, settings, other)
    assert found.complete and found.model["name"] == other.name and len(found)
    places = np.concatenate(
        [
            points + np.array(crop.box[:2])
            for crop, objects in seen
            for points in (objects.centres, objects.further, objects.sparse)
        ]
    )
    assert cdist(found.points, places).min(1).max() < 1e-3
    assert 0 < found.prompts[0] <= len(places) * len(found.crop_boxes)
    assert same(propose(view, settings, other), found)


def test_what_is_seen_in_tiles_goes_to_the_crops_whose_part_it_lies_in():
    looked_at = [Crop(0, (0, 0, 60, 100), NOTHING), Crop(1, (40, 0, 100, 100), NOTHING)]
    seen = {
        0: ObjectPoints(
            np.float32([[10, 10]]), np.float32([[12, 10]]), np.array([0]), np.float32([[10, 90]])
        ),
        1: ObjectPoints(
            np.float32([[30, 50], [55, 50]]), np.float32([[59, 50], [30, 52]]), np.array([1, 0]), NOTHING
        ),
    }
    left = replace(tile(0, (0, 0, 97, 100), NOTHING), own=(0.0, 0.0, 80.0, 100.0))
    right = Crop(1, (80, 0, 100, 100), NOTHING)
    a, b = (crop.seen for crop in show_objects([left, right], looked_at, lambda crop: seen[crop.index]))
    assert a.centres.tolist() == [[10, 10], [70, 50]] and b.centres.tolist() == [[15, 50]]
    assert a.further.tolist() == [[12, 10], [70, 52]] and a.owner.tolist() == [0, 1]
    assert b.further.tolist() == [[19, 50]] and b.owner.tolist() == [0]
    assert a.sparse.tolist() == [[10, 90]] and len(b.sparse) == 0

"""Points and magnification that fit the size of the objects."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label, regionprops

from napari_sam2_automask import AmgSettings, load_model, segment
from napari_sam2_automask.candidates.file import load_candidates, save_candidates
from napari_sam2_automask.engine import propose
from napari_sam2_automask.engine.points.fitted_grid import AIM, counts, plain_tiles, tiles
from napari_sam2_automask.engine.points.fitting import diameter_of_candidates
from napari_sam2_automask.engine.proposing import estimate_diameter
from napari_sam2_automask.errors import CandidatesError, SettingsError
from napari_sam2_automask.evaluation.score import Match, f1, match
from napari_sam2_automask.geometry.spans import ALMOST
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.samples import samples
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.presets import PRESETS

SAMPLES = {sample.name: sample for sample in samples()}


@pytest.fixture(scope="module")
def bundled():
    return load_model("bundled", device="cpu")


def covered(shape, crops, diameter, count=2000):
    """Share of randomly placed discs of a diameter that hold a point and lie whole in its tile."""
    rng = np.random.default_rng(0)
    radius = diameter / 2
    y = rng.uniform(radius, shape[0] - radius, count)
    x = rng.uniform(radius, shape[1] - radius, count)
    hit = np.zeros(count, bool)
    for crop in crops:
        x0, y0, x1, y1 = crop.box
        whole = (x - radius >= x0) & (x + radius <= x1) & (y - radius >= y0) & (y + radius <= y1)
        points = crop.points + np.array([x0, y0])
        for i in np.flatnonzero(whole & ~hit):
            hit[i] = (np.hypot(points[:, 0] - x[i], points[:, 1] - y[i]) <= radius).any()
    return hit.mean()


@pytest.mark.parametrize("shape", [(512, 512), (300, 700), (1024, 1024), (297, 261)])
@pytest.mark.parametrize("diameter", [6.0, 11.5, 40.0, 200.0])
def test_objects_of_the_diameter_get_a_point(shape, diameter):
    assert covered(shape, tiles(shape, diameter, 2), diameter) >= 0.98


@pytest.mark.parametrize("shape", [(512, 512), (300, 700), (2000, 1500)])
@pytest.mark.parametrize("diameter", [6.0, 15.0, 23.0, 50.0])
def test_objects_appear_large_enough_and_no_place_is_asked_twice(shape, diameter):
    crops = tiles(shape, diameter, 2)
    side = np.sqrt(shape[0] * shape[1])
    for x0, y0, x1, y1 in (crop.box for crop in crops):
        assert 0 <= x0 < x1 <= shape[1] and 0 <= y0 < y1 <= shape[0]
        if len(crops) > 1:
            # Tiles come out larger than wished where nearly the whole length fits into one.
            assert diameter / max(x1 - x0, y1 - y0) >= 0.75 * AIM
        else:
            assert diameter / side >= ALMOST * AIM
    points = np.concatenate([crop.points + np.array(crop.box[:2]) for crop in crops])
    gaps = np.diff(np.unique(points[:, 0].round(3))), np.diff(np.unique(points[:, 1].round(3)))
    assert len(np.unique(points.round(3), axis=0)) == len(points)
    assert all(gap.max() <= diameter / 2 + 0.01 for gap in gaps)


def test_a_diameter_that_would_take_forever_is_refused():
    with pytest.raises(SettingsError, match="object_diameter"):
        tiles((20_000, 20_000), 3.0, 2)


def test_objects_nearly_as_large_as_the_tiles_take_few_of_them():
    for diameter in (199.0, 200.0, 201.0, 500.0):
        assert len(tiles((400, 900), diameter, 2)) <= 4


def test_points_of_a_fit_are_no_closer_than_pixels():
    crops = tiles((30, 40), 1.0, 16)
    assert sum(len(crop.points) for crop in crops) == 30 * 40


def test_noise_around_few_objects_does_not_tell_their_size(bundled):
    """A window of an image holds objects of the image's size, though magnified noise has more "objects"."""
    image = SAMPLES["fluorescence_nuclei"].image()
    whole = estimate_diameter(to_model_view(image), bundled)
    assert 30 < whole < 38
    for y, x in ((250, 140), (250, 164), (0, 0), (100, 450), (300, 300)):
        window = estimate_diameter(to_model_view(image[y : y + 200, x : x + 200]), bundled)
        assert 0.75 * whole < window < 1.2 * whole


@pytest.mark.parametrize("shape", [(40, 1000), (1000, 40), (3, 500), (1, 70)])
@pytest.mark.parametrize("diameter", [6.0, 24.0, 100.0])
def test_long_images_are_shown_in_squares(shape, diameter):
    view = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    for crop in tiles(shape, diameter, 2):
        height, width = crop.shown
        seen = crop.pixels(view)
        assert seen.shape == (height, width, 3)
        assert max(height, width) <= 3 * min(height, width)
        (y, x), (rows, columns), (x0, y0, x1, y1) = crop.before, crop.shape, crop.box
        np.testing.assert_array_equal(seen[y : y + rows, x : x + columns], view[y0:y1, x0:x1])
    if diameter < min(shape):
        assert covered(shape, tiles(shape, diameter, 2), diameter) >= 0.98


def test_a_plain_grid_in_place_of_a_fit_has_no_points_that_are_too_close():
    settings = AmgSettings(points_per_side=32, fit_objects=True)
    assert plain_tiles((200, 300), settings)[0].points.shape == (32 * 32, 2)
    assert sum(len(crop.points) for crop in plain_tiles((64, 64), settings)) == 16 * 16
    long = plain_tiles((40, 1000), settings)
    assert len(long) > 1 and all(crop.square for crop in long)
    assert sum(len(crop.points) for crop in long) == pytest.approx(32 * 32, rel=0.1)


def strip(n=10, radius=12, shape=(40, 1000)):
    """Discs in a row, and their labels."""
    image, truth = np.random.default_rng(0).normal(40, 4, shape), np.zeros(shape, int)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for k in range(n):
        disc = (y - shape[0] / 2) ** 2 + (x - (k + 0.5) * shape[1] / n) ** 2 <= radius**2
        image[disc] += 120
        truth[disc] = k + 1
    return image.clip(0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("diameter", [0.0, 24.0])
def test_objects_in_long_images_are_found(bundled, turned, diameter):
    image, truth = strip()
    if turned:
        image, truth = image.T, truth.T
    settings = PRESETS["balanced"].for_model("bundled").replace(object_diameter=diameter)
    result = segment(image, settings, bundled)
    assert match(result.labels, truth, 0.8) == Match(10, 0, 0)
    assert result.record["object_diameter"] == pytest.approx(24, rel=0.1)


def test_a_part_of_an_image_that_is_long_is_of_the_same_objects(bundled):
    sample = SAMPLES["fluorescence_nuclei"]
    result = segment(sample.image()[100:140], "balanced", bundled)
    areas = [region.area for region in regionprops(sample.truth())]
    expected = 2 * np.sqrt(np.median(areas) / np.pi)
    assert result.record["object_diameter"] == pytest.approx(expected, rel=0.25)
    assert match(result.labels, sample.truth()[100:140]).tp >= 7


def test_background_alone_holds_no_objects_of_a_size(bundled):
    image = SAMPLES["fluorescence_nuclei"].image()[:64, 64:128]
    result = segment(image, "balanced", bundled)
    assert "object_diameter" not in result.record
    assert len(result.table) < 10
    assert result.masks.candidates.prompts[0] < 50
    grid = segment(image, PRESETS["balanced"].for_model("bundled").replace(prompts="grid"), bundled)
    assert len(grid.table) < 10
    assert grid.masks.candidates.prompts == (256, 256)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_bundled_model_estimates_the_diameter(name, bundled):
    sample = SAMPLES[name]
    settings = AmgSettings(fit_objects=True, points_per_diameter=1)
    found = propose(to_model_view(sample.image()), settings, bundled).object_diameter
    areas = [region.area for region in regionprops(sample.truth())]
    assert found == pytest.approx(2 * np.sqrt(np.median(areas) / np.pi), rel=0.25)


def test_small_objects_are_found_only_when_magnified(bundled):
    """The sample at a sixth of its size in a corner of a large image: objects of five pixels."""
    from skimage.transform import resize

    image, truth = SAMPLES["fluorescence_nuclei"].image(), SAMPLES["fluorescence_nuclei"].truth()
    small = [s // 6 for s in image.shape[:2]]
    image = resize(image[..., 0] if image.ndim == 3 else image, small, anti_aliasing=True)
    truth = resize(truth, small, order=0, preserve_range=True, anti_aliasing=False)
    image = np.pad(image, [(0, 2 * n) for n in small], mode="minimum")
    count = len(np.unique(truth[truth > 0]))
    loose = AmgSettings(pred_iou_thresh=0.4, stability_score_thresh=0.7, box_nms_thresh=0.3)
    plain = segment(image, loose.replace(points_per_side=16), bundled).labels
    fitted = segment(image, loose.replace(object_diameter=5.5, points_per_diameter=1), bundled).labels
    assert len(np.unique(fitted)) - 1 > 0.3 * count
    assert len(np.unique(fitted)) > 2 * len(np.unique(plain))


def test_points_on_background_are_not_asked(bundled):
    sample = SAMPLES["fluorescence_nuclei"]
    candidates = propose(to_model_view(sample.image()), AmgSettings(object_diameter=30), bundled)
    asked, planned = candidates.prompts
    skipped = candidates.removed["no object near the point"] / 3
    assert asked == planned
    assert 0.2 * planned < skipped < planned
    assert len(candidates) + sum(candidates.removed.values()) == 3 * planned


def test_what_was_found_is_in_the_record_and_in_the_saved_candidates(bundled, tmp_path):
    sample = SAMPLES["fluorescence_nuclei"]
    result = segment(sample.image(), AmgSettings(fit_objects=True, points_per_diameter=1), bundled)
    found = result.masks.candidates.object_diameter
    assert result.record["object_diameter"] == pytest.approx(found, abs=0.01)
    saved = load_candidates(save_candidates(result.masks.candidates, tmp_path / "a.candidates.npz"))
    assert saved.object_diameter == pytest.approx(found)
    with pytest.raises(CandidatesError, match="fit_objects"):
        select(saved, AmgSettings(points_per_diameter=1))


def test_an_empty_image_falls_back_to_the_plain_grid(bundled):
    candidates = propose(
        np.zeros((64, 64, 3), np.uint8), AmgSettings(fit_objects=True, points_per_side=4), bundled
    )
    assert candidates.object_diameter == 0
    assert candidates.prompts == (16, 16)


def test_other_models_take_the_diameter_from_a_first_pass(bundled):
    sample = SAMPLES["fluorescence_nuclei"]
    first = propose(to_model_view(sample.image()), AmgSettings(pred_iou_thresh=0.6), bundled)
    areas = [region.area for region in regionprops(sample.truth())]
    expected = 2 * np.sqrt(np.median(areas) / np.pi)
    assert diameter_of_candidates(first) == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("shape", [(120, 160), (1000, 1000), (200, 2000)])
@pytest.mark.parametrize("diameter", [5.0, 21.0, 300.0])
def test_counts_are_those_of_the_tiles(shape, diameter):
    found = tiles(shape, diameter, 3)
    assert counts(shape, diameter, 3) == (len(found), sum(len(crop.points) for crop in found))


@pytest.mark.parametrize(
    ("name", "margin", "at_least"), [("stained_nuclei", 0.4, 0.77), ("phase_contrast_cells", 0.25, 0.78)]
)
def test_small_objects_in_an_image_somewhat_larger_are_seen(bundled, name, margin, at_least):
    """Typical objects of 23 to 25 pixels of 512 are seen as they are, but smaller ones are not."""
    image, truth = SAMPLES[name].image(), SAMPLES[name].truth()
    around = [(int(n * margin),) * 2 for n in truth.shape]
    larger = np.pad(image, around + [(0, 0)] * (image.ndim - 2), mode="reflect")
    # What the mirror makes of an object is one of its own, unless both touch.
    objects = label(np.pad(truth, around, mode="reflect"), connectivity=1)
    assert f1(segment(larger, "balanced", bundled).labels, objects) >= at_least

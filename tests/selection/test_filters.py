"""Filters by measures: what is kept is what `measure` says, and other images are not asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from candidate_factory import random_candidates

from napari_sam2_automask import AmgSettings, LiveSelection, measure, paint, select
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.pipeline import choose_and_paint
from napari_sam2_automask.selection.measured import know_picture
from napari_sam2_automask.settings.filters import FILTERS

SHAPE = (110, 130)
OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)


@pytest.fixture
def candidates():
    return random_candidates(SHAPE, 60, seed=4, settings=OPEN)


def of_each(masks, **more):
    """Return what `measure` says of each whole mask by itself."""
    found = {}
    for label, placed in masks.placed().items():
        (found[label],) = measure(placed.whole(SHAPE).astype(int), **more).to_dict("records")
    return found


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_kept_is_what_the_measure_says(candidates, name):
    every = OPEN.replace(box_nms_thresh=1.0)  # nothing is suppressed that another filter would let live
    whole = of_each(select(candidates, every))
    middle = float(np.median([row[name] for row in whole.values()]))
    for span in ((middle, None), (None, middle), (middle, middle)):
        kept = select(candidates, every.replace(filters=[(name, *span)]))
        low, high = (-np.inf if span[0] is None else span[0], np.inf if span[1] is None else span[1])
        assert set(kept.ids.tolist()) == {label for label, row in whole.items() if low <= row[name] <= high}
        assert kept.removed[name.replace("_", " ")] == len(whole) - len(kept)


def test_intensities_of_a_channel(candidates):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 999, (*SHAPE, 2)).astype(np.uint16)
    picture = LoadedImage(array, None, channels="mix", names=("DAPI", "GFP"))
    every = OPEN.replace(box_nms_thresh=1.0)
    whole = of_each(select(candidates, every), image=picture.intensities)
    middle = float(np.median([row["intensity_std_GFP"] for row in whole.values()]))
    done = choose_and_paint(candidates, every.replace(filters=[("intensity_std_GFP", middle, None)]), picture)
    assert set(done.masks.ids.tolist()) == {
        k for k, row in whole.items() if row["intensity_std_GFP"] >= middle
    }
    with pytest.raises(CandidatesError, match=r"no intensity_std_RFP of this image.*intensity_std_GFP"):
        choose_and_paint(candidates, every.replace(filters=[("intensity_std_RFP", 1, None)]), picture)


def test_objects_of_which_nothing_was_measured_pass_no_filter_of_intensities(candidates):
    dark = LoadedImage(np.where(np.arange(SHAPE[1]) < SHAPE[1] // 2, np.nan, np.zeros(SHAPE)), None)
    every = OPEN.replace(box_nms_thresh=1.0)
    whole = of_each(select(candidates, every), measures=["intensity_sum"], image=dark.array)
    done = choose_and_paint(candidates, every.replace(filters=[("intensity_sum", None, 5)]), dark)
    known = {label for label, row in whole.items() if row["intensity_sum"] == 0}
    assert 0 < len(known) < len(whole) and set(done.masks.ids.tolist()) == known


def test_intensities_without_an_image_are_refused(candidates):
    settings = OPEN.replace(filters=[("intensity_mean", 1, None)])
    with pytest.raises(CandidatesError, match="needs the image"):
        select(candidates, settings)
    live = LiveSelection(candidates)
    before = live.update(OPEN)
    with pytest.raises(CandidatesError, match="needs the image"):
        live.update(settings)
    assert live.change is before


def test_shapes_are_true_where_pixels_are_longer_one_way(candidates):
    every = OPEN.replace(box_nms_thresh=1.0)
    whole = of_each(select(candidates, every), pixel_size=(1.0, 0.5), unit="um")
    kept = every.replace(filters=[("eccentricity", None, 0.8)])
    plain = select(candidates, kept).ids.tolist()
    know_picture(candidates, LoadedImage(np.zeros(SHAPE), None, pixel_size=(1.0, 0.5), unit="um"))
    true = select(candidates, kept).ids.tolist()
    assert set(true) == {label for label, row in whole.items() if row["eccentricity"] <= 0.8}
    assert true != plain


def test_a_record_repeats_filters_byte_for_byte(candidates):
    settings = OPEN.replace(filters=[("circularity", 0.7, None)], measures=("circularity",))
    again = AmgSettings.from_json(json.loads(json.dumps(settings.to_json())))
    one, other = paint(select(candidates, settings)), paint(select(candidates, again))
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.labels.any() and one.table.equals(other.table)


def test_measures_are_computed_once(candidates, monkeypatch):
    from napari_sam2_automask.selection import measured

    asked = []
    real = measured.shape_of
    monkeypatch.setattr(measured, "shape_of", lambda *args: asked.append(1) or real(*args))
    for least in (0.1, 0.5, 0.9):
        select(candidates, OPEN.replace(filters=[("solidity", least, None)]))
    assert 0 < len(asked) <= len(candidates)

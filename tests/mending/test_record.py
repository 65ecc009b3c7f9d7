"""What was mended is in the record, and a replay does it again."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from candidate_factory import random_candidates

from napari_sam2_automask import AmgSettings, Mends, paint, pipeline, select
from napari_sam2_automask.errors import MendError, SettingsError
from napari_sam2_automask.files.coco import to_coco
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.mending import mended_record, segmented
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.record.record import RECORD_VERSION, Record

SETTINGS = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
SHAPE = (80, 100)


@pytest.fixture
def candidates():
    return random_candidates(SHAPE, 60, seed=4, settings=SETTINGS, lowest=-2.0)


@pytest.fixture
def mends(candidates):
    mends = Mends(candidates)
    mends.settle(SETTINGS.replace(pred_iou_thresh=0.7))
    first, second, third = (np.bincount(mends.labels.ravel())[1:].argsort()[::-1][:3] + 1).tolist()
    mends.remove(first)
    mends.lock(second)
    y, x = np.nonzero(mends.labels == third)
    mends.split(third, seeds=[(y[0], x[0]), (y[-1], x[-1])])
    labels = mends.labels.copy()
    labels[labels == 0] = 0
    labels[2:6, 2:9] = 500
    mends.paint(labels)
    return mends


def test_without_mends_it_is_what_paint_gives(candidates):
    image = np.random.default_rng(0).random(SHAPE)
    done = segmented(Mends(candidates), LoadedImage(image, False))
    expected = paint(select(candidates, SETTINGS), image=image)
    np.testing.assert_array_equal(done.labels, expected.labels)
    pd.testing.assert_frame_equal(done.table, expected.table)
    assert done.record["removed"] == expected.record["removed"]
    visible = set(expected.table["index"])
    assert [m["area"] for m in done.records()] == [
        m["area"] for m, label in zip(expected.records(), expected.masks.ids, strict=True) if label in visible
    ] or len(done.records()) == len(visible)


def test_coco_has_no_scores_that_no_model_gave(mends):
    found = json.loads(json.dumps(to_coco(segmented(mends)), allow_nan=False))
    annotations = {one["id"]: one for one in found["annotations"]}
    made = {label for label, done in mends.edited.items() if done in ("split", "painted")}
    assert 500 in made and len(made) == 3
    assert annotations[500]["area"] == int((mends.labels == 500).sum())
    for label, one in annotations.items():
        for name in ("predicted_iou", "stability_score", "score"):
            assert (name in one) == (label not in made)
        assert ("point_coords" in one) == (label not in mends.edited)


def test_the_table_says_what_was_done(mends, candidates):
    image = np.random.default_rng(0).random(SHAPE)
    done = segmented(mends, LoadedImage(image, False))
    table = done.table.set_index("index")
    assert table["edited"].dropna().to_dict() == mends.edited
    for label, kept in mends.kept.items():
        assert table.loc[label, "area"] == table.loc[label, "mask_area"] == (mends.labels == label).sum()
        assert table.loc[label, "mean_intensity"] == pytest.approx(image[mends.labels == label].mean())
        if kept.edited == "locked":
            assert table.loc[label, "predicted_iou"] == candidates.predicted_iou[label - 1]
        else:
            assert np.isnan(table.loc[label, "predicted_iou"])
    others = table[table["edited"].isna()]
    np.testing.assert_array_equal(others["predicted_iou"], candidates.predicted_iou[others.index - 1])
    assert done.record["objects"] == len(table)
    masks = {int(n): mask for n, mask in zip(done.masks.ids, done.masks.arrays, strict=True)}
    assert masks[500].sum() == (mends.labels == 500).sum()


def test_a_record_does_the_mends_again(mends, candidates, monkeypatch):
    record = make_record(
        mends.settings, proposal=SETTINGS.to_json(), mends=mended_record(SETTINGS, mends.to_json())
    )
    read = Record.of(json.loads(json.dumps(record)))
    assert read.format_version == RECORD_VERSION >= 3
    monkeypatch.setattr(pipeline, "propose_views", lambda *_, **__: candidates)
    image = LoadedImage(np.zeros(SHAPE, np.uint8), False)
    model = type("M", (), {"family": "bundled", "description": lambda self: {"name": "blobs"}})()
    done = pipeline.segment_picture(image, read.settings, model, proposal=read.proposal, mends=read.mends)
    np.testing.assert_array_equal(done.labels, mends.labels)
    assert done.labels.dtype == mends.labels.dtype
    again = Record.of(json.loads(json.dumps(done.record)))
    assert again.mends == read.mends


def test_damaged_mends_of_a_record_are_refused(mends, candidates):
    told = mended_record(SETTINGS, mends.to_json())
    for damage in (
        {"steps": 3},
        {"steps": ["x"]},
        {"settings": {}, "steps": [], "used": -1},
        {"settings": 1},
    ):
        with pytest.raises(SettingsError):
            Record.of(make_record(SETTINGS) | {"mends": told | damage})
    wrong = told["steps"] + [{"action": "remove", "labels": [9_999]}]
    with pytest.raises(MendError, match=f"step {len(wrong)} of the mends"):
        Mends(candidates).replay(wrong)


def test_labels_of_another_origin_have_no_record():
    with pytest.raises(MendError, match="no settings"):
        segmented(Mends(np.eye(5, dtype=int)))

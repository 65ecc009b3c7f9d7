"""All levels: no mask loses a pixel, what lies in a mask is on a higher level; COCO and replay keep all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from candidate_factory import Blob, make_candidates, random_candidates
from mask_factory import make_masks, random_masks, rectangle
from pycocotools import mask as coco_mask
from skimage.measure import regionprops
from typer.testing import CliRunner

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.evaluation.sweeping import settings_of_sweep
from napari_sam2_automask.files.coco import to_coco
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.selection.nesting import CONTAINED
from napari_sam2_automask.settings.presets import PRESETS

SHAPE = (40, 60)
OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3, overlap="all_levels")
# A whole with a part and a grain in it, a copy of the whole, a neighbour that overlaps it, one apart.
WHOLE = rectangle(SHAPE, 2, 2, 30, 30)
PART = rectangle(SHAPE, 5, 5, 15, 15)
GRAIN = rectangle(SHAPE, 7, 7, 10, 10)
BESIDE = rectangle(SHAPE, 4, 28, 28, 50)
APART = rectangle(SHAPE, 34, 50, 38, 58)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def levels_of(result):
    """Return the level of each object, and its mask there."""
    return {
        int(label): (n, image == label)
        for n, image in enumerate(result.levels)
        for label in np.unique(image[image > 0])
    }


def test_what_lies_in_a_mask_is_on_the_next_level():
    masks = make_masks(SHAPE, [GRAIN, WHOLE, APART, PART], ids=[2, 4, 7, 9])
    result = paint(masks, overlap="all_levels")
    assert result.levels.shape == (3, *SHAPE) and result.levels.dtype == result.labels.dtype
    table = result.table.set_index("index")
    assert table["level"].to_dict() == {2: 2, 4: 0, 7: 0, 9: 1}
    assert table["parent"].to_dict() == {2: 9, 4: 0, 7: 0, 9: 4}
    for label, mask in ((2, GRAIN), (4, WHOLE), (7, APART), (9, PART)):
        np.testing.assert_array_equal(result.levels[table.loc[label, "level"]] == label, mask)
    np.testing.assert_array_equal(result.labels, paint(masks, overlap="small_on_top").labels)


def test_masks_that_only_overlap_are_kept_whole_on_further_levels():
    masks = make_masks(SHAPE, [BESIDE, WHOLE, PART], ids=[8, 3, 5])
    result = paint(masks, overlap="all_levels")
    # The better of the two wholes stays; the other goes where all of its pixels are free.
    assert {label: n for label, (n, _) in levels_of(result).items()} == {3: 0, 8: 1, 5: 1}
    assert result.table.set_index("index")["parent"].to_dict() == {3: 0, 8: 0, 5: 3}


def test_a_copy_lies_in_the_better_one():
    result = paint(make_masks(SHAPE, [PART, PART], ids=[6, 2]), overlap="all_levels")
    assert result.table.set_index("index")["parent"].to_dict() == {2: 0, 6: 2}
    assert [np.unique(image).tolist() for image in result.levels] == [[0, 2], [0, 6]]


@pytest.mark.parametrize("seed", range(4))
def test_no_mask_loses_a_pixel(seed):
    shape = (50, 45)
    full = random_masks(shape, 30, seed=seed)
    ids = list(np.random.default_rng(seed).permutation(200)[:30] + 1)
    masks = make_masks(shape, full, ids=ids)
    image = np.random.default_rng(seed).random(shape)
    result = paint(masks, overlap="all_levels", image=image, pixel_size=(0.5, 0.5), unit="um")
    found = levels_of(result)
    by_id = dict(zip(ids, full, strict=True))
    assert set(found) == set(ids) == set(result.table["index"])
    for label, (_, mask) in found.items():
        np.testing.assert_array_equal(mask, by_id[label])
    table = result.table.set_index("index")
    for label, row in table.iterrows():
        area = by_id[label].sum()
        around = [
            other for other in ids if other != label
            and (by_id[other] & by_id[label]).sum() >= CONTAINED * area
            and (by_id[other].sum(), -other) > (area, -label)
        ]  # fmt: skip
        smallest = min(around, key=lambda other: (by_id[other].sum(), -other), default=0)
        assert row["parent"] == smallest
        assert row["level"] == found[label][0]
        if smallest:
            assert row["level"] > found[smallest][0]
    for n, level in enumerate(result.levels):
        for one in regionprops(level, intensity_image=image):
            row = table.loc[one.label]
            assert (row["area"], row["level"]) == (one.area, n)
            assert row["mean_intensity"] == pytest.approx(one.mean_intensity)
            assert (row.bbox_y0, row.bbox_x0, row.bbox_y1, row.bbox_x1) == one.bbox
    assert (table["area"] == table["mask_area"]).all()
    assert result.record["objects"] == 30 and "covered by others" not in result.record["removed"]


def test_only_all_levels_has_levels():
    masks = make_masks(SHAPE, [WHOLE, PART])
    for overlap in ("small_on_top", "large_on_top", "best_score"):
        result = paint(masks, overlap=overlap)
        assert result.levels is None and "level" not in result.table
    empty = paint(make_masks(SHAPE, []), overlap="all_levels")
    assert empty.levels.shape == (1, *SHAPE) and not empty.levels.any()
    assert len(empty.table) == 0 and {"level", "parent"} <= set(empty.table)


def test_coco_holds_masks_that_the_labels_hide():
    cover = [rectangle(SHAPE, 2, 2, 30, 16), rectangle(SHAPE, 2, 16, 30, 30)]
    result = paint(make_masks(SHAPE, [WHOLE, *cover], ids=[5, 2, 3]), overlap="all_levels")
    assert set(np.unique(result.labels)) == {0, 2, 3}
    annotations = {a["id"]: a for a in to_coco(result)["annotations"]}
    assert set(annotations) == {2, 3, 5} == set(result.table["index"])
    assert coco_mask.decode(annotations[5]["segmentation"]).sum() == WHOLE.sum()


def test_the_flattened_labels_follow_live():
    candidates = random_candidates((110, 130), 120, seed=2, settings=OPEN, lowest=-2.0)
    live = LiveSelection(candidates)
    live.prepare()
    for settings in (OPEN, OPEN.replace(min_area=90), OPEN.replace(overlap="best_score"), OPEN):
        live.update(settings)
        np.testing.assert_array_equal(live.labels, paint(select(candidates, settings)).labels)


def test_nested_objects_are_kept_by_who_asks_for_all_levels():
    with pytest.raises(SettingsError, match="nested=choose leaves one"):
        AmgSettings(overlap="all_levels", nested="choose")
    choosing = AmgSettings(nested="choose")
    asked = choosing.adjusted(overlap="all_levels")
    assert (asked.overlap, asked.nested) == ("all_levels", "keep")
    back = asked.adjusted(nested="choose")
    assert (back.overlap, back.nested) == ("small_on_top", "choose")
    with pytest.raises(SettingsError):
        choosing.adjusted(overlap="all_levels", nested="choose")
    assert PRESETS["fine"].adjusted(overlap="all_levels").for_model("bundled").nested == "keep"
    tried = settings_of_sweep(choosing, "overlap", ["best_score", "all_levels"])
    assert [s.nested for s in tried] == ["choose", "keep"]


def test_tuning_does_not_choose_between_them():
    from napari_sam2_automask.evaluation.tuning_search import Examples, Search

    blobs = [Blob(50, 50, 40, 40, 0.9), Blob(50, 30, 15, 15, 0.8), Blob(50, 70, 15, 15, 0.7)]
    candidates = make_candidates((100, 100), blobs, grid=100, settings=OPEN)
    labels = np.where(select(candidates, OPEN).full(1), 1, 0)
    search = Search(candidates, Examples.of(labels, None), np.zeros(0, np.int64), OPEN, None)
    import time

    search.run(time.monotonic() + 60)
    assert len(search.trials) > 5
    assert all(trial.settings.nested == "keep" for trial in search.trials)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Segment one picture at all levels; return the folder and the record."""
    folder = tmp_path_factory.mktemp("levels")
    y, x = np.indices((96, 128))
    picture = sum(
        np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / s)
        for cy, cx, s in [(40, 40, 500), (40, 40, 40), (60, 90, 300)]
    )
    tifffile.imwrite(folder / "cells.tif", (picture * 4000).astype(np.uint16))
    done = invoke(
        "segment", folder / "cells.tif", "--out", folder / "out", "--device", "cpu", "--points-per-side", 6,
        "--pred-iou-thresh", 0, "--stability-score-thresh", 0, "--box-nms-thresh", 0.9,
        "--overlap", "all_levels",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, json.loads((folder / "out" / "cells.record.json").read_text())


def test_the_files_of_an_image_agree(run):
    folder, record = run
    levels = tifffile.imread(folder / "out" / "cells.levels.tif")
    with tifffile.TiffFile(folder / "out" / "cells.levels.tif") as tiff:
        assert tiff.series[0].axes == "QYX"
    table = pd.read_csv(folder / "out" / "cells.table.csv")
    assert levels.ndim == 3 and len(levels) == table["level"].max() + 1 > 1
    for row in table.itertuples():
        assert (levels[row.level] == row.index).sum() == row.area == row.mask_area
        assert (levels == row.index).sum() == row.area
    coco = json.loads((folder / "out" / "cells.coco.json").read_text())
    assert {a["id"]: a["area"] for a in coco["annotations"]} == dict(
        zip(table["index"], table["area"], strict=True)
    )
    assert record["objects"] == len(table) and record["settings"]["nested"] == "keep"
    assert find_images([folder / "out"])[0] == []


def test_replay_repeats_them_and_tells_if_they_differ(run, tmp_path):
    folder, record = run
    done = invoke("replay", folder / "out" / "cells.record.json", "--out", tmp_path)
    assert done.exit_code == 0 and "the same labels" in done.output
    assert (tmp_path / "cells.levels.tif").read_bytes() == (folder / "out" / "cells.levels.tif").read_bytes()
    other = tmp_path / "other.record.json"
    other.write_text(json.dumps(record | {"levels_sha256": "0" * 64}))
    assert invoke("replay", other, "--out", tmp_path / "again").exit_code == 1


def test_levels_of_an_earlier_run_do_not_stay(run, tmp_path):
    folder, _ = run
    arguments = ["segment", folder / "cells.tif", "--out", tmp_path, "--points-per-side", 3, "--overwrite"]
    assert invoke(*arguments, "--overlap", "all_levels").exit_code == 0
    assert (tmp_path / "cells.levels.tif").exists()
    assert invoke(*arguments).exit_code == 0
    assert (tmp_path / "cells.labels.tif").exists() and not (tmp_path / "cells.levels.tif").exists()


def test_all_levels_with_channels(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 999, (2, 40, 50)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "c.tif", pixels, imagej=True, metadata={"axes": "CYX"})
    done = invoke(
        "segment", tmp_path / "c.tif", "--out", tmp_path / "o", "--channel", "mix", "--overlap", "all_levels",
        "--points-per-side", 4, "--pred-iou-thresh", 0, "--stability-score-thresh", 0,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (labels,) = (tmp_path / "o").glob("*.levels.tif")
    levels, table = tifffile.imread(labels), pd.read_csv(str(labels).replace("levels.tif", "table.csv"))
    assert len(table)
    for row in table.itertuples():
        mask = levels[row.level] == row.index
        assert row.mean_intensity_c1 == pytest.approx(pixels[1][mask].mean())


def test_large_images_refuse_them(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((64, 64), np.uint8))
    done = invoke("large", tmp_path / "a.npy", "--out", tmp_path / "a.zarr", "--overlap", "all_levels")
    assert isinstance(done.exception, SettingsError)
    assert "all_levels" in str(done.exception) and "\n" not in str(done.exception)

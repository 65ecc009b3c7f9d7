"""A record of a part of an image is replayed on that part, and its labels lie where they lay."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari_kit import QUICK, dock, finish, labels_of
from typer.testing import CliRunner

from napari_sam2_automask import cli
from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.image.region import Region
from napari_sam2_automask.measures import expand
from napari_sam2_automask.record.environment import json_ready
from napari_sam2_automask.settings.presets import PRESETS

IMAGE = (1000 * np.random.default_rng(0).random((60, 80))).astype(np.uint16)
CORNERS = np.array([[10, 30], [10, 70], [50, 70], [50, 30]])


@pytest.mark.parametrize(("kind", "overlap"), [("rectangle", "small_on_top"), ("ellipse", "all_levels")])
def test_labels_and_table_are_those_of_the_viewer(
    make_napari_viewer, qtbot, monkeypatch, tmp_path, network, kind, overlap
):
    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: network)
    tifffile.imwrite(tmp_path / "cells.tif", IMAGE)
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "cells.tif", plugin="napari")
    shapes = viewer.add_shapes([CORNERS], shape_type=kind, name="here")
    widget = dock(viewer, EngineSegmenter())
    widget.presets.choose("balanced", custom=True)
    few = {"points_per_side": 4, "pred_iou_thresh": 0.3, "stability_score_thresh": 0.0}
    nested = "keep" if overlap == "all_levels" else "choose"
    settings = PRESETS["balanced"].for_model("bundled")
    far = 0.0 if overlap == "all_levels" else 3.0
    widget.form.show(settings.replace(**QUICK | few, overlap=overlap, nested=nested, expand_distance=far))
    widget.models.choose("bundled", "cpu")
    widget.images.where.choose(shapes)
    widget.run()
    finish(qtbot, widget, timeout=60_000)
    layer = next(one for one in labels_of(viewer) if RECORD_KEY in one.metadata and one.data.any())
    record = tmp_path / "result.record.json"
    record.write_text(json.dumps(json_ready(layer.metadata[RECORD_KEY])))
    for _ in range(2):  # what was written can be replayed as well
        out = tmp_path / "again"
        result = CliRunner().invoke(cli.app, ["replay", str(record), "--out", str(out)])
        assert result.exit_code == 0, (result.output, result.exception)
        labels = tifffile.imread(out / "result.labels.tif")
        np.testing.assert_array_equal(labels, layer.data)
        assert not labels[:10].any() and not labels[:, :30].any() and labels.any()
        table = pd.read_csv(out / "result.table.csv")
        assert table["bbox_y0"].min() >= 10 and table["bbox_x0"].min() >= 30
        for row in table.itertuples():
            if overlap == "small_on_top":
                ys, xs = np.nonzero(labels == row.index)
                assert row.bbox_y0 <= ys.min() and xs.max() <= row.bbox_x1
        if far:
            cells, y, x = tifffile.imread(out / "result.cells.tif"), slice(10, 50), slice(30, 70)
            assert cells.shape == labels.shape and np.count_nonzero(cells) == np.count_nonzero(cells[y, x])
            np.testing.assert_array_equal(cells[y, x], expand(labels[y, x], far))
        record = record.parent / "moved.record.json"
        (out / "result.record.json").rename(record)
        record = record.rename(tmp_path / "result.record.json")
    tifffile.imwrite(tmp_path / "cells.tif", IMAGE[:40])
    result = CliRunner().invoke(cli.app, ["replay", str(record), "--out", str(out)])
    assert result.exit_code == 1


@pytest.mark.parametrize("mask", [None, np.eye(20, 30, dtype=bool)], ids=["box", "mask"])
def test_a_region_comes_back_from_json(mask):
    region = Region("here", (5, 6, 25, 36), mask)
    again = Region.from_json(json.loads(json.dumps(region.to_json())))
    assert again.key == region.key
    assert again.name == "here"


@pytest.mark.parametrize(
    "damaged",
    [
        ["here", 5, 6, 25, 36, "0123"],  # as earlier versions wrote it
        {"name": "here", "box": [1, 2, 3], "mask": None},
        {"name": "here", "box": [0, 0, 4, 4], "mask": 7},
    ],
)
def test_a_region_that_is_not_told_is_refused(damaged):
    with pytest.raises(SettingsError, match="which part of the image"):
        Region.from_json(damaged)

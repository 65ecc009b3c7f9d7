"""Levels of image pyramids in files: which is meant, how large its pixels are, where they lie."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from pyramid_factory import levels_of, write_tiff, write_zarr
from typer.testing import CliRunner

from napari_sam2_automask import cli
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import level_shapes
from napari_sam2_automask.files.pyramid import nearest_level, place_level, steps_between
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.large.output.omezarr import open_levels
from napari_sam2_automask.settings.units import Quantity

NUCLEI = np.zeros((200, 240), np.uint8)
for y in range(30, 200, 50):
    for x in range(30, 240, 50):
        NUCLEI[y - 10 : y + 10, x - 10 : x + 10] = 200
LEVELS = levels_of(NUCLEI)
QUICK = ["--points-per-side", "4", "--no-fit-objects"]


@pytest.fixture(params=["zarr", "tiff"])
def path(request, tmp_path):
    if request.param == "zarr":
        return write_zarr(tmp_path / "in.zarr", LEVELS)
    return write_tiff(tmp_path / "in.ome.tif", LEVELS)


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("full", "coarse", "step"),
    [
        (1000, 500, 2),
        (1001, 500, 2),
        (1001, 501, 2),
        (1001, 126, 8),
        (1000, 667, 1000 / 667),
        (7, 7, 1),
        (0, 0, 1),
    ],
)
def test_a_size_that_does_not_divide_makes_no_other_pixels(full, coarse, step):
    assert steps_between((full, 5), (coarse, 5)) == (step, 1)


def test_the_nearest_level_is_so_by_ratio():
    sides = [1.0, 2.0, 4.0]
    wanted = (0.1, 1.4, 1.5, 2.0, 2.828, 2.829, 99)
    assert [nearest_level(sides, side) for side in wanted] == [0, 0, 1, 1, 1, 2, 2]
    assert nearest_level([1.0, 4.0], 2.0) == 0, "of two as near the finer"


def test_the_levels_of_a_file(path):
    shapes, axes = level_shapes(path)
    assert (shapes, axes) == ([level.shape for level in LEVELS], "YX")
    placed = place_level(path, Quantity(1.1, "um", 1))
    assert placed.level == 1
    assert placed.spacing == pytest.approx((1, 1, 1))
    assert placed.origin == pytest.approx((0, 0.25, 0.25)), "the middle of two pixels of 0.5 um"
    assert place_level(path, Quantity(4, "", 1)).level == 2, "in pixels of full resolution"
    with pytest.raises(ImageError, match="3 levels; there is no level 3: choose from 0 to 2"):
        place_level(path, 3)
    stack = open_stack(path, level=2)
    np.testing.assert_array_equal(np.squeeze(stack.array), LEVELS[2])
    assert stack.size == (None, 2.0, 2.0, "um")


def test_a_damaged_level_is_told_and_not_taken_for_the_end(tmp_path):
    path = write_zarr(tmp_path / "in.zarr", LEVELS)
    (path / "1" / "zarr.json").write_text("{")
    with pytest.raises(ImageError, match=r"in\.zarr cannot be read"):
        place_level(path, Quantity(2, "um", 1))


def test_segment_takes_the_level_and_its_record_is_replayed(path, tmp_path):
    out = tmp_path / "out"
    done = command("segment", path, "--out", out, "--pixel-size", "1 um", *QUICK)
    assert done.exit_code == 0, done.output
    (labels,) = out.glob("*.labels.tif")
    assert "_level1" in labels.name
    assert tifffile.imread(labels).shape == LEVELS[1].shape
    (record,) = out.glob("*.record.json")
    written = json.loads(record.read_bytes())
    assert written["pick"]["level"] == 1
    assert written["pixel_size"] == [1.0, 1.0]
    (table,) = (pd.read_csv(file) for file in out.glob("*.table.csv"))
    assert len(table)
    np.testing.assert_allclose(table["area_um2"], table["area"])
    again = command("replay", record, "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    np.testing.assert_array_equal(
        tifffile.imread(next((tmp_path / "again").glob("*.labels.tif"))), tifffile.imread(labels)
    )
    # A given size of pixels is that of full resolution.
    done = command("segment", path, "--out", tmp_path / "sized", "--level", 2, "--spacing", 1, 3, 3, *QUICK)
    assert done.exit_code == 0, done.output
    (record,) = (tmp_path / "sized").glob("*.record.json")
    assert json.loads(record.read_bytes())["pixel_size"] == [12.0, 12.0]


def test_what_segment_refuses(path, tmp_path):
    out = tmp_path / "out"
    for words, told in (
        (["--level", 1, "--pixel-size", "1 um"], "give one of them"),
        (["--pixel-size", "0 um"], "a length above 0"),
        (["--pixel-size", "1 um2"], "a length"),
    ):
        done = command("segment", path, "--out", out, *words, *QUICK)
        assert done.exit_code != 0
        assert told in str(done.exception)
    done = command("segment", path, "--out", out, "--level", 7, *QUICK)
    assert done.exit_code != 0
    assert "there is no level 7" in done.output


def test_labels_of_a_large_run_lie_where_the_level_lies(path, tmp_path):
    out = tmp_path / "labels.zarr"
    done = command("large", path, "--out", out, "--level", 1, *QUICK)
    assert done.exit_code == 0, done.output
    _, keywords = open_levels(out)
    assert keywords["scale"] == (1.0, 1.0)
    assert keywords["translate"] == (0.25, 0.25)
    done = command("large", path, "--out", tmp_path / "full.zarr", *QUICK)
    assert "translate" not in open_levels(tmp_path / "full.zarr")[1]


def test_a_given_size_takes_the_place_of_a_unit_that_is_not_known(tmp_path):
    path = write_zarr(tmp_path / "in.zarr", LEVELS)
    described = path / "zarr.json"
    described.write_text(described.read_text().replace("micrometer", "cubit"))
    assert open_stack(path).size is None
    assert open_stack(path, level=1, size=(1.0, 3.0, 3.0, "um")).size == (1.0, 6.0, 6.0, "um")

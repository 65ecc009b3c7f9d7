from __future__ import annotations

import errno
import json
import os

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from large_images import cells, segment_tile, tiled
from large_run import SIZES, Cheap

from napari_sam2_automask.disk import atomic
from napari_sam2_automask.errors import ImageError, OutputError
from napari_sam2_automask.evaluation.score import match
from napari_sam2_automask.large import tasks
from napari_sam2_automask.large.output.omezarr import open_levels
from napari_sam2_automask.large.output.run_folder import Results, differences
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.sampling import contrast_of
from napari_sam2_automask.large.source.source import ArraySource, FileSource
from napari_sam2_automask.large.tiles.grid import Box, Grid
from napari_sam2_automask.progress import Cancelled


@pytest.fixture(scope="module")
def image():
    return cells((300, 420), seed=8, large=2)[0]


def test_a_run_gives_labels_pyramid_and_table(image, tmp_path):
    seen = []
    out = tmp_path / "image_labels.ome.zarr"
    result = segment_large(
        ArraySource(image),
        out,
        Cheap(),
        **SIZES,
        spacing=(1, 0.5, 0.25),
        unit="micrometer",
        progress=seen.append,
    )
    grid = Grid(image.shape, 128, 32)
    expected, plan = tiled(image, grid)
    levels, kwargs = open_levels(result.path)
    np.testing.assert_array_equal(levels[0].compute(), expected)
    for k, level in enumerate(levels):
        np.testing.assert_array_equal(level.compute(), expected[:: 2**k, :: 2**k])
    assert max(levels[-1].shape) <= 128 and result.objects == plan.count and result.failed == {}
    assert kwargs["scale"] == (0.5, 0.25) and kwargs["units"] == ("micrometer",) * 2
    assert kwargs["name"] == "image_labels" and kwargs["multiscale"]
    table = pd.read_csv(result.table)
    from skimage.measure import regionprops_table

    props = regionprops_table(expected, properties=("label", "area", "centroid", "bbox"))
    columns = ["index", "area", "centroid_y", "centroid_x", "bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"]
    np.testing.assert_allclose(table[columns], np.stack(list(props.values()), axis=1))
    np.testing.assert_allclose(table["area_um2"], table["area"] * 0.125)
    assert {p.stage for p in seen} == {"signature", "tiles", "seams", "labels", "pyramid"}
    last = [p for p in seen if p.stage == "tiles"][-1]
    assert last.done == last.total == len(grid)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image_labels.objects.csv", "image_labels.ome.zarr"]


def test_the_labels_open_in_napari_with_features_of_the_file(image, tmp_path):
    from napari.layers import Labels

    result = segment_large(ArraySource(image), tmp_path / "a.zarr", Cheap(), **SIZES)
    levels, kwargs = open_levels(result.path)
    layer = Labels(levels, **kwargs)
    assert layer.multiscale and layer.data[0].shape == image.shape


def test_the_metadata_is_ome_zarr_05(image, tmp_path):
    stack = np.stack([image, image])
    out = segment_large(
        ArraySource(stack, "ZYX"), tmp_path / "a.zarr", Cheap(), **SIZES, unit="micrometer"
    ).path
    group = zarr.open_group(out, mode="r")
    assert group.metadata.zarr_format == 3
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5" and "image-label" in ome
    (multiscale,) = ome["multiscales"]
    assert [a["name"] for a in multiscale["axes"]] == ["z", "y", "x"]
    assert [a["type"] for a in multiscale["axes"]] == ["space"] * 3
    for k, dataset in enumerate(multiscale["datasets"]):
        array = group[dataset["path"]]
        assert array.metadata.dimension_names == ("z", "y", "x") and array.dtype.kind == "u"
        (transform,) = dataset["coordinateTransformations"]
        assert transform == {"type": "scale", "scale": [1.0, 2.0**k, 2.0**k]}


def test_a_finished_run_is_not_done_again_and_another_one_is_refused(image, tmp_path):
    out, log = tmp_path / "a.zarr", tmp_path / "log"
    segment_large(ArraySource(image), out, Cheap(str(log)), **SIZES)
    tiles = len(log.read_text().splitlines())
    segment_large(ArraySource(image), out, Cheap(str(log)), **SIZES)
    assert len(log.read_text().splitlines()) == tiles == len(Grid(image.shape, 128, 32))
    with pytest.raises(OutputError, match=r"another run: grid.overlap was 32, is now 40\. Choose"):
        segment_large(ArraySource(image), out, Cheap(), **(SIZES | {"overlap": 40}))
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError, match="not written by such a run"):
        segment_large(ArraySource(image), tmp_path / "mine", Cheap(), **SIZES)


def stop_after(tiles):
    def progress(p):
        if p.stage == "tiles" and p.done == tiles:
            raise Cancelled

    return progress


def test_a_cancelled_run_goes_on_and_does_no_tile_twice(image, tmp_path):
    log = tmp_path / "log"
    with pytest.raises(Cancelled):
        segment_large(
            ArraySource(image), tmp_path / "a.zarr", Cheap(str(log)), **SIZES, progress=stop_after(3)
        )
    assert len(log.read_text().splitlines()) == 3
    segment_large(ArraySource(image), tmp_path / "a.zarr", Cheap(str(log)), **SIZES)
    assert len(log.read_text().splitlines()) == len(Grid(image.shape, 128, 32))


def test_an_unfinished_run_is_refused_for_another_image_or_setting(image, tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image)
    run = [FileSource(str(path)), tmp_path / "a.zarr", Cheap()]
    with pytest.raises(Cancelled):
        segment_large(*run, **SIZES, progress=stop_after(3))
    with pytest.raises(OutputError, match=r"holds tiles of another run, .*grid.overlap was 32, is now 40"):
        segment_large(*run, **(SIZES | {"overlap": 40}))
    changed = image.copy()
    changed[250, 300] ^= 1
    tasks.forget()
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, changed)
    with pytest.raises(OutputError, match=r"image.content was .* is now"):
        segment_large(FileSource(str(other)), tmp_path / "a.zarr", Cheap(), **SIZES)


def test_an_image_that_changes_during_the_run_fails_the_tile(image, tmp_path):
    pixels = image.copy()

    def change(p):
        if p.stage == "tiles" and p.done == 0:
            pixels[5, 5] ^= 1

    result = segment_large(ArraySource(pixels), tmp_path / "a.zarr", Cheap(), **SIZES, progress=change)
    assert list(result.failed) == [0] and "image changed" in result.failed[0]["errors"][0]


def test_a_damaged_tile_is_done_again(image, tmp_path):
    log = tmp_path / "log"
    with pytest.raises(Cancelled):
        segment_large(
            ArraySource(image), tmp_path / "a.zarr", Cheap(str(log)), **SIZES, progress=stop_after(3)
        )
    path = Results(tmp_path / "a.zarr.run").path("tiles", 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    other = Results(tmp_path / "a.zarr.run").path("tiles", 2)
    other.write_bytes(other.read_bytes()[:-1])
    result = segment_large(ArraySource(image), tmp_path / "a.zarr", Cheap(str(log)), **SIZES)
    assert len(log.read_text().splitlines()) == len(Grid(image.shape, 128, 32)) + 2
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(image, Grid(image.shape, 128, 32))[0])


def test_a_tile_that_fails_three_times_is_set_aside_and_can_be_done_later(image, tmp_path):
    log, out = tmp_path / "log", tmp_path / "a.zarr"
    grid = Grid(image.shape, 128, 32)
    marked = image.copy()
    tile = grid[1].outer
    marked[tile.y0, tile.x0] = 255
    result = segment_large(ArraySource(marked), out, Cheap(str(log), fail_at=255), **SIZES)
    assert list(result.failed) == [1] and result.failed[1]["attempts"] == 3
    assert "this tile cannot be segmented" in result.failed[1]["errors"][0]
    assert result.failed[1]["x"] == [tile.x0, tile.x1]
    assert len(log.read_text().splitlines()) == len(grid) - 1 + 3
    assert json.loads((tmp_path / "a.zarr.run/failed/1.json").read_text())["attempts"] == 3
    partly = open_levels(result.path)[0][0].compute()
    np.testing.assert_array_equal(partly, tiled(marked, grid, failed=(1,))[0])
    # Nothing is lost: with the cause gone, the same call does that tile only.
    log.unlink()
    result = segment_large(ArraySource(marked), out, Cheap(str(log)), **SIZES)
    assert result.failed == {} and len(log.read_text().splitlines()) == 1
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(marked, grid)[0])
    assert not (tmp_path / "a.zarr.run").exists()


def test_if_every_tile_fails_the_run_fails_with_the_reason(image, tmp_path):
    with pytest.raises(ImageError, match=r"every tile failed.*cannot be segmented"):
        segment_large(ArraySource(image * 0), tmp_path / "a.zarr", Cheap(fail_at=0), **SIZES)


def test_a_full_disk_stops_the_run_and_nothing_is_lost(image, tmp_path, monkeypatch):
    log, real, left = tmp_path / "log", os.replace, [9]

    def full(source, target):
        if "/tiles/" in str(target):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(OutputError, match=r"no space left .* run the same again"):
        segment_large(ArraySource(image), tmp_path / "a.zarr", Cheap(str(log)), **SIZES)
    assert not list((tmp_path / "a.zarr.run").rglob("*.tmp"))
    result = segment_large(ArraySource(image), tmp_path / "a.zarr", Cheap(str(log)), **SIZES)
    grid = Grid(image.shape, 128, 32)
    assert result.failed == {} and len(log.read_text().splitlines()) == len(grid) + 1
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(image, grid)[0])


@pytest.mark.parametrize("kind", ["tif", "compressed", "npy", "zarr", "ome-zarr"])
def test_files_are_read_part_by_part_and_give_the_same(image, tmp_path, kind):
    path = tmp_path / f"image.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, image)
    elif kind == "compressed":
        tifffile.imwrite(path, image, compression="zlib", tile=(64, 64))
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, image)
    elif kind == "zarr":
        zarr.create_array(path, data=image, chunks=(100, 100))
    else:
        segmented = segment_large(ArraySource(image), tmp_path / "x.zarr", Cheap(), **SIZES)
        path, image = segmented.path, open_levels(segmented.path)[0][0].compute()
    source = FileSource(str(path))
    assert source.shape == image.shape and source.planes == 1
    box = Box(13, 100, 250, 333)
    np.testing.assert_array_equal(source.read(0, box), image[13:250, 100:333])


def test_axes_and_channels():
    array = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    source = ArraySource(array, "TCZYX", channel=1)
    assert source.planes == 8 and source.shape == (5, 6)
    np.testing.assert_array_equal(source.read(5, Box(1, 2, 4, 6)), array[1, 1, 1, 1:4, 2:6])
    rgb = np.zeros((9, 8, 3), np.uint8)
    assert ArraySource(rgb).axes == "YXS" and ArraySource(rgb).read(0, Box(0, 0, 2, 3)).shape == (2, 3, 3)
    planar = ArraySource(np.moveaxis(rgb, -1, 0), "SYX")
    assert planar.read(0, Box(0, 0, 2, 5)).shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("shape", "axes", "channel", "match"),
    [
        ((5, 6), "ZYX", 0, "one letter for each axis"),
        ((5, 6), "YY", 0, "one letter for each axis"),
        ((5,), "", 0, "do not fit"),
        ((0, 6), "YX", 0, "empty"),
        ((2, 5, 6), "CYX", 2, "no channel 2; the image has 2"),
        ((7, 5, 6), "SYX", 0, "call that axis C"),
    ],
)
def test_axes_that_do_not_fit_are_refused(shape, axes, channel, match):
    with pytest.raises(ImageError, match=match):
        ArraySource(np.zeros(shape), axes, channel)


def test_files_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(ImageError, match="no file"):
        FileSource(str(tmp_path / "nothing.tif")).shape  # noqa: B018
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(ImageError, match="cannot be read"):
        FileSource(str(tmp_path / "text.tif")).shape  # noqa: B018
    zarr.create_group(tmp_path / "group.zarr")
    with pytest.raises(ImageError, match="without an OME-Zarr image"):
        FileSource(str(tmp_path / "group.zarr")).shape  # noqa: B018


def test_a_zarr_with_missing_chunks_is_refused_unless_they_may_be_missing(image, tmp_path):
    path = tmp_path / "image.zarr"
    zarr.create_array(path, data=image, chunks=(100, 100))
    (path / "c/1/2").unlink()
    with pytest.raises(ImageError, match="lacks 1 of its chunks"):
        segment_large(FileSource(str(path)), tmp_path / "a.zarr", Cheap(), **SIZES)
    source = FileSource(str(path), allow_missing=True)
    result = segment_large(source, tmp_path / "a.zarr", Cheap(), **SIZES)
    image = image.copy()
    image[100:200, 200:300] = 0
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(image, Grid(image.shape, 128, 32))[0])


def test_an_unwritable_place_is_refused(image, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        segment_large(ArraySource(image), tmp_path / "file" / "a.zarr", Cheap(), **SIZES)


def test_differences_name_the_deepest_key():
    assert differences({"a": {"b": 1, "c": [1]}}, {"a": {"b": 2, "c": [1], "d": None}}) == [
        "a.b was 1, is now 2"
    ]


def test_contrast_is_one_pair_for_the_whole_image(image):
    low, high = contrast_of(ArraySource(image))
    assert (low, high) == contrast_of(ArraySource(image[None], "ZYX"))
    assert abs(low - np.percentile(image, 0.5)) < 3 and abs(high - np.percentile(image, 99.5)) < 3


def test_the_cheap_segmenter_is_worth_testing_with(image):
    # Tiles see things differently: otherwise the seam tests would show nothing.
    whole, _ = segment_tile(image)
    part, _ = segment_tile(image[:128, :128])
    assert match(whole[:128, :128], part, 0.99).fp > 0

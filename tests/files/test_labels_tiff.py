"""Labels as TIFFs: how large their pixels are, as other programs read it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from stack_kit import find_spots, invoke, spots

from napari_sam2_automask.files.labels_tiff import write_labels
from napari_sam2_automask.files.pixel_size import pixel_size_of, scale_in_file
from napari_sam2_automask.replay.replaying import replay

LABELS = np.arange(20 * 30).reshape(20, 30)
STACK = np.stack([LABELS] * 3)


def written(path, labels, *more):
    with path.open("wb") as file:
        write_labels(file, labels, *more)
    read = tifffile.imread(path)
    np.testing.assert_array_equal(read, labels)
    return read


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4", "i2", "u8", "i8", "?"])
def test_labels_of_any_dtype_tell_their_size(dtype, tmp_path):
    """ImageJ metadata where ImageJ opens such labels, else OME; 64 bits, which neither has, become 32."""
    path = tmp_path / "a.labels.tif"
    read = written(path, LABELS.astype(dtype), "YX", (None, 500.0, 250.0, "nanometer"))
    assert read.dtype == {"u8": "u2", "i8": "u2", "?": "u2"}.get(dtype, dtype) and read.dtype.isnative
    assert pixel_size_of(path) == pytest.approx((None, 0.5, 0.25, "um"))
    with tifffile.TiffFile(path) as tiff:
        imagej = dtype in ("u1", "u2", "u8", "i8", "?")
        assert (tiff.imagej_metadata is not None, tiff.ome_metadata is not None) == (imagej, not imagej)
        x, unit = (tiff.pages.first.tags.valueof(name) for name in ("XResolution", "ResolutionUnit"))
        # In a file of ImageJ the unit is in the description.
        assert x[0] / x[1] * {1: 1, 3: 1e-4}[unit] == pytest.approx(4)
        if imagej:
            assert tiff.imagej_metadata["unit"] == "um"
        else:
            assert 'PhysicalSizeX="0.25"' in tiff.ome_metadata and "µm" in tiff.ome_metadata


def test_large_numbers_of_labels_stay(tmp_path):
    path, size = tmp_path / "a.tif", (None, 1.0, 1.0, "um")
    assert written(path, LABELS + 2**31, "YX", size).dtype == "u4"
    assert written(path, LABELS - 5, "YX", size).dtype == "i4"
    assert written(path, LABELS + 2**40, "YX", size).dtype == "i8", "no program's metadata, but the labels"


@pytest.mark.parametrize("dtype", ["u2", "u4"])
def test_planes_tell_how_far_they_are_apart(dtype, tmp_path):
    path = tmp_path / "a.tif"
    written(path, STACK.astype(dtype), "ZYX", (2.0, 0.5, 0.25, "um"))
    assert pixel_size_of(path) == pytest.approx((2.0, 0.5, 0.25, "um"))
    written(path, STACK.astype(dtype), "TYX", (None, 0.5, 0.25, "um"), 1.5)
    assert scale_in_file(path).seconds == 1.5
    assert pixel_size_of(path) == pytest.approx((None, 0.5, 0.25, "um"))
    written(path, np.stack([STACK] * 2).astype(dtype), "TZYX", (2.0, 0.5, 0.25, "mm"), 4)
    assert scale_in_file(path).seconds == 4 and pixel_size_of(path) == pytest.approx((2000, 500, 250, "um"))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == "TZYX"
    written(path, STACK.astype(dtype), "QYX", (None, 0.5, 0.25, "um"))
    assert pixel_size_of(path) == pytest.approx((None, 0.5, 0.25, "um"))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == "QYX", "neither depth nor time nor channels"


def test_the_same_labels_give_the_same_file(tmp_path):
    files = []
    for name in ("a.tif", "b.tif"):
        written(tmp_path / name, LABELS.astype("u4"), "YX", (None, 0.5, 0.25, "um"))
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("size", [None, (None, 1.0, 1.0, "px"), (None, 1.0, 1.0, "cubit")])
def test_without_a_size_none_is_told(size, tmp_path):
    written(tmp_path / "a.tif", LABELS.astype("u2"), "YX", size)
    assert pixel_size_of(tmp_path / "a.tif") is None


@pytest.fixture
def engine(monkeypatch):
    """Find every bright spot."""
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "movie.tif"
    metadata = {"axes": "TYX", "unit": "um", "finterval": 2.5}
    tifffile.imwrite(path, np.stack([spots((10, 12))] * 3), imagej=True, resolution=(4, 2), metadata=metadata)
    return path


def test_all_that_segment_writes_tells_the_size_of_the_image(movie, tmp_path, engine):
    out = tmp_path / "out"
    done = invoke(movie, "--out", out, "--link", "time", "--overlap", "all_levels")
    assert done.exit_code == 0, done.output
    files = sorted(out.glob("*.tif"))
    assert len(files) == 7, "labels and levels of three planes, and the linked ones"
    for path in files:
        assert pixel_size_of(path) == pytest.approx((None, 0.5, 0.25, "um")), path.name
    linked = out / "movie_linked.labels.tif"
    assert scale_in_file(linked).seconds == 2.5
    assert replay(out / "movie_linked.record.json", tmp_path / "again").same
    assert (tmp_path / "again" / linked.name).read_bytes() == linked.read_bytes()


def test_linked_sections_tell_their_distance(tmp_path, engine):
    path = tmp_path / "body.ome.tif"
    sizes = {"PhysicalSizeX": 250, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 0.002}
    units = {"PhysicalSizeXUnit": "nm", "PhysicalSizeZUnit": "mm"}
    metadata = {"axes": "ZYX", **sizes, **units}
    tifffile.imwrite(path, np.stack([spots((10, 12))] * 3), ome=True, metadata=metadata)
    done = invoke(path, "--out", tmp_path / "out", "--link", "z")
    assert done.exit_code == 0, done.output
    (labels,) = (tmp_path / "out").glob("*_linked.labels.tif")
    assert pixel_size_of(labels) == pytest.approx((2.0, 0.5, 0.25, "um"))
    (table,) = (tmp_path / "out").glob("*.objects.csv")
    found = pd.read_csv(table)
    np.testing.assert_allclose(found["volume_um3"], found["voxels"] * 0.25)

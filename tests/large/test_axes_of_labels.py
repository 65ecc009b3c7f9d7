"""Time, z and other planes are axes of their own in the labels of a large image, whatever holds the image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from large_run import SIZES, Cheap

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.large.output.omezarr import open_levels
from napari_sam2_automask.large.output.plane_axes import PlaneAxes
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import ArraySource, FileSource
from napari_sam2_automask.progress import Cancelled

SHAPE = (150, 200)
COUNTS = {"T": 2, "Z": 3, "C": 2}


def pixels(axes):
    """Return planes of which each holds a square at a place of its own; channel 1 holds none."""
    planes = [axis for axis in axes if axis not in "YX"]
    array = np.zeros((*(COUNTS[axis] for axis in planes), *SHAPE), np.uint8)
    for index in np.ndindex(*array.shape[:-2]):
        at = dict(zip(planes, index, strict=True))
        if at.get("C", 0) == 0:
            y, x = corner(at.get("T", 0), at.get("Z", 0))
            array[(*index, slice(y, y + 14), slice(x, x + 14))] = 200
    return array


def corner(t, z):
    return 20 + 40 * t, 20 + 50 * z


def save(folder, kind, axes):
    array = pixels(axes)
    if kind == "npy":
        np.save(folder / "a.npy", array)
        return FileSource(str(folder / "a.npy"), axes)
    if kind in ("tif", "ome.tif"):
        path = folder / f"a.{kind}"
        tifffile.imwrite(path, array, metadata={"axes": axes}, photometric="minisblack")
        return FileSource(str(path))
    path = folder / "a.zarr"
    if kind == "zarr":
        stored = zarr.create_array(path, data=array, dimension_names=list(axes.lower()))
        assert stored.shape == array.shape
        return FileSource(str(path))
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("0", data=array)
    types = {"T": "time", "C": "channel"}
    told = [{"name": axis.lower(), "type": types.get(axis, "space")} for axis in axes]
    scale = [{"type": "scale", "scale": [1.0] * len(axes)}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": told, "datasets": [dataset]}]}
    return FileSource(str(path))


@pytest.mark.parametrize("axes", ["TZYX", "TZCYX", "TCZYX", "ZTYX", "TYX", "ZYX", "CYX"])
@pytest.mark.parametrize("kind", ["tif", "ome.tif", "zarr", "ome.zarr", "npy"])
def test_time_and_z_are_axes_of_their_own(tmp_path, kind, axes):
    result = segment_large(
        save(tmp_path, kind, axes), tmp_path / "out.zarr", Cheap(), **SIZES,
        spacing=(2.0, 0.5, 0.25), unit="micrometer", interval=30.0, start=12.0, origin=(7.0, 5.0, 3.0),
    )  # fmt: skip
    expected = [name for name in "tz" if name.upper() in axes]
    group = zarr.open_group(result.path, mode="r")
    (multiscale,) = group.attrs["ome"]["multiscales"]
    told = {"t": ("time", "second", 30.0, 12.0), "z": ("space", "micrometer", 2.0, 7.0),
            "y": ("space", "micrometer", 0.5, 5.0), "x": ("space", "micrometer", 0.25, 3.0)}  # fmt: skip
    names = [*expected, "y", "x"]
    assert multiscale["axes"] == [
        {"name": name, "type": told[name][0], "unit": told[name][1]} for name in names
    ]
    for k, dataset in enumerate(multiscale["datasets"]):
        assert group[dataset["path"]].metadata.dimension_names == tuple(names)
        scale, place = dataset["coordinateTransformations"]
        assert scale["scale"] == [told[n][2] * (2**k if n in "yx" else 1) for n in names]
        assert place["translation"] == [told[n][3] for n in names]
    levels, keywords = open_levels(result.path)
    labels = np.asarray(levels[0])
    assert labels.shape == (*(COUNTS[name.upper()] for name in expected), *SHAPE)
    assert keywords["axis_labels"] == tuple(names)
    table = pd.read_csv(result.table).set_index("index")
    assert len(table) == max(1, np.prod(labels.shape[:-2], dtype=int))
    for index in np.ndindex(*labels.shape[:-2]):
        at = dict(zip(expected, index, strict=True))
        (number,) = np.unique(labels[index])[1:]
        assert {name: table.loc[number, name] for name in expected} == at
        y, x = np.argwhere(labels[index]).mean(0)
        np.testing.assert_allclose((y, x), np.add(corner(at.get("t", 0), at.get("z", 0)), 6.5), atol=1)
        np.testing.assert_allclose(table.loc[number, ["centroid_y", "centroid_x"]], (y, x), atol=1e-6)


def test_a_run_that_was_stopped_goes_on_along_all_axes(tmp_path):
    source, log = save(tmp_path, "ome.zarr", "TZYX"), tmp_path / "log"
    whole = segment_large(source, tmp_path / "whole.zarr", Cheap(), **SIZES)
    for stage, done in (("tiles", 5), ("seams", 7), ("labels", 3), ("labels", 10), ("pyramid", 2)):

        def stop(progress, stage=stage, done=done):
            if (progress.stage, progress.done) == (stage, done):
                raise Cancelled

        with pytest.raises(Cancelled):
            segment_large(source, tmp_path / "out.zarr", Cheap(str(log)), **SIZES, progress=stop)
    result = segment_large(source, tmp_path / "out.zarr", Cheap(str(log)), **SIZES)
    one, two = (np.asarray(open_levels(path)[0][0]) for path in (whole.path, result.path))
    np.testing.assert_array_equal(one, two)
    assert whole.table.read_bytes() == result.table.read_bytes()
    assert not (tmp_path / "out.zarr.run").exists()


@pytest.mark.parametrize(
    ("counts", "along", "names", "shape"),
    [
        ({}, None, (), ()),
        ({"a": 1}, None, (), ()),
        ({"a": 5}, None, ("z",), (5,)),
        ({"a": 5}, "t", ("t",), (5,)),
        ({"a": 2, "b": 5}, None, ("z",), (10,)),
        ({"T": 5}, None, ("t",), (5,)),
        ({"T": 5}, "z", ("z",), (5,)),
        ({"T": 2, "Z": 1}, None, ("t", "z"), (2, 1)),
        ({"T": 2, "a": 5}, None, ("t", "z"), (2, 5)),
        ({"Z": 2, "a": 5}, None, ("plane", "z"), (5, 2)),
        ({"P": 3}, "z", ("p",), (3,)),
        ({"P": 3, "Z": 2, "T": 4}, None, ("t", "p", "z"), (4, 3, 2)),
        ({"R": 2, "T": 4, "P": 3}, None, ("t", "plane"), (4, 6)),
    ],
)
def test_the_order_is_that_of_ome_zarr(counts, along, names, shape):
    axes = PlaneAxes.of(counts, along)
    assert (axes.names, axes.shape) == (names, shape)
    # Each plane has a place of its own, and none is left.
    assert {axes.index(k) for k in range(axes.count)} == set(np.ndindex(*shape))
    if counts == {"R": 2, "T": 4, "P": 3}:
        assert axes.index(1 * 12 + 3 * 3 + 2) == (3, 1 * 3 + 2)


def test_axes_of_one_position(tmp_path):
    image = pixels("YX")
    names = {"ZYX": ["z", "y", "x"], "TZYX": ["t", "z", "y", "x"], "CYX": ["y", "x"], "": ["y", "x"]}
    for axes, expected in names.items():
        source = ArraySource(image.reshape((1,) * (len(axes or "aYX") - 2) + SHAPE), axes)
        result = segment_large(source, tmp_path / f"{axes}.zarr", Cheap(), **SIZES)
        assert [*open_levels(result.path)[1]["axis_labels"]] == expected
    with pytest.raises(ImageError, match="no channel 1; the image has 1"):
        ArraySource(image, "YX", channel=1)

"""Axes of length 1 that a file names are there; channels, time and positions are never projected unasked."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.files.tiff_axes import letters_of
from napari_sam2_automask.image.pick import Pick

SHAPE = (12, 16)


def stored(folder, kind, axes, counts):
    """Save an image in a file that names all of its axes; return its path and pixels."""
    array = np.random.default_rng(0).integers(0, 200, (*counts, *SHAPE)).astype(np.uint8)
    path = folder / ("a.zarr" if kind.endswith("zarr") else "a.tif")
    if kind == "ImageJ":
        tifffile.imwrite(path, array, imagej=True, metadata={"axes": axes})
    elif kind == "lzw":
        tifffile.imwrite(path, array, ome=True, metadata={"axes": axes}, photometric="minisblack",
                         compression="lzw")  # fmt: skip
    elif kind in ("OME", "axes"):
        tifffile.imwrite(path, array, ome=kind == "OME", metadata={"axes": axes}, photometric="minisblack")
    else:
        zarr.create_array(path, data=array, dimension_names=list(axes.lower()))
    return path, array


KINDS = pytest.mark.parametrize("kind", ["ImageJ", "OME", "axes", "lzw", "zarr"])


@KINDS
@pytest.mark.parametrize("project", ["max", "mean"])
def test_one_section_projected_is_itself(tmp_path, kind, project):
    path, array = stored(tmp_path, kind, "ZCYX", (1, 2))
    stack = open_stack(path)
    assert stack.plane_axes(Pick(project=project)).replace("T", "") == "C"
    assert stack.count(Pick(project=project)) == 2
    for channel in range(2):
        for pick in (Pick(channel, project), Pick(None, project, channel)):
            np.testing.assert_array_equal(stack.read(pick).array, array[0, channel])
    mixed = stack.read(Pick(None, project, "mix"))
    np.testing.assert_array_equal(mixed.array, np.moveaxis(array[0], 0, -1))
    assert stack.projected(Pick(project=project)) == "Z"


@KINDS
def test_one_channel_and_one_time_point_are_there(tmp_path, kind):
    path, array = stored(tmp_path, kind, "TZCYX", (1, 3, 1))
    stack = open_stack(path)
    assert stack.array.shape == tuple({"Z": 3, "Y": 12, "X": 16}.get(axis, 1) for axis in stack.axes) and set(
        stack.axes
    ) == set("TZCYX")
    np.testing.assert_array_equal(stack.read(Pick(1, channel=0)).array, array[0, 1, 0])
    np.testing.assert_array_equal(stack.read(Pick(0, "max")).array, array[0].max(0)[0])
    np.testing.assert_array_equal(stack.read(Pick(2, "max", over="T")).array, array[0, 2, 0])
    np.testing.assert_array_equal(read_image(path, 2).array, array[0, 2, 0])
    with pytest.raises(ImageError, match="there is no channel 1"):
        stack.read(Pick(0, channel=1))
    # By other letters, with or without those of one position.
    for axes in ("TZCYX", "ZYX", "TYX"):
        if len(axes) == 5 or kind in ("ImageJ", "OME", "lzw"):
            other = open_stack(path, axes)
            assert other.axes == axes and other.array.shape[-2:] == SHAPE
            np.testing.assert_array_equal(other.read(Pick(1)).array, array[0, 1, 0])
    with pytest.raises(ImageError, match="do not fit"):
        open_stack(path, "PTZCYX")


@pytest.mark.parametrize("axes", ["TYX", "CYX", "PYX", "TCYX", "YX"])
def test_time_channels_and_positions_are_not_projected(tmp_path, axes):
    counts = {"T": 4, "C": 2, "P": 3}
    array = np.random.default_rng(0).integers(0, 200, (*(counts[a] for a in axes[:-2]), *SHAPE))
    np.save(tmp_path / "a.npy", array)
    stack = open_stack(tmp_path / "a.npy", axes)
    with pytest.raises(ImageError, match="no single axis of planes to project"):
        stack.count(Pick(project="max"))
    for number, axis in enumerate(axes[:-2]):
        pick = Pick(project="max", over=axis)
        assert stack.plane_axes(pick) == axes[:-2].replace(axis, "")
        expected = array.max(number).reshape(-1, *SHAPE)
        for k, plane in enumerate(expected):
            found = stack.read(Pick(k if len(expected) > 1 else None, "max", over=axis))
            np.testing.assert_array_equal(found.array, plane)
    with pytest.raises(ImageError, match="no axis Z to project"):
        stack.count(Pick(project="max", over="Z"))
    with pytest.raises(ImageError, match="no axis Y to project"):
        stack.count(Pick(project="max", over="Y"))


def test_planes_of_no_known_meaning_are_projected_where_there_is_one_axis(tmp_path):
    array = np.random.default_rng(0).integers(0, 200, (1, 3, *SHAPE))
    np.save(tmp_path / "a.npy", array)
    stack = open_stack(tmp_path / "a.npy")
    np.testing.assert_array_equal(stack.read(Pick(project="max")).array, array[0].max(0))
    np.testing.assert_array_equal(stack.read(Pick(project="max", over="B")).array, array[0].max(0))
    np.save(tmp_path / "b.npy", np.concatenate([array, array]))
    with pytest.raises(ImageError, match=r"choose one of a, b with --over"):
        open_stack(tmp_path / "b.npy").count(Pick(project="max"))


@pytest.mark.parametrize(
    ("axes", "letters"),
    [
        ("tzyx", "TZYX"), (("Timepoint", "Depth", "Y", "X"), "TZYX"), (("slice", "y", "x"), "aYX"),
        (("Tile", "Zoom", "Y", "X"), "abYX"), ("QQYX", "abYX"), ("IQYX", "abYX"), ("IYXS", "aYXS"),
        (["channel", "y", "x"], "CYX"), (["ch", "y", "x"], "CYX"), (["field", "z", "y", "x"], "PZYX"),
        (["Well", "Field", "y", "x"], "PRYX"),
    ],
)  # fmt: skip
def test_axes_are_known_by_their_whole_names(axes, letters):
    assert letters_of(axes) == letters


@pytest.mark.parametrize(
    ("names", "letters"),
    [("tzyx", "TZYX"), (["Timepoint", "Y", "X"], "TYX"), (["Tilt", "Y", "X"], "aYX")],
)
def test_names_of_axes_in_a_tiff(tmp_path, names, letters):
    array = np.arange(3 * 2 * 12 * 16, dtype=np.uint16).reshape(3, 2, *SHAPE)
    array = array if len(letters) == 4 else array[:, 0]
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": names}, photometric="minisblack")
    stack = open_stack(tmp_path / "a.tif")
    assert stack.axes == letters
    np.testing.assert_array_equal(stack.read(Pick(1)).array, array.reshape(-1, *SHAPE)[1])


def test_rows_and_columns_in_another_order(tmp_path):
    array = np.arange(3 * 12 * 16, dtype=np.uint16).reshape(3, 12, 16)
    tifffile.imwrite(tmp_path / "a.tif", array.transpose(2, 1, 0), metadata={"axes": "XYZ"})
    stack = open_stack(tmp_path / "a.tif")
    assert stack.axes == "XYZ" and stack.count(Pick()) == 3
    np.testing.assert_array_equal(stack.read(Pick(1)).array, array[1])
    np.testing.assert_array_equal(stack.read(Pick(project="max")).array, array[2])


def test_what_is_projected_is_in_the_pick():
    pick = Pick(3, "max", channel=0, over="T")
    assert Pick.from_json(pick.to_json()) == pick
    assert (pick.suffix, pick.projection) == ("_maxT_c0_plane3", "maximum over time")
    assert Pick(project="mean", over="Z").suffix == "_mean" == Pick(project="mean", over="a").suffix
    assert Pick().projection == "" and "over" not in Pick(1).to_json()
    for over in (3, "ZT"):
        with pytest.raises(SettingsError, match="damaged"):
            Pick.from_json(pick.to_json() | {"over": over})


@pytest.mark.parametrize(
    ("kind", "axes", "counts", "before"),
    [("OME", "ZCYX", (1, 3), "C"), ("OME", "ZCYX", (3, 2), "Z"), ("OME", "TYX", (4,), "T"),
     ("zarr", "TYX", (4,), "T"), ("OME", "CYX", (2,), "C"), ("zarr", "ZCYX", (1, 2), "Z")],
)  # fmt: skip
def test_a_pick_of_a_record_of_before_means_what_it_meant(tmp_path, kind, axes, counts, before):
    path, array = stored(tmp_path, kind, axes, counts)
    stack = open_stack(path)
    old = Pick.from_json({"plane": None, "project": "max", "channel": None, "axes": "", "series": None})
    pick = stack.explicit(old)
    assert pick.over == before and stack.explicit(pick) is pick and stack.explicit(Pick(2)) == Pick(2)
    if stack.count(pick) == 1:
        expected = array.max(axes.index(before)).reshape(SHAPE)
        np.testing.assert_array_equal(stack.read(pick).array, expected)

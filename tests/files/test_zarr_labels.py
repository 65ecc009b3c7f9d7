"""Labels inside the OME-Zarr of their image: where they lie, what they say, and that others stay."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import zarr

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.errors import FormatError, ImageError, OutputNameError
from napari_sam2_automask.files import Outlines, export, open_file, pixel_size_of, write_zarr_labels
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.own_results import is_own_result
from napari_sam2_automask.files.pixel_size import FileScale, scale_in_file


def image(path, version="0.5", shape=(2, 3, 40, 600), names="czyx"):
    """Write an OME-Zarr image."""
    group = zarr.create_group(str(path), zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", shape=shape, chunks=shape, dtype="u2")[...] = 7
    axes = [{"name": name, "type": "channel" if name == "c" else "space"} for name in names]
    scale = [1.0, 2.0, 0.5, 0.25][-len(names) :]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]
    told = {"multiscales": [{"axes": axes, "datasets": datasets}]}
    group.attrs.put({"ome": {"version": "0.5", **told}} if version == "0.5" else told)
    return path


def labels(shape=(3, 40, 600), largest=70_000):
    return np.random.default_rng(0).integers(0, largest, shape).astype(np.int64)


def attributes(path):
    found = dict(zarr.open_group(str(path), mode="r").attrs)
    return found.get("ome", found)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_lie_in_their_image_and_name_it(tmp_path, version):
    path, wanted = image(tmp_path / "a.zarr", version), labels()
    before = sorted(one.relative_to(path) for one in path.rglob("*"))
    written = write_zarr_labels(path, wanted, "cells")
    assert written == path / "labels" / "cells"
    array, axes = open_file(written)
    np.testing.assert_array_equal(np.asarray(array), wanted)
    assert axes == "ZYX" and np.asarray(array).dtype == np.uint32
    told = attributes(written)
    assert told["image-label"] == {"version": version, "source": {"image": "../../"}}
    sets = told["multiscales"][0]["datasets"]
    assert [one["coordinateTransformations"][0]["scale"] for one in sets] == [
        [2.0, 0.5, 0.25], [2.0, 1.0, 0.5], [2.0, 2.0, 1.0],
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(open_file(written, 1)[0]), wanted[:, ::2, ::2])
    assert attributes(path / "labels")["labels"] == ["cells"]
    assert set(before) < {one.relative_to(path) for one in path.rglob("*")}
    assert (np.asarray(open_file(path)[0]) == 7).all()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_lie_where_the_image_lies(tmp_path, version):
    """A field of a plate, a cut-out or a registered image begins somewhere else than at 0."""
    path = image(tmp_path / "a.zarr", version)
    told = dict(zarr.open_group(str(path), mode="r").attrs)
    multiscale = told.get("ome", told)["multiscales"][0]
    multiscale["coordinateTransformations"] = [{"type": "scale", "scale": [1.0, 1.0, 0.5, 2.0]}]
    multiscale["datasets"][0]["coordinateTransformations"] += [
        {"type": "translation", "translation": [0.0, 7.0, 200.0, 300.0]}
    ]
    for axis in multiscale["axes"][1:]:
        axis["unit"] = "micrometer"
    zarr.open_group(str(path), mode="a").attrs.put(told)
    written = write_zarr_labels(path, labels(), "cells")
    own, found = scale_in_file(path), scale_in_file(written)
    assert own.spacing == (2.0, 0.25, 0.5) and own.origin == (7.0, 100.0, 600.0)
    assert (found.spacing, found.unit, found.origin) == (own.spacing, own.unit, own.origin)
    # Every second pixel is kept, so that the first of each level is the same.
    coarse = scale_in_file(written, level=1)
    assert coarse.spacing == (2.0, 0.5, 1.0) and coarse.origin == own.origin


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "affine", "affine": []},
        {"type": "scale", "scale": [1.0]},
        {"type": "scale", "scale": [1, 1, True, 1]},
    ],
)
def test_where_an_image_lies_that_cannot_be_told_takes_no_labels(tmp_path, wrong):
    path = image(tmp_path / "a.zarr")
    group = zarr.open_group(str(path), mode="a")
    told = dict(group.attrs)
    told["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [wrong]
    group.attrs.put(told)
    with pytest.raises(ImageError, match=r"a\.zarr is no OME-Zarr image of version"):
        write_zarr_labels(path, labels(), "cells")
    assert not (path / "labels").exists()


def test_labels_that_are_there_stay_unless_they_are_to_go(tmp_path):
    path = image(tmp_path / "a.zarr")
    write_zarr_labels(path, labels(largest=9), "one")
    write_zarr_labels(path, labels(largest=9), "two")
    with pytest.raises(OutputNameError, match="is there already"):
        write_zarr_labels(path, labels() * 0, "one")
    np.testing.assert_array_equal(np.asarray(open_file(path / "labels" / "one")[0]), labels(largest=9))
    write_zarr_labels(path, labels() * 0, "one", overwrite=True)
    assert not np.asarray(open_file(path / "labels" / "one")[0]).any()
    assert attributes(path / "labels")["labels"] == ["one", "two"]
    assert sorted(one.name for one in (path / "labels").iterdir()) == ["one", "two", "zarr.json"]


def test_axes_of_one_may_be_left_out(tmp_path):
    path = image(tmp_path / "a.zarr", shape=(1, 1, 30, 20))
    written = write_zarr_labels(path, np.ones((30, 20), np.uint8))
    assert open_file(written)[0].shape == (1, 30, 20) and written.name == "sam2_automask"


@pytest.mark.parametrize(
    ("given", "name", "error", "words"),
    [
        (np.zeros((3, 40, 599), int), "a", FormatError, r"shape \(3, 40, 600\)"),
        (np.zeros((3, 40, 600)), "a", FormatError, "whole numbers"),
        (np.full((3, 40, 600), -1), "a", FormatError, "from 0"),
        (np.zeros((3, 40, 600), int), "../a", OutputNameError, "cannot be called"),
        (np.zeros((3, 40, 600), int), "", OutputNameError, "cannot be called"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(tmp_path, given, name, error, words):
    path = image(tmp_path / "a.zarr")
    with pytest.raises(error, match=words):
        write_zarr_labels(path, given, name)
    assert not (path / "labels").exists()


def test_other_folders_and_links_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none", image(tmp_path / "p.zarr", names="pzyx")):
        with pytest.raises(ImageError, match="OME-Zarr"):
            write_zarr_labels(path, labels())
    path, elsewhere = image(tmp_path / "a.zarr"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (path / "labels").symlink_to(elsewhere)
    with pytest.raises(OutputNameError, match="link"):
        write_zarr_labels(path, labels())
    assert not list(elsewhere.iterdir())


def test_a_list_of_labels_that_others_wrote_is_kept(tmp_path):
    path = image(tmp_path / "a.zarr", "0.4")
    zarr.create_group(str(path / "labels"), zarr_format=2).attrs.put({"labels": ["theirs"], "note": 3})
    write_zarr_labels(path, labels(largest=5), "ours")
    assert json.loads((path / "labels" / ".zattrs").read_text()) == {"labels": ["theirs", "ours"], "note": 3}


def zipped(path, top=""):
    """Put an OME-Zarr into a zip file beside it."""
    with zipfile.ZipFile(path.with_suffix(".ozx"), "w") as file:
        file.comment = b'{"ome": {"version": "0.5"}}'
        for one in sorted(one for one in path.rglob("*") if one.is_file()):
            file.write(one, top + one.relative_to(path).as_posix())
    return path.with_suffix(".ozx")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("top", ["", "a.zarr/"])
def test_labels_go_into_a_zipped_image(tmp_path, version, top):
    folder = image(tmp_path / "a.zarr", version)
    path, wanted = zipped(folder, top), labels(largest=9)
    before = file_hash(path)
    written = write_zarr_labels(path, wanted, "cells")
    assert written == path / "labels" / "cells"
    with pytest.raises(OutputNameError, match="is there already"):
        write_zarr_labels(path, wanted * 0, "cells")
    write_zarr_labels(path, wanted, "more")
    write_zarr_labels(path, wanted * 0 + 5, "cells", overwrite=True)
    assert file_hash(path) == before == file_hash(folder) and (open_file(path)[0][...] == 7).all()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []
    with zipfile.ZipFile(path) as file:
        assert file.comment and len(set(file.namelist())) == len(file.namelist()) and file.testzip() is None
        file.extractall(tmp_path / "out")
    inside = tmp_path / "out" / top / "labels"
    assert attributes(inside)["labels"] == ["cells", "more"]
    assert (open_file(inside / "cells")[0][...] == 5).all()
    np.testing.assert_array_equal(open_file(inside / "more")[0][...], wanted)


@pytest.mark.parametrize("shape", [(40, 600), (3, 40, 600)])
def test_labels_in_a_zip_of_their_own(tmp_path, shape):
    wanted = labels(shape)
    outlines = replace(Outlines.of_labels(wanted), scale=FileScale.of_size((2.0, 0.5, 0.25, "um")))
    path = export(outlines, tmp_path / "a.labels.ozx", "ozx")
    array, axes = open_file(path)
    np.testing.assert_array_equal(array[...], wanted)
    assert axes == "ZYX"[-len(shape) :] and pixel_size_of(path) == (
        2.0 if len(shape) == 3 else None,
        0.5,
        0.25,
        "um",
    )
    assert is_own_result(path) and find_images([tmp_path])[0] == []

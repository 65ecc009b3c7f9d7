"""Zip files of several Zarr images: each is found, read, hashed and written to as in the folder."""

from __future__ import annotations

import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
import zarr

from napari_sam2_automask.batch.finding import find_images, unique_stems
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files import (
    count_series,
    open_file,
    pixel_size_of,
    read_image,
    write_zarr_labels,
    zarr_places,
)
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.series import images_in_zarr
from napari_sam2_automask.large.source.source import FileSource

SHAPE = (30, 40)


def image(path, value, version):
    """Write an OME-Zarr of one level whose pixels are all one value and half a micrometre wide."""
    group = zarr.create_group(str(path), zarr_format=version)
    group.create_array("0", shape=SHAPE, chunks=(16, 16), dtype="u1")[...] = value
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    steps = [{"type": "scale", "scale": [0.5, 0.5]}]
    told = {
        "multiscales": [
            {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
        ]
    }
    group.attrs.put({"ome": {"version": "0.5", **told}} if version == 3 else told)


def group(path, version, **told):
    made = zarr.open_group(str(path), mode="a", zarr_format=version)
    made.attrs.put({"ome": {"version": "0.5", **told}} if version == 3 else told)


def numbered(path, version):
    """Write the layout of bioformats2raw."""
    group(path, version, **{"bioformats2raw.layout": 3})
    for n in (0, 1, 10):
        image(path / str(n), n + 1, version)
    return ["0", "1", "10"]


def plate(path, version):
    """Write a plate of two wells, one with two fields."""
    wells = {"A/1": ["0", "1"], "B/2": ["0"]}
    group(path, version, plate={"wells": [{"path": well} for well in wells]})
    for k, (well, fields) in enumerate(wells.items()):
        group(path / well, version, well={"images": [{"path": field} for field in fields]})
        for field in fields:
            image(path / well / field, 10 * k + int(field) + 1, version)
    return ["A/1/0", "A/1/1", "B/2/0"]


def zipped(folder, top=""):
    """Put a folder into a zip file beside it."""
    path = folder.with_suffix(".ozx")
    with zipfile.ZipFile(path, "w") as file:
        for one in sorted(one for one in folder.rglob("*") if one.is_file()):
            file.write(one, top + one.relative_to(folder).as_posix())
    return path


@pytest.fixture(params=[2, 3])
def version(request):
    return request.param


@pytest.mark.parametrize("top", ["", "x/y.zarr/"])
@pytest.mark.parametrize("layout", [numbered, plate])
def test_each_image_is_that_of_the_folder(tmp_path, layout, top, version):
    folder = tmp_path / "p.zarr"
    names = layout(folder, version)
    path = zipped(folder, top)
    assert images_in_zarr(path) == [path / name for name in names]
    found, useless = find_images([path])
    assert found == [path / name for name in names] and not useless
    assert unique_stems(found) == unique_stems([folder / name for name in names])
    for name in names:
        one, same = path / name, folder / name
        np.testing.assert_array_equal(read_image(one).array, read_image(same).array)
        assert pixel_size_of(one) == pixel_size_of(same) == (None, 0.5, 0.5, "um")
        assert file_hash(one) == file_hash(same) and count_series(one) == 1
        assert find_images([str(one)]) == ([one], {})
        assert FileSource(str(one)).shape == SHAPE
        array, axes = open_file(one)
        assert axes == "YX" and pickle.loads(pickle.dumps(array))[0, 0] == array[0, 0]
    planned = plan(found, tmp_path / "out", Wanted())
    assert planned.results == len(names) and not planned.useless
    with pytest.raises(ImageError, match=rf"p.ozx holds {len(names)} images: .* such as .*p.ozx/{names[0]}"):
        read_image(path)


def test_zarrs_side_by_side_are_images_each(tmp_path, version):
    many = tmp_path / "many"
    image(many / "a.zarr", 1, version)
    numbered(many / "b.zarr", version)
    zarr.save_array(str(many / "c.zarr"), np.full(SHAPE, 9, np.uint8))
    (many / "d.zarr").mkdir()
    (many / "d.zarr" / ".zgroup").write_text("damaged")
    path = zipped(many)
    found, _ = find_images([path])
    assert found == [
        path / name for name in ("a.zarr", "b.zarr/0", "b.zarr/1", "b.zarr/10", "c.zarr", "d.zarr")
    ]
    assert [int(read_image(one).array[0, 0]) for one in found[:-1]] == [1, 1, 2, 11, 9]
    with pytest.raises(ImageError, match=r"d\.zarr"):
        read_image(found[-1])
    with pytest.raises(ImageError, match=r"many.ozx holds 6 images: .* such as .*many.ozx/a.zarr"):
        read_image(path)


def test_a_path_leads_to_what_the_zip_has_and_nowhere_else(tmp_path):
    numbered(tmp_path / "p.zarr", 3)
    path = zipped(tmp_path / "p.zarr")
    with zipfile.ZipFile(path, "a") as file:  # names that lead out, and numbers that nothing has
        for name in ("../0/zarr.json", "/0/zarr.json", f"{'9' * 5000}/zarr.json", "\u0663/zarr.json"):
            file.writestr(name, (tmp_path / "p.zarr" / "0" / "zarr.json").read_text())
    assert images_in_zarr(path) == [path / name for name in ("0", "1", "10")]
    for wrong in ("7", "../p.ozx/7", "0/zarr.json/x", "1\n"):
        with pytest.raises(ImageError):
            read_image(path / wrong)
        assert path / wrong in find_images([path / wrong])[1]
    (tmp_path / "p.tif").write_bytes(b"II*\0 no zip")
    assert tmp_path / "p.tif" / "0" in find_images([tmp_path / "p.tif" / "0"])[1]


def test_a_plate_told_to_lie_elsewhere_is_refused(tmp_path, version):
    folder = tmp_path / "p.zarr"
    plate(folder, version)
    group(folder, version, plate={"wells": [{"path": "../../etc"}]})
    with pytest.raises(ImageError, match="outside of it"):
        images_in_zarr(zipped(folder))


def test_the_contents_of_a_zip_are_listed_once_for_all_its_images(tmp_path, monkeypatch):
    names, opened = plate(tmp_path / "p.zarr", 3), []
    path, real = zipped(tmp_path / "p.zarr"), zipfile.ZipFile
    monkeypatch.setattr(zarr_places.zipfile, "ZipFile", lambda *args: opened.append(args) or real(*args))
    held = zarr_places.ZipPlace(path)
    for name in names:
        read_image(path / name)
    assert len(images_in_zarr(path)) == len(names) and len(opened) == 1
    held.close()
    del held
    (tmp_path / "p.zarr" / "B" / "2" / "0" / "zarr.json").unlink()
    zipped(tmp_path / "p.zarr")
    with pytest.raises(ImageError):
        read_image(path / "B/2/0")


def test_folders_as_deep_as_a_zip_can_tell_take_no_memory_to_speak_of():
    names = ["b/zarr.json", "a/" * 30_000 + "zarr.json", "a/zarr.json", "a.b/zarr.json", "readme"]
    tracemalloc.start()
    try:
        assert zarr_places._roots(names) == ["a.b/", "a/", "b/"]
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert zarr_places._roots([*names, "zarr.json"]) == zarr_places._roots(["readme"]) == [""]


@pytest.mark.parametrize("layout", [numbered, plate])
def test_labels_go_into_one_image_and_the_others_stay(tmp_path, layout, version):
    folder = tmp_path / "p.zarr"
    names = layout(folder, version)
    path = zipped(folder, "x/")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("beside.txt", "kept")
        before = {name: file.read(name) for name in file.namelist()}
    labels = np.zeros(SHAPE, np.uint16)
    labels[5:9, 5:9] = 3
    write_zarr_labels(path / names[1], labels, "nuclei")
    write_zarr_labels(folder / names[1], labels, "nuclei")
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None and len(set(file.namelist())) == len(file.namelist())
        assert {name: file.read(name) for name in before} == before
        new = {name for name in file.namelist() if name not in before}
        assert new and all(name.startswith(f"x/{names[1]}/labels/") for name in new)
    assert file_hash(path / names[1]) == file_hash(folder / names[1])
    assert images_in_zarr(path) == [path / name for name in names]
    again = read_image(path / names[1] / "labels" / "nuclei" / "0").array
    np.testing.assert_array_equal(again, labels)

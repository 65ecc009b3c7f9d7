"""Files with several images: series of a TIFF, OME-Zarr plates, and what bioformats2raw writes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from stack_kit import find_spots, invoke, message, spots

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import count_series, open_file
from napari_sam2_automask.files.pixel_size import pixel_size_of
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.series import images_in_zarr, name_of
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.replay.replaying import replay

ONE, TWO, THREE = spots((10, 12)), spots((10, 12), (30, 40)), spots((10, 12), (30, 40), (20, 55))


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """Find every bright spot."""
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)


@pytest.fixture
def several(tmp_path):
    """Write a TIFF of three images: a plane, a stack, a plane with pixels of another size."""
    path = tmp_path / "many.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for image, axes, size in ((ONE, "YX", 0.5), (np.stack([TWO, ONE]), "ZYX", 0.5), (THREE, "YX", 0.25)):
            metadata = {
                "axes": axes, "PhysicalSizeX": size, "PhysicalSizeY": size, "PhysicalSizeXUnit": "µm",
                "PhysicalSizeYUnit": "µm",
            }  # fmt: skip
            tiff.write(image, metadata=metadata)
    return path


def write_image(group, image):
    group["0"] = image
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    transform = [{"type": "scale", "scale": [0.5, 0.5]}]
    scale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transform}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [scale]}


@pytest.fixture
def plate(tmp_path):
    """Write a plate of two wells, the first with two fields."""
    path = tmp_path / "plate.ome.zarr"
    root = zarr.open_group(path, mode="w")
    wells = {"A/1": [ONE, TWO], "B/2": [THREE]}
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": well} for well in wells]}}
    for well, fields in wells.items():
        group = root.require_group(well)
        group.attrs["ome"] = {"well": {"images": [{"path": str(k)} for k in range(len(fields))]}}
        for k, field in enumerate(fields):
            write_image(group.create_group(str(k)), field)
    return path


def objects(folder):
    return {
        path.name.removesuffix(".table.csv"): len(pd.read_csv(path)) for path in folder.glob("*.table.csv")
    }


def test_a_series_has_to_be_chosen(several, tmp_path):
    assert count_series(several) == 3
    text = message(several, "--project", "max", "--out", tmp_path / "out")
    assert "holds 3 series: choose with --series N, from 0 to 2, or all" in text
    assert "there is no series 7" in message(several, "--series", "7", "--out", tmp_path / "out")
    assert "--series is 'x': give a number from 0, or all" in message(
        several, "--series", "x", "--out", tmp_path / "out"
    )
    with pytest.raises(ImageError, match="3 series"):
        open_stack(several)
    assert open_stack(several, series=1).axes == "TCZYX"


def test_one_series_with_its_own_pixel_size_and_again_from_its_record(several, tmp_path):
    out = tmp_path / "out"
    done = invoke(several, "--series", "2", "--out", out)
    assert done.exit_code == 0, done.output
    assert objects(out) == {"many.ome_series2": 3}
    table = pd.read_csv(out / "many.ome_series2.table.csv")
    assert table["area_um2"].iloc[0] == pytest.approx(table["area"].iloc[0] * 0.0625)
    record = json.loads((out / "many.ome_series2.record.json").read_bytes())
    assert record["pick"]["series"] == 2
    replay(out / "many.ome_series2.record.json", tmp_path / "again")
    again = tifffile.imread(tmp_path / "again" / "many.ome_series2.labels.tif")
    np.testing.assert_array_equal(again, tifffile.imread(out / "many.ome_series2.labels.tif"))


def test_all_series_of_a_file(several, tmp_path):
    out = tmp_path / "out"
    done = invoke(several, "--series", "all", "--planes", "all", "--out", out)
    assert done.exit_code == 0, done.output
    assert objects(out) == {
        "many.ome_series0_plane0": 1,
        "many.ome_series1_plane0": 2,
        "many.ome_series1_plane1": 1,
        "many.ome_series2_plane0": 3,
    }


def test_all_fields_of_a_plate(plate, tmp_path):
    out = tmp_path / "out"
    done = invoke(plate, "--out", out, "--summary", tmp_path / "all.csv")
    assert done.exit_code == 0, done.output
    assert objects(out) == {"plate_A_1_0": 1, "plate_A_1_1": 2, "plate_B_2_0": 3}
    summary = pd.read_csv(tmp_path / "all.csv")
    assert summary["objects"].tolist() == [1, 2, 3]
    assert summary["image"].str.endswith(("A/1/0", "A/1/1", "B/2/0")).all()
    table = pd.read_csv(out / "plate_B_2_0.table.csv")
    assert table["area_um2"].iloc[0] == pytest.approx(table["area"].iloc[0] * 0.25)
    # Again: nothing is done twice; a field that changed is told.
    assert invoke(plate, "--out", out).output.rstrip().endswith("0 done, 3 skipped, 0 failed")
    zarr.open(plate / "A/1/1/0", mode="r+")[:3, :3] = 255
    changed = invoke(plate, "--out", out)
    assert changed.exit_code == 1 and "2 skipped, 1 failed" in changed.output
    replay(out / "plate_B_2_0.record.json", tmp_path / "again")
    assert objects(tmp_path / "again") == {"plate_B_2_0": 3}


def test_the_layout_of_bioformats2raw_and_zarrs_in_folders(tmp_path, plate):
    path = tmp_path / "raw.zarr"
    root = zarr.open_group(path, mode="w")
    root.attrs["ome"] = {"bioformats2raw.layout": 3}
    root.create_group("OME")
    for k, image in ((10, THREE), (0, ONE), (2, TWO)):
        write_image(root.create_group(str(k)), image)
    assert [one.name for one in images_in_zarr(path)] == ["0", "2", "10"]
    found, useless = find_images([tmp_path])
    assert not useless
    assert [name_of(one) for one in found] == [
        "plate_A_1_0", "plate_A_1_1", "plate_B_2_0", "raw_0", "raw_2", "raw_10"
    ]  # fmt: skip
    np.testing.assert_array_equal(read_image(path / "10").array, THREE)
    with pytest.raises(ImageError, match=r"holds 3 images: give the path of one, such as .*raw.zarr/0"):
        open_file(path)


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_the_first_versions_of_ome_zarr_have_five_axes_and_do_not_tell_them(tmp_path, version):
    pixels = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=pixels)
    group.attrs["multiscales"] = [{"version": version, "datasets": [{"path": "0"}]}]
    array, axes = open_file(tmp_path / "a.zarr")
    assert axes == "TCZYX" and pixel_size_of(tmp_path / "a.zarr") is None
    np.testing.assert_array_equal(np.asarray(array), pixels)


def test_an_image_of_fewer_axes_tells_them(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=np.ones((4, 5)))
    for told, words in (([{"datasets": [{"path": "0"}]}], "tells no axes"), ([], "tells of no image")):
        group.attrs["multiscales"] = told
        with pytest.raises(ImageError, match=rf"a\.zarr cannot be read, it {words}"):
            open_file(tmp_path / "a.zarr")


def test_a_zarr_without_an_image_is_useless(tmp_path):
    zarr.open_group(tmp_path / "none.zarr", mode="w")
    found, useless = find_images([tmp_path / "none.zarr"])
    assert not found and "without an OME-Zarr image" in useless[tmp_path / "none.zarr"]

"""Lengths and areas in physical units become pixels, each image's by its own pixel size."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_sam2_automask import AmgSettings
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.cli.settings_options import choose_settings
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.settings.physical import Unmeasured, in_pixels, measured
from napari_sam2_automask.settings.presets import PRESETS
from napari_sam2_automask.settings.units import Pixel, Quantity, width_text

ANYTHING = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("text", "power", "pixels"),
    [
        ("8 um", 1, 20.0),
        ("8um", 1, 20.0),
        ("0.008 mm", 1, 20.0),
        ("8 micrometer", 1, 20.0),
        ("8e3 nm", 1, 20.0),
        ("30", 1, 30.0),
        ("30 px", 1, 30.0),
        ("16 um2", 2, 100),
        ("16 µm²", 2, 100),
        ("16 um^2", 2, 100),
        ("0.000016 mm2", 2, 100),
        ("500", 2, 500),
        ("500 pixels", 2, 500),
        ("500 px2", 2, 500),
        ("0.001 um2", 2, 1),
        ("0 um2", 2, 0),
    ],
)
def test_what_people_write(text, power, pixels):
    # 0.2 x 0.8 um: an area of 0.16, a side of 0.4.
    assert Quantity.read(text, power, "x").in_pixels(Pixel(0.2, 0.8, "um"), "x") == pytest.approx(pixels)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("object_diameter", "8 um2", "is a length"),
        ("min_area", "20 um", "is an area"),
        ("min_area", "20 parsec2", "unit is not known"),
        ("min_area", "20 2", "20 um2"),
        ("max_area", "many", "give a number"),
        ("object_diameter", "-8 um", "give a number"),
        ("object_diameter", "1.2.3 um", "give a number"),
        ("object_diameter", "", "give a number"),
        ("min_mask_region_area", "3 um", "is an area"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_an_example(name, text, words):
    with pytest.raises(SettingsError, match=words) as error:
        in_pixels(AmgSettings(), Pixel(1, 1), **{name: text})
    assert name in str(error.value) and "\n" not in str(error.value)


def test_settings_in_pixels():
    pixel = Pixel(0.5, 0.5, "micrometer")
    settings = in_pixels(
        AmgSettings(), pixel, object_diameter="8 um", max_area="0.0001 mm2", points_per_side=9
    )
    assert (settings.object_diameter, settings.max_area, settings.points_per_side) == (16.0, 400, 9)
    assert AmgSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    preset = in_pixels(PRESETS["balanced"], pixel, min_area="20 um2")
    assert preset.name == "custom (from balanced)"
    assert [preset.for_model(family).min_area for family in ("bundled", "sam2")] == [80, 80]
    assert in_pixels(AmgSettings(object_diameter=9.0), None, object_diameter="auto").fit_objects
    # As with numbers: a grid that is asked for takes the place of the fit, unless a size is asked for too.
    fitted = AmgSettings(fit_objects=True)
    assert not in_pixels(fitted, pixel, points_per_side=9, min_area="20 um2").fitted
    assert in_pixels(fitted, pixel, points_per_side=9, object_diameter="8 um").fitted


def test_without_a_pixel_size_only_pixels_are_taken():
    assert in_pixels(AmgSettings(), None, min_area="20 px").min_area == 20
    with pytest.raises(SettingsError, match=r"min_area is given as 20 µm².*in pixels.*--spacing"):
        in_pixels(AmgSettings(), None, min_area="20 um2")
    with pytest.raises(SettingsError, match="max_area must be 0 to 1e"):
        in_pixels(AmgSettings(), Pixel(1, 1, "angstrom"), max_area="1 mm2")


def test_a_pixel_has_a_size_in_a_known_unit():
    for wrong in ((0, 1), (1, -1), (float("nan"), 1), (1, float("inf"))):
        with pytest.raises(SettingsError):
            Pixel(*wrong, "um")
        assert Pixel.known(wrong, "um") is None
    for unit in ("pixel", "second", "", None):
        assert Pixel.known((1, 1), unit) is None
    assert Pixel.known(None, "um") is None
    assert Pixel.known((0.5, 2), "µm") == Pixel(0.5, 2, "um")
    assert width_text(23.46, Pixel(0.2, 0.2)) == "23.5 pixels (4.69 µm)"
    assert width_text(23.46, None) == "23.5 pixels"


def test_options_wait_for_the_image_only_where_they_must():
    assert choose_settings("fine", None, {"min_area": "30", "object_diameter": None}).settings.min_area == 30
    waiting = choose_settings("fine", None, {"min_area": "20 um2", "use_m2m": False})
    assert isinstance(waiting, Unmeasured)
    for side, area in ((0.5, 80), (1.0, 20)):
        settings = measured(waiting, Pixel(side, side)).for_model("sam2")
        assert settings == PRESETS["fine"].for_model("sam2").replace(min_area=area, use_m2m=False)
    with pytest.raises(SettingsError, match="points_per_batch"):
        choose_settings("fine", None, {"min_area": "20 um2", "points_per_batch": 0})
    assert choose_settings("coarse", None, {"object_diameter": "auto"}).for_model("bundled").fit_objects


def test_ome_and_imagej_files_tell_how_large_a_pixel_is(tmp_path):
    pixels = np.zeros((8, 9), np.uint8)
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, metadata=metadata)
    loaded = read_image(tmp_path / "a.ome.tif")
    assert (loaded.pixel_size, loaded.unit) == ((0.5, 0.25), "um")
    tifffile.imwrite(
        tmp_path / "b.tif", pixels, imagej=True, resolution=(4, 2), metadata={"unit": "micron", "axes": "YX"}
    )
    loaded = read_image(tmp_path / "b.tif")
    assert (loaded.pixel_size, loaded.unit) == ((0.5, 0.25), "um")
    tifffile.imwrite(tmp_path / "c.tif", pixels, imagej=True, resolution=(4, 2), metadata={"unit": "cubit"})
    loaded = read_image(tmp_path / "c.tif")
    assert loaded.pixel_size is None and loaded.unit is None


@pytest.fixture
def folder(tmp_path):
    """Write the same picture three times: with large pixels, with small ones, without a size."""
    y, x = np.indices((64, 80))
    picture = (4000 * np.exp(-((y - 30) ** 2 + (x - 40) ** 2) / 90)).astype(np.uint16)
    path = tmp_path / "in"
    path.mkdir()
    for name, per_um in (("large", 1), ("small", 4)):
        tifffile.imwrite(
            path / f"{name}.tif", picture, imagej=True, resolution=(per_um, per_um), metadata={"unit": "um"}
        )
    tifffile.imwrite(path / "unknown.tif", picture)
    return path


def settings_of(folder, name):
    return json.loads((folder / f"{name}.record.json").read_text())["settings"]


def test_each_file_of_a_folder_by_its_own_pixels(folder, tmp_path):
    out = tmp_path / "out"
    done = invoke("segment", folder, "--out", out, "--min-area", "20 um2", *ANYTHING)
    assert done.exit_code == 1 and "2 done, 0 skipped, 1 failed" in done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("error")]
    assert "unknown.tif: min_area is given as 20 µm²" in line and "--spacing" in line
    assert settings_of(out, "large")["min_area"] == 20
    assert settings_of(out, "small")["min_area"] == 320
    again = invoke("replay", out / "small.record.json", "--out", tmp_path / "again")
    assert again.exit_code == 0 and "the same labels" in again.output
    assert settings_of(tmp_path / "again", "small")["min_area"] == 320


def test_the_size_of_a_pixel_can_be_said(folder, tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((30, 40), np.uint8) + np.arange(40, dtype=np.uint8)).save(folder / "photo.png")
    out, sizes = tmp_path / "out", ("--spacing", 1, 2, 0.5, "--unit", "um")
    done = invoke("segment", folder, "--out", out, *sizes, "--max-area", "900 um2", *ANYTHING)
    assert done.exit_code == 0, done.output
    for name in ("large", "small", "unknown", "photo"):
        assert settings_of(out, name)["max_area"] == 900
        record = json.loads((out / f"{name}.record.json").read_text())
        assert record["pixel_size"] == [2, 0.5] and record["unit"] == "um"


def test_a_fit_says_what_it_found(folder, tmp_path):
    done = invoke("segment", folder / "small.tif", "--out", tmp_path, "--object-diameter", "5 um")
    assert "fitted to objects 20 pixels (5 µm) wide" in done.output
    assert settings_of(tmp_path, "small")["object_diameter"] == 20.0
    done = invoke("segment", folder / "unknown.tif", "--out", tmp_path, "--object-diameter", "auto")
    assert "fitted to objects" in done.output and "µm" not in done.output


def test_a_sweep_takes_them_too(folder, tmp_path):
    values = ("--parameter", "min_area", "--values", "1 um2, 300 um2", "--max-area", "30000 um2")
    done = invoke("sweep", folder / "small.tif", "--out", tmp_path, *values, *ANYTHING)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "small.min_area.csv").read_text()
    assert "16" in text and "4800" in text

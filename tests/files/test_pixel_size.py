"""How large pixels are and where they lie, as files of every kind say it."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import zarr
from pyramid_factory import levels_of, write_zarr

from napari_sam2_automask.files import tiff_scale
from napari_sam2_automask.files.axis_names import axis_letters
from napari_sam2_automask.files.pixel_size import FileScale, pixel_size_of, scale_in_file
from napari_sam2_automask.files.pyramid import place_level
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.settings.units import convert, known_unit

PIXELS = np.zeros((20, 30), np.uint8)


def ome_tiff(path, pixels=PIXELS, **sizes):
    tifffile.imwrite(path, pixels, metadata={"axes": "TZCYX"[-pixels.ndim :], **sizes}, ome=True)
    return path


def imagej_tiff(path, text, resolution=(2, 4), unit=1):
    """Write an ImageJ TIFF with a description and pixels per unit along X and Y."""
    description = f"ImageJ=1.54f\n{text}\nmin=0.0\n".encode()
    tifffile.imwrite(
        path, PIXELS, description=description, metadata=None, resolution=resolution, resolutionunit=unit
    )
    return path


def ome_zarr(path, axes, *datasets, **multiscale):
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for number, (shape, _) in enumerate(datasets):
        group.create_array(str(number), shape=shape, dtype="u1")
    told = [
        {"path": str(number), "coordinateTransformations": place}
        for number, (_, place) in enumerate(datasets)
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": told, **multiscale}]}
    return path


def space(*units):
    return [
        {"name": name, "type": "space", "unit": unit}
        for name, unit in zip("zyx"[-len(units) :], units, strict=True)
    ]


def scale(*steps):
    return {"type": "scale", "scale": list(steps)}


def translation(*place):
    return {"type": "translation", "translation": list(place)}


MICROMETRES = (
    "um", "µm", "μm", "micron", "microns", "Micron", "micrometer", "micrometre", "Micrometers", "micrometres",
    "MICROMETER", "\\u00B5m", "\\u03BCm", "Âµm", " um ",
)  # fmt: skip


@pytest.mark.parametrize("unit", MICROMETRES)
def test_every_spelling_of_micrometre(unit, tmp_path):
    assert known_unit(unit) == "um"
    path = ome_zarr(tmp_path / "in.zarr", space(unit, unit), ((20, 30), [scale(0.25, 0.5)]))
    assert pixel_size_of(path) == (None, 0.25, 0.5, "um")
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as file:
        text = f"ImageJ=1.54f\nunit={unit.replace('μ', 'µ')}\n"
        file.write(
            PIXELS, description=text.encode("latin-1"), metadata=None, resolution=(2, 4), resolutionunit=1
        )
    assert pixel_size_of(path) == (None, 0.25, 0.5, "um")


@pytest.mark.parametrize(
    ("unit", "short"),
    [
        ("nm", "nm"), ("nanometers", "nm"), ("Nanometre", "nm"), ("mm", "mm"), ("millimetres", "mm"),
        ("cm", "cm"), ("centimeter", "cm"), ("m", "m"), ("metre", "m"), ("angstroms", "angstrom"),
        ("Å", "angstrom"), ("\u212b", "angstrom"), ("ms", None), ("s", None), ("px", None),
        ("reference frame", None), ("", None),
    ],
)  # fmt: skip
def test_other_units(unit, short):
    assert known_unit(unit) == short


def test_lengths_and_areas_in_another_unit():
    assert convert(250, "nm", "um") == 0.25
    assert convert(0.5, "um", "nm") == 500
    assert convert(250 * 250, "nm", "um", 2) == 0.0625
    assert convert(1, "cm", "um", 3) == 1e12


def test_each_axis_has_its_own_unit(tmp_path):
    """A pixel of 250 nm by 0.5 um, planes 1 mm apart."""
    sizes = {
        "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.001, "PhysicalSizeZUnit": "mm",
    }  # fmt: skip
    path = ome_tiff(tmp_path / "in.ome.tif", np.stack([PIXELS] * 3)[None, :, None], **sizes)
    assert pixel_size_of(path) == (1.0, 0.25, 0.5, "um")
    path = imagej_tiff(tmp_path / "in.tif", "unit=um\nyunit=nm\nzunit=mm\nspacing=0.001", (2, 0.004))
    assert pixel_size_of(path) == pytest.approx((1.0, 0.25, 0.5, "um"))
    axes = space("millimeter", "nanometer", "micrometer")
    path = ome_zarr(tmp_path / "in.zarr", axes, ((3, 20, 30), [scale(0.001, 250, 0.5)]))
    assert pixel_size_of(path) == (1.0, 0.25, 0.5, "um")
    assert read_image(path, 0).pixel_size == (0.25, 0.5)
    # Without a unit of its own an axis of OME is in micrometres.
    path = ome_tiff(tmp_path / "x.ome.tif", PhysicalSizeX=500, PhysicalSizeXUnit="nm", PhysicalSizeY=0.25)
    assert pixel_size_of(path) == (None, 250, 500, "nm")


@pytest.mark.parametrize(
    ("unit", "side"),
    [("pm", 1e-6), ("km", 1e9), ("in", 25400), ("inch", 25400), ("thou", 25.4), ("ft", 304800), ("dm", 1e5)],
)
def test_lengths_that_nobody_types(unit, side, tmp_path):
    sizes = {f"PhysicalSize{axis}": 1.0 for axis in "XY"} | {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    assert pixel_size_of(ome_tiff(tmp_path / "a.ome.tif", **sizes)) == pytest.approx((None, side, side, "um"))


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "furlong", "s", "", "Mm", "Pm"])
def test_a_unit_that_is_no_length_is_none(unit, tmp_path):
    sizes = {f"PhysicalSize{axis}": 1.0 for axis in "XY"} | {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    assert pixel_size_of(ome_tiff(tmp_path / "a.ome.tif", **sizes)) is None
    assert pixel_size_of(imagej_tiff(tmp_path / "a.tif", f"unit={unit}")) is None
    path = ome_zarr(tmp_path / "a.zarr", space("micrometer", unit), ((20, 30), [scale(2, 3)]))
    assert pixel_size_of(path) is None


@pytest.mark.parametrize("wrong", ["abc", "nan", "inf", "-inf", "-0.5", "0", "1e300", "", "0,5", "1_0"])
def test_a_size_that_is_no_number_is_not_known(wrong, tmp_path):
    """It never keeps the image from being read."""
    path = ome_tiff(tmp_path / "a.ome.tif", PhysicalSizeX=0.123456, PhysicalSizeY=0.5, PhysicalSizeZ=0.654321)
    whole = path.read_bytes()
    for number, told in (("0.123456", None), ("0.654321", (None, 0.5, 0.123456, "um"))):
        text = wrong.encode()[: len(number)].ljust(len(number))
        path.write_bytes(whole.replace(number.encode(), text))
        assert pixel_size_of(path) == told
        assert read_image(path).array.shape == (20, 30)
    group = ome_zarr(tmp_path / "a.zarr", space("um", "um"), ((20, 30), [scale(0.5, 0.25)]))
    described = (group / "zarr.json").read_text()
    for written in (f'"{wrong}"', "NaN", "-1", "0", "null", "[]", "{}", "true_", "true"):
        (group / "zarr.json").write_text(described.replace("0.25", written))
        assert pixel_size_of(group) is None


def test_damaged_descriptions_are_not_known(tmp_path):
    path = tmp_path / "a.ome.tif"
    for text in ("<OME", "<OME></OME>", "<OME><Image/></OME>", "<?xml version='1.0'?><OME><Image ID='0'>"):
        tifffile.imwrite(path, PIXELS, description=text + " <!-- " + "OME>", metadata=None)
        assert pixel_size_of(path) is None
    for axes, place in (
        (space("um", "um"), [{"type": "affine", "affine": [[1, 0, 0], [0, 1, 0]]}]),
        (space("um", "um"), [scale(1.0)]),
        (space("um", "um"), []),
        ([None, "x"], [scale(1.0, 1.0)]),
    ):
        assert scale_in_file(ome_zarr(tmp_path / "a.zarr", axes, ((20, 30), place))) == FileScale()


def test_resolutions_of_imagej(tmp_path):
    def told(text, resolution, unit):
        return pixel_size_of(imagej_tiff(tmp_path / "a.tif", text, resolution, unit))

    assert told("unit=cm", (20000, 40000), 3) == (None, 2.5e-5, 5e-5, "cm")
    assert told("unit=inch", (254, 508), 2) == pytest.approx((None, 50, 100, "um"))
    assert told("unit=inch", (72, 72), 2) is None, "what every program writes"
    # ImageJ reads it so: the resolution is for a centimetre, the unit for people.
    assert told("unit=um", (20000, 40000), 3) == pytest.approx((None, 0.25, 0.5, "um"))
    assert told("", (20000, 40000), 3) is None
    assert told("unit=um", (0, 4), 1) is None
    path = imagej_tiff(tmp_path / "a.tif", "unit=um\nfinterval=1.5\ntunit=min")
    assert scale_in_file(path).seconds == 90


def test_a_slide_of_aperio(tmp_path):
    path = tmp_path / "a.svs"
    text = "Aperio Image Library v1.0\r\n64x64|AppMag = 20|MPP = 0.4990"
    with tifffile.TiffWriter(path) as file:
        file.write(np.zeros((64, 64, 3), np.uint8), tile=(16, 16), description=text, metadata=None)
        file.write(np.zeros((16, 16, 3), np.uint8), description="Aperio thumbnail", metadata=None)
        file.write(np.zeros((32, 32, 3), np.uint8), tile=(16, 16), description=text, metadata=None)
    assert pixel_size_of(path) == (None, 0.499, 0.499, "um")
    assert pixel_size_of(path, 1) is None, "a thumbnail"
    assert open_stack(path, level=1, series=0).size == pytest.approx((None, 0.998, 0.998, "um"))


def test_a_slide_of_hamamatsu(tmp_path):
    path = tmp_path / "ndpi.tif"
    tags = [(65420, 4, 1, 1, True), (271, 2, 0, "Hamamatsu", True)]
    pixels = np.zeros((64, 64, 3), np.uint8)
    tifffile.imwrite(path, pixels, resolution=(40000, 20000), resolutionunit=3, extratags=tags, metadata=None)
    assert tiff_scale.scale_in_tiff(path)["X"].step == pytest.approx(0.25)
    assert pixel_size_of(path) == pytest.approx((None, 0.5, 0.25, "um"))


def test_a_stack_of_metamorph(tmp_path):
    """UIC1 says what is calibrated, UIC2 how far the planes are apart."""
    path = tmp_path / "a.stk"
    tags = [(33628, 4, 4, (0, 0, 0, 0), True), (33629, 5, 2, (1, 1, 1, 1), True)]
    tifffile.imwrite(path, np.zeros((8, 8), np.uint16), extratags=tags, metadata=None, byteorder="<")
    whole = path.read_bytes()
    end = len(whole)
    values = struct.pack("<4I", 1, 4, 1, 2) + struct.pack("<I3sx", 3, b"um\0")
    planes = struct.pack("<12I", *(3, 2, 0, 0, 0, 0) * 2)

    def told(calibrated):
        words = struct.pack("<8I", 3, calibrated, 4, end, 5, end + 8, 6, end + 16)
        data = bytearray(whole + values + words + planes)
        for tag, place in (
            (struct.pack("<HHI", 33628, 4, 4), end + len(values)),
            (struct.pack("<HHI", 33629, 5, 2), end + len(values) + len(words)),
        ):
            entry = whole.index(tag) + len(tag)
            data[entry : entry + 4] = struct.pack("<I", place)
        path.write_bytes(data)
        return pixel_size_of(path)

    assert told(1) == (1.5, 0.5, 0.25, "um")
    assert told(0) is None


def test_lsm_counts_in_metres():
    metadata = {"VoxelSizeX": 2e-7, "VoxelSizeY": 3e-7, "VoxelSizeZ": 1e-6, "TimeIntervall": 2.5}
    found = tiff_scale._of_lsm(SimpleNamespace(lsm_metadata=metadata))
    steps = {axis: round(one.step, 9) for axis, one in found.items()}
    assert steps == {"X": 0.2, "Y": 0.3, "Z": 1.0, "T": 2.5}
    assert {one.unit for one in found.values()} == {"um", "s"}


def test_the_size_of_the_series_that_is_read(tmp_path):
    path = tmp_path / "many.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for side in (0.5, 0.25):
            sizes = {f"PhysicalSize{axis}": side for axis in "XY"}
            tiff.write(PIXELS, metadata={"axes": "YX", **sizes})
    assert [pixel_size_of(path, k) for k in (0, 1)] == [(None, 0.5, 0.5, "um"), (None, 0.25, 0.25, "um")]
    assert pixel_size_of(path, 2) is None
    assert read_image(path, 1).pixel_size == (0.25, 0.25)


def test_transformations_of_all_levels_come_after_those_of_one(tmp_path):
    levels = ((20, 30), [scale(1, 1), translation(3, 4)]), ((10, 15), [scale(2, 2), translation(3.5, 4.5)])
    more = {"coordinateTransformations": [scale(0.25, 0.5), translation(100, 624)]}
    path = ome_zarr(tmp_path / "a.zarr", space("micrometer", "nm"), *levels, **more)
    assert scale_in_file(path) == FileScale((None, 250, 0.5), "nm", (0, 100750, 626))
    assert scale_in_file(path, level=1) == FileScale((None, 500, 1.0), "nm", (0, 100875, 626.25), level=1)
    placed = place_level(path, 1)
    assert (placed.spacing, placed.origin, placed.unit) == ((1.0, 500, 1.0), (0, 100875, 626.25), "nm")


def test_a_level_without_translation_lies_where_means_of_blocks_lie(tmp_path):
    levels = ((20, 30), [scale(0.5, 0.5), translation(10, 20)]), ((10, 15), [scale(1.0, 1.0)])
    path = ome_zarr(tmp_path / "a.zarr", space("um", "um"), *levels)
    assert place_level(path, 1).origin == (0, 10.25, 20.25)
    # A size that a person gives takes the place of the file's; where the image lies stays.
    placed = place_level(path, 0, size=(None, 250.0, 250.0, "nm"))
    assert (placed.spacing, placed.origin, placed.unit) == ((1.0, 250, 250), (0, 10_000, 20_000), "nm")


def test_an_image_without_units_keeps_its_numbers(tmp_path):
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    path = ome_zarr(tmp_path / "a.zarr", axes, ((3, 20, 30), [scale(2, 0.5, 0.5), translation(1, 2, 3)]))
    placed = place_level(path, 0)
    assert (placed.spacing, placed.origin, placed.unit) == ((2, 0.5, 0.5), (1, 2, 3), None)
    assert pixel_size_of(path) is None


def test_frames_last_as_long_as_the_file_says(tmp_path):
    axes = [{"name": "t", "type": "time", "unit": "millisecond"}, *space("um", "um")]
    path = ome_zarr(tmp_path / "a.zarr", axes, ((3, 20, 30), [scale(500, 0.5, 0.5)]))
    found = scale_in_file(path)
    assert (found.interval, found.time_unit, found.seconds) == (500, "millisecond", 0.5)
    movie = np.stack([PIXELS] * 3)[:, None, None]
    sizes = {"PhysicalSizeX": 1, "PhysicalSizeY": 1, "TimeIncrement": 2, "TimeIncrementUnit": "min"}
    assert scale_in_file(ome_tiff(tmp_path / "a.ome.tif", movie, **sizes)).seconds == 120


@pytest.mark.parametrize(
    ("axes", "letters"),
    [
        (["t", "c", "z", "y", "x"], "TCZYX"),
        (["time", "channel", "depth", "y", "x"], "TCZYX"),
        (["Time", "Channels", "Y", "X"], "TCYX"),
        (["slice", "y", "x"], "aYX"),
        (["round", "row", "column"], "aYX"),
        (["scene", "section", "plate", "y", "x"], "PabYX"),
        (["position", "y", "x"], "PYX"),
        (["y", "x", "s"], "YXS"),
        (["q", "y", "x"], "QYX"),
        (["zoom", "tile", "camera", "y", "x"], "abcYX"),
        (["y", "x", "z"], "YXZ"),
        ([None, "y", "x"], ""),
        ([{"name": "s", "type": "space"}, {"name": "y"}, {"name": "x"}], "aYX"),
        ([{"name": "angle", "type": "time"}, {"name": "y"}, {"name": "x"}], "TYX"),
        ([{"name": "wavelength", "type": "channel"}, {"name": "height"}, {"name": "width"}], "CYX"),
        ([{"name": "t", "type": "time"}, {"name": "time", "type": "time"}, "y", "x"], "TaYX"),
    ],
)
def test_axes_are_known_by_type_and_whole_name(axes, letters):
    assert axis_letters(axes) == letters


def test_planes_of_an_axis_that_only_begins_like_colours(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(3, 20, 30), dtype="u1", dimension_names=["slice", "y", "x"])
    array[:] = np.arange(3, dtype=np.uint8)[:, None, None]
    stack = open_stack(path)
    assert stack.axes == "aYX"
    levels = levels_of(PIXELS)
    assert (
        open_stack(write_zarr(tmp_path / "b.zarr", [level[None] for level in levels], axes="zyx")).axes
        == "ZYX"
    )

"""Files of microscope makers, by a plugin that takes the place of bioio's; and the line where none is."""

from __future__ import annotations

import json
import re
import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import stand_in_plugin
import tifffile
from large_images import cells
from large_run import SIZES, Cheap
from places import ROOT
from stack_kit import find_spots, invoke, message, spots
from stand_in_plugin import PartsReader, write_czi

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files import bioio_images, vendor
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.kinds import is_candidate, stem_of
from napari_sam2_automask.files.opening import count_series, images_in, level_shapes, open_file
from napari_sam2_automask.files.pixel_size import pixel_size_of, scale_in_file
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.files.vendor_formats import VENDOR_SUFFIXES
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import FileSource

VOLUME = np.random.default_rng(0).integers(0, 60_000, (2, 3, 4, 8, 10), dtype=np.uint16)
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def forget():
    bioio_images._installed.cache_clear()
    vendor._images.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Let modules be installed as plugins of bioio, as their distributions would do it."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def add(name, module="stand_in_plugin"):
        folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[bioio.readers]\n{name} = {module}\n")
        forget()

    forget()
    stand_in_plugin.READ.clear()
    yield add
    forget()


@pytest.fixture
def plugin(install):
    install("bioio-czi")


@pytest.fixture(params=["by Dask", "by parts"])
def either(request, plugin, monkeypatch):
    if request.param == "by parts":
        monkeypatch.setattr(stand_in_plugin, "Reader", PartsReader)


def test_a_scene_is_read_plane_by_plane(tmp_path, either):
    path = write_czi(tmp_path / "a.czi", (VOLUME, "TCZYX"), size=(2.0, 0.5, 0.25), seconds=30)
    array, axes = open_file(path)
    assert axes == "TCZYX" and array.shape == VOLUME.shape and array.dtype == np.uint16
    assert not stand_in_plugin.READ, "nothing is read before it is asked for"
    assert (array[1, 2, 3] == VOLUME[1, 2, 3]).all() and stand_in_plugin.READ == [(0, 80)]
    assert (array[0, :, 1:3, 2:5, ::2] == VOLUME[0, :, 1:3, 2:5, ::2]).all()
    assert (array[-1, ..., 3] == VOLUME[-1, ..., 3]).all() and (np.asarray(array) == VOLUME).all()
    assert pixel_size_of(path) == (2.0, 0.5, 0.25, "um") and scale_in_file(path).seconds == 30
    planes = [one.array for one in every_plane(path)]
    assert len(planes) == 24 and (np.stack(planes) == VOLUME.reshape(24, 8, 10)).all()
    assert (read_image(path, 13).array == VOLUME[1, 0, 1]).all()


def test_scenes_are_series(tmp_path, plugin):
    scenes = [(VOLUME[0, 0], "ZYX"), (VOLUME[1, 0, 0, :5], "YX"), (VOLUME[0, :, :1], "CZYX")]
    path = write_czi(tmp_path / "a.czi", *scenes)
    assert count_series(path) == 3
    for k, (array, axes) in enumerate(scenes):
        stack = open_stack(path, series=k)
        assert stack.axes == axes and (np.asarray(stack.array[...]) == array).all()
    with pytest.raises(ImageError, match="holds 3 series: choose with --series N"):
        open_stack(path)
    with pytest.raises(ImageError, match="there is no series 3"):
        open_stack(path, series=3)


@pytest.mark.parametrize(
    ("named", "axes"),
    [
        ("TCZYX", "TCZYX"),
        ("MCZYX", "PCZYX"),  # tiles that nobody put together
        ("HVIYX", "HVIYX"),
        (["lambda", "C", "Z", "Y", "X"], "aCZYX"),
    ],
)
def test_axes_are_those_that_the_file_names(tmp_path, plugin, named, axes):
    path = write_czi(tmp_path / "a.czi", (VOLUME[:1, :, :1], named))
    assert open_stack(path).axes == axes and level_shapes(path)[0] == [(1, 3, 1, 8, 10)]


def test_colours_are_samples(tmp_path, either):
    colours = np.random.default_rng(1).integers(0, 255, (1, 8, 10, 3), dtype=np.uint8)
    path = write_czi(tmp_path / "a.czi", (colours, "CYXS"))
    assert open_file(path)[1] == "CYXS" and (open_file(path)[0][0, 2:4, :, 1] == colours[0, 2:4, :, 1]).all()
    loaded = read_image(path)
    assert loaded.rgb and (loaded.array == colours[0]).all()


def test_a_pyramid_has_its_levels(tmp_path, plugin):
    path = write_czi(tmp_path / "a.czi", (VOLUME[0], "CZYX"), levels=2, size=(None, 0.5, 0.5))
    assert level_shapes(path)[0] == [(3, 4, 8, 10), (3, 4, 4, 5)]
    stack = open_stack(path, level=1)
    assert stack.size == (None, 1.0, 1.0, "um") and (stack.array[1, 2] == VOLUME[0, 1, 2, ::2, ::2]).all()


@pytest.mark.parametrize(
    ("name", "told", "size"),
    [
        ("bioio-czi", {"size": (2, 0.5, 0.25)}, (2, 0.5, 0.25, "um")),
        ("bioio-czi", {"size": (0.0, 0.5, 0.25)}, (None, 0.5, 0.25, "um")),
        ("bioio-czi", {"size": (1, 1, 1)}, (1, 1, 1, "um")),
        ("bioio-nd2", {"size": (1, 1, 1)}, None),  # never calibrated
        ("bioio-nd2", {"size": (2, 0.5, 0.5), "unit": "nanometer"}, (2, 0.5, 0.5, "nm")),
        ("bioio-other", {"size": (2, 0.5, 0.25)}, None),  # who knows in what
        ("bioio-other", {"size": (2, 0.5, 0.25), "unit": "mm"}, (2, 0.5, 0.25, "mm")),
        ("bioio-czi", {"size": ("wide", -1, float("inf"))}, None),
        ("bioio-czi", {"silent": True}, None),
    ],
)
def test_sizes_have_a_unit_or_are_unknown(tmp_path, install, name, told, size):
    install(name)
    path = write_czi(tmp_path / "a.czi", (VOLUME[0, 0], "ZYX"), **told)
    assert pixel_size_of(path) == size and read_image(path, 1).array.shape == (8, 10)


@pytest.mark.parametrize(
    ("names", "columns"),
    [(["DAPI", "GFP"], ["DAPI", "GFP"]), (["a", "a"], ["c0", "c1"]), (None, ["c0", "c1"])],
)
def test_channels_are_called_as_in_the_file(tmp_path, plugin, monkeypatch, names, columns):
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)
    image = np.stack([spots((20, 20)), spots((20, 20), height=150)])
    path = write_czi(tmp_path / "a.czi", (image, "CYX"), channels=names)
    done = invoke(path, "--channel", "mix", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    [table] = (tmp_path / "out").glob("*.csv")
    header = table.read_text().splitlines()[0]
    assert [name for name in header.split(",") if name.startswith("mean_intensity_")] == [
        f"mean_intensity_{name}" for name in columns
    ]


def test_the_same_labels_as_of_the_tiff_and_again_from_the_record(tmp_path, plugin, monkeypatch):
    from typer.testing import CliRunner

    from napari_sam2_automask.cli.commands import app

    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)
    planes = np.stack([spots((20, 20)), spots((20, 20), (30, 50))])
    folder = tmp_path / "in"
    folder.mkdir()
    write_czi(folder / "a.czi", (planes[:1], "ZYX"), (planes, "PYX"), size=(None, 0.5, 0.5))
    tifffile.imwrite(folder / "b.tif", planes, metadata={"axes": "ZYX"})
    done = invoke(folder, "--out", tmp_path / "out", "--series", "all", "--planes", "all")
    assert done.exit_code == 0 and "skipped:" not in done.output, done.output
    for k in (0, 1):
        labels = tifffile.imread(tmp_path / "out" / f"a_series1_plane{k}.labels.tif")
        assert labels.max() == k + 1
        assert (labels == tifffile.imread(tmp_path / "out" / f"b_plane{k}.labels.tif")).all()
    record = tmp_path / "out" / "a_series1_plane1.record.json"
    assert json.loads(record.read_text())["objects"] == 2
    again = CliRunner().invoke(app, ["replay", str(record), "--out", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    [labels] = (tmp_path / "again").glob("*.labels.tif")
    assert (
        tifffile.imread(labels) == tifffile.imread(tmp_path / "out" / "a_series1_plane1.labels.tif")
    ).all()


def test_tiles_of_a_scene_are_those_of_a_tiff(tmp_path, either):
    image = cells((300, 200))[0]
    tifffile.imwrite(tmp_path / "a.tif", image)
    path = write_czi(tmp_path / "a.czi", (image[:9, :9], "YX"), (image[None], "ZYX"), size=(None, 0.5, 0.5))
    sources = {"tif": FileSource(str(tmp_path / "a.tif")), "czi": FileSource(str(path), series=1)}
    for name, source in sources.items():
        assert not segment_large(source, tmp_path / f"{name}.zarr", Cheap(), **SIZES).failed
    labels = [np.squeeze(open_file(tmp_path / f"{name}.zarr")[0][...]) for name in ("tif", "czi")]
    assert labels[0].max() > 20 and (labels[0] == labels[1]).all()


# How such a file starts -> what the line says.
REFUSED = {
    "a.czi": (b"ZISRAWFILE", "Zeiss CZI", "[bioio]"),
    "czi.tif": (b"ZISRAWFILE", "Zeiss CZI", "[bioio]"),
    "a.nd2": (b"\xda\xce\xbe\x0a", "Nikon ND2", "[bioio]"),
    "old.ND2": (b"\0\0\0\x0cjP  \r\n", "Nikon ND2", "[bioio]"),
    "a.lif": (b"\x70\0\0\0", "Leica LIF", "[bioio]"),
    "a.oib": (COMPOUND, "Olympus OIB", "[bioio]"),
    "a.oif": ("[File Info]".encode("utf-16"), "Olympus OIF", "[bioio]"),
    "a.vsi": (b"II*\0", "Olympus VSI", "convert to OME-TIFF"),
    "a.ims": (b"\x89HDF\r\n\x1a\n", "Imaris", "convert to OME-TIFF"),
    "a.zvi": (COMPOUND, "Zeiss ZVI", "convert to OME-TIFF"),
    "a.dv": (b"\0" * 8, "DeltaVision", "convert to OME-TIFF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_without_a_plugin_the_line_says_what_to_do(tmp_path, install, monkeypatch, name):
    monkeypatch.setattr(vendor, "find_spec", lambda name: None)
    monkeypatch.setattr(bioio_images, "entry_points", lambda group: [])
    start, kind, how = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(start + bytes(100))
    line = message(path, "--out", tmp_path / "out")
    assert name in line and kind in line and how in line and "\n" not in line.strip()
    for read in (read_image, images_in, open_stack):
        with pytest.raises(ImageError, match=kind):
            read(path)
    assert pixel_size_of(path) is None and count_series(path) == 1


def test_a_folder_says_how_many_it_skipped(tmp_path, install, monkeypatch):
    monkeypatch.setattr(vendor, "find_spec", lambda name: None)
    monkeypatch.setattr(bioio_images, "entry_points", lambda group: [])
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.czi", "b.CZI", "c.nd2", "d.vsi", "._a.czi"):
        (folder / name).write_bytes(b"ZISRAWFILE")
    images, useless = find_images([folder])
    [line] = useless.values()
    assert not images and line.startswith(f"{folder} holds no TIFF")
    assert "2 .czi and 1 .nd2" in line and "1 .vsi" in line
    tifffile.imwrite(folder / "e.tif", spots((20, 20)))
    done = invoke(folder, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(
        "skipped: 2 .czi and 1 .nd2 cannot be read as they are: pip install "
        "'napari-sam2-automask[bioio]', or convert to OME-TIFF (Fiji does); 1 .vsi cannot"
    )


def test_with_a_plugin_a_folder_holds_vendor_files(tmp_path, plugin):
    for name in ("a.czi", "b.ND2", "c.lif"):
        write_czi(tmp_path / name, (VOLUME[0, 0, 0], "YX"))
    skipped = []
    images, useless = find_images([tmp_path], unreadable=skipped.append)
    assert [one.name for one in images] == ["a.czi", "b.ND2"] and not useless
    assert [one.name for one in skipped] == ["c.lif"]
    assert is_candidate(images[1]) and not is_candidate(skipped[0]) and stem_of(images[1]) == "b"


def test_what_a_plugin_raises_is_a_line_that_names_it(tmp_path, plugin):
    (tmp_path / "a.nd2").write_bytes(b"\xda\xce\xbe\x0a" + bytes(99))
    line = message(tmp_path / "a.nd2", "--out", tmp_path / "out")
    assert "a.nd2 cannot be read by bioio-czi (bad magic number): it is damaged" in line
    path = write_czi(tmp_path / "b.czi", (VOLUME[0, 0, 0], "YX"), broken=True)
    line = message(path, "--out", tmp_path / "out")
    assert "b.czi cannot be read by bioio-czi (chunk 7 is broken): it is damaged" in line


def test_another_plugin_is_asked_where_one_fails_and_a_broken_one_is_left_out(tmp_path, install):
    install("bioio-aaa", "no_such_module")
    install("bioio-bbb", "failing_plugin")
    install("bioio-czi")
    (tmp_path / "site" / "failing_plugin.py").write_text(
        "class ReaderMetadata:\n"
        "    get_supported_extensions = staticmethod(lambda: ['.czi'])\n"
        "    get_reader = staticmethod(lambda: 1 / 0)\n"
    )
    path = write_czi(tmp_path / "a.czi", (VOLUME[0, 0, 0], "YX"))
    assert (read_image(path).array == VOLUME[0, 0, 0]).all()
    path.write_bytes(b"ZISRAWFILE")
    with pytest.raises(ImageError, match=r"cannot be read by bioio-bbb \(division by zero\)"):
        read_image(path)


def test_what_this_package_reads_itself_is_no_plugins_business(tmp_path, install):
    install("bioio-imageio")
    install("bioio-tifffile")
    tifffile.imwrite(tmp_path / "a.czi", VOLUME[0, 0, 0])
    tifffile.imwrite(tmp_path / "a.lsm", VOLUME[0, 0, 0])
    for name in ("a.czi", "a.lsm"):  # TIFFs whatever they are called
        assert (read_image(tmp_path / name).array == VOLUME[0, 0, 0]).all()
    write_czi(tmp_path / "b.czi", (VOLUME[0, 0, 0], "YX"))
    with pytest.raises(ImageError, match=r"Zeiss CZI.*\[bioio\]"):
        read_image(tmp_path / "b.czi")
    assert not stand_in_plugin.READ


def test_a_file_that_changed_is_asked_again(tmp_path, plugin):
    path = write_czi(tmp_path / "a.czi", (VOLUME[0, 0, 0], "YX"))
    assert count_series(path) == 1
    write_czi(path, (VOLUME[0, 0, 0], "YX"), (VOLUME[0, 0], "ZYX"))
    assert count_series(path) == 2


class OifFile:
    """In place of oiffile's: as that, a sequence of TIFFs, and settings."""

    mainfile: ClassVar = {
        "Reference Image Parameter": {
            "WidthConvertValue": 0.25, "WidthUnit": "um", "HeightConvertValue": 0.5, "HeightUnit": "um",
        },
        "Axis 3 Parameters Common": {"AxisCode": "Z", "Interval": 1500, "PixUnit": "nm"},
        "Axis 4 Parameters Common": {"AxisCode": "T", "Interval": 0, "PixUnit": "ms"},
    }  # fmt: skip

    def __init__(self, path):
        files = sorted(map(str, path.with_name(f"{path.name}.files").iterdir()))
        self.series = [tifffile.TiffSequence(files, pattern="axes")] if files else []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        pass


@pytest.fixture
def oif(tmp_path, install, monkeypatch):
    monkeypatch.setitem(sys.modules, "oiffile", SimpleNamespace(OifFile=OifFile))
    monkeypatch.setattr(vendor, "find_spec", lambda name: name == "oiffile")
    path = tmp_path / "a.oif"
    path.write_bytes("[File Info]".encode("utf-16"))
    path.with_name("a.oif.files").mkdir()
    for c, z in np.ndindex(2, 3):
        name = f"s_C{c + 1:03}Z{z + 1:03}.tif"
        tifffile.imwrite(path.with_name("a.oif.files") / name, VOLUME[0, z, c])
    return path


def test_an_oif_is_its_tiffs(oif):
    array, axes = open_file(oif)
    assert axes == "CZYX" and (np.asarray(array[...]) == VOLUME[0, :, :2].swapaxes(0, 1)).all()
    assert pixel_size_of(oif) == (1.5, 0.5, 0.25, "um") and scale_in_file(oif).seconds is None
    before = file_hash(oif)
    tifffile.imwrite(oif.with_name("a.oif.files") / "s_C001Z001.tif", VOLUME[1, 0, 0])
    assert file_hash(oif) != before, "the planes lie beside the file"


def test_a_plane_that_is_missing_is_never_black(oif, tmp_path):
    oif.with_name("a.oif.files").joinpath("s_C001Z002.tif").unlink()
    image = images_in(oif)[0]
    assert image.absent == ({1: ""},) and (image.array()[1, 1] == VOLUME[0, 1, 1]).all()
    missing = "a.oif holds no pixels of plane 1 (C 0, Z 1): the file that does is missing"
    for key in ((0, 1), (0,), (slice(None), 1), (..., 3), slice(0, 1)):
        with pytest.raises(ImageError, match=re.escape(missing)):
            image.array()[key]
    assert missing in message(oif, "--channel", "0", "--plane", "1", "--out", tmp_path / "out")


def test_an_oif_without_its_folder_says_so(oif):
    for file in oif.with_name("a.oif.files").iterdir():
        file.unlink()
    with pytest.raises(ImageError, match=r"is the folder a\.oif\.files beside it"):
        read_image(oif)
    oif.with_name("a.oif.files").rmdir()
    with pytest.raises(ImageError, match=r"a\.oif cannot be read by oiffile \(No such file"):
        read_image(oif)


def test_the_docs_tell_the_same_suffixes():
    text = (ROOT / "docs" / "large_images.md").read_text()
    for suffix in VENDOR_SUFFIXES:
        assert f"`{suffix}`" in text, suffix

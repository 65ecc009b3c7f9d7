"""Which images of a TIFF are images: thumbnails, labels of slides, overviews, maps and masks are none."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from stack_kit import find_spots, invoke, message, spots

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import count_series, images_in
from napari_sam2_automask.files.pixel_size import pixel_size_of
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.large.source.source import FileSource

IMAGE = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
GRAY = IMAGE[:64, :96, 0].copy()
APERIO = "Aperio Image Library v11.0.37\n"


def write_svs(path, tiled=True):
    tile = {"tile": (64, 64)} if tiled else {}
    with tifffile.TiffWriter(path) as file:
        told = {"photometric": "rgb", "metadata": None}
        file.write(IMAGE, description=f"{APERIO}256x256 (64x64)|AppMag = 20|MPP = 0.5", **tile, **told)
        file.write(IMAGE[::4, ::4], description=f"{APERIO}256x256 -> 64x64 - |AppMag = 20", **told)
        if tiled:
            file.write(IMAGE[::2, ::2], description=f"{APERIO}256x256 -> 128x128", **tile, **told)
        file.write(IMAGE[:40, :60], description=f"{APERIO}label 60x40", subfiletype=1, **told)
        file.write(IMAGE[:50, :90], description=f"{APERIO}macro 90x50", subfiletype=9, **told)
    return IMAGE, (None, 0.5, 0.5, "um")


def write_lsm(path):
    info = bytearray(512)
    struct.pack_into("<Iiiiiii", info, 0, 0x0400494C, 512, 96, 64, 1, 1, 1)
    struct.pack_into("<iiiddd", info, 28, 1, 32, 24, 5e-7, 2.5e-7, 1e-6)
    tag = [(34412, 1, 512, bytes(info), True)]
    with tifffile.TiffWriter(path) as file:
        file.write(GRAY, metadata=None, photometric="minisblack", extratags=tag)
        file.write(IMAGE[:5, :8], metadata=None, photometric="rgb", subfiletype=1)
    return GRAY, (1.0, 0.25, 0.5, "um")


def write_ndpi(path):
    def tags(magnification):
        make = (271, "s", 0, "Hamamatsu", True)
        return [make, (65420, "I", 1, 1, True), (65421, "f", 1, magnification, True)]

    with tifffile.TiffWriter(path) as file:
        told = {"metadata": None, "photometric": "rgb", "resolution": (20000, 20000), "resolutionunit": 3}
        file.write(IMAGE, extratags=tags(20.0), **told)
        file.write(IMAGE[:30, :50], extratags=tags(-1.0), **told)
        file.write(IMAGE[:20, :31, 0], extratags=tags(-2.0), **(told | {"photometric": "minisblack"}))
    return IMAGE, (None, 0.5, 0.5, "um")


def write_scn(path):
    def image(name, ifd, size, whole=False):
        view = (26000, 76000, 0, 0) if whole else (900, 900, 5000, 7000)
        return (
            f'<image name="{name}"><pixels sizeX="{size[1]}" sizeY="{size[0]}">'
            f'<dimension sizeX="{size[1]}" sizeY="{size[0]}" r="0" ifd="{ifd}"/></pixels>'
            '<view sizeX="{}" sizeY="{}" offsetX="{}" offsetY="{}"/></image>'.format(*view)
        )

    xml = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        '<collection name="slide" sizeX="26000" sizeY="76000">'
        f"{image('image_1', 0, (76, 26), whole=True)}{image('image_2', 1, (256, 256))}</collection></scn>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        told = {"metadata": None, "photometric": "rgb"}
        file.write(IMAGE[:76, :26], description=xml, software="Leica", **told)
        file.write(IMAGE, **told)
    return IMAGE, None


def write_bif(path):
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        told = {"metadata": None, "photometric": "rgb"}
        xmp = [(700, 1, 15, b"<iScan></iScan>", True)]
        file.write(IMAGE[:30, :50], description="Label_Image", extratags=xmp, **told)
        file.write(IMAGE[:30, :51], description="Probability_Image", **told)
        file.write(IMAGE, description="level=0 mag=40 quality=90", tile=(64, 64), **told)
        file.write(IMAGE[::2, ::2], description="level=1 mag=20 quality=90", tile=(64, 64), **told)
    return IMAGE, None


def write_generic(path):
    with tifffile.TiffWriter(path) as file:
        told = {"metadata": None, "photometric": "minisblack"}
        file.write(GRAY[::4, ::4], subfiletype=1, **told)
        file.write(GRAY, tile=(16, 16), **told)
        file.write(GRAY[::2, ::2], tile=(16, 16), subfiletype=1, **told)
        file.write(GRAY[:33, :17], subfiletype=1, **told)
        file.write(GRAY > 99, subfiletype=4, **told)
        file.write(GRAY[:21, :17] > 99, subfiletype=5, **told)
    return GRAY, None


def write_same_mask(path):
    """Write an image with a mask that looks like it, page by page."""
    with tifffile.TiffWriter(path) as file:
        for share in (1, 2, 3):
            file.write(GRAY // share, subfiletype=0, metadata=None, photometric="minisblack")
    call_mask(path, 1)
    call_mask(path, 2)
    return GRAY, None


def call_mask(path, page):
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[page].tags[254].overwrite(4)


def write_shaped(path):
    with tifffile.TiffWriter(path) as file:
        file.write(GRAY, photometric="minisblack")
        file.write(GRAY[::3, ::3], photometric="minisblack", subfiletype=1)
        file.write(GRAY > 5, photometric="minisblack", subfiletype=4)
    return GRAY, None


def write_ome(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        names = ("label image", "cells", "macro image", "Thumbnail", "overview")
        for number, name in enumerate(names):
            side = {"PhysicalSizeX": 0.5 + number, "PhysicalSizeY": 0.5 + number}
            picture = GRAY if name == "cells" else GRAY[: 20 + number]
            file.write(picture, metadata={"axes": "YX", "Name": name} | side, photometric="minisblack")
    return GRAY, (None, 1.5, 1.5, "um")


FILES = {
    "a.svs": write_svs, "strips.svs": lambda path: write_svs(path, tiled=False), "a.lsm": write_lsm,
    "ndpi.tif": write_ndpi, "a.scn": write_scn, "a.bif": write_bif, "generic.tif": write_generic,
    "same.tif": write_same_mask, "shaped.tif": write_shaped, "a.ome.tif": write_ome,
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_one_image_is_one_plane_one_series_and_has_its_own_size(tmp_path, name):
    path = tmp_path / name
    image, size = FILES[name](path)
    assert count_series(path) == 1
    np.testing.assert_array_equal(read_image(path).array, image)
    np.testing.assert_array_equal(np.squeeze(open_stack(path).array), image)
    assert [plane.array.shape for plane in every_plane(path)] == [image.shape]
    assert FileSource(str(path)).shape == image.shape[:2]
    assert pixel_size_of(path) == (size and pytest.approx(size))
    with pytest.raises(ImageError, match=r"has 1 series .* left out.*; there is no series 1"):
        open_stack(path, series=1)


def test_what_is_left_out_is_named_with_its_size(tmp_path):
    write_svs(tmp_path / "a.svs")
    assert images_in(tmp_path / "a.svs")[0].left_out == (
        "thumbnail of 64 x 64", "label of 40 x 60", "macro of 50 x 90"
    )  # fmt: skip
    write_generic(tmp_path / "a.tif")
    assert sorted(one.split()[0] for one in images_in(tmp_path / "a.tif")[0].left_out) == [
        "mask", "mask", "thumbnail", "thumbnail"
    ]  # fmt: skip


def test_levels_of_a_pyramid_stay(tmp_path):
    write_svs(tmp_path / "a.svs")
    stack = open_stack(tmp_path / "a.svs", level=1)
    np.testing.assert_array_equal(stack.array, IMAGE[::2, ::2])
    assert stack.size == (None, 1.0, 1.0, "um")
    write_generic(tmp_path / "a.tif")
    np.testing.assert_array_equal(open_stack(tmp_path / "a.tif", level=1).array, GRAY[::2, ::2])


@pytest.mark.parametrize("kind", [1, 4])
def test_a_thumbnail_or_mask_that_is_all_there_is_is_the_image(tmp_path, kind):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY, subfiletype=1, metadata=None, photometric="minisblack")
    if kind == 4:
        call_mask(path, 0)
    np.testing.assert_array_equal(read_image(path).array, GRAY)
    assert not images_in(path)[0].left_out


def test_two_images_and_a_label_of_the_slide(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)
    path, out = tmp_path / "two.ome.tif", tmp_path / "out"
    one, two = spots((10, 12)), spots((10, 12), (30, 40))
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, picture in (("label image", GRAY), ("first", one), ("second", two)):
            file.write(picture, metadata={"axes": "YX", "Name": name}, photometric="minisblack")
    told = message(path, "--project", "max", "--out", out)
    assert "holds 2 series (label of 64 x 96 left out): choose with --series N, from 0 to 1, or all" in told
    done = invoke(path, "--series", "all", "--planes", "all", "--out", out)
    assert done.exit_code == 0 and "2 done" in done.output
    assert f"{path}: left out: label of 64 x 96" in done.output.replace("\n", "")
    for number in range(2):
        labels = tifffile.imread(out / f"two.ome_series{number}_plane0.labels.tif")
        assert labels.shape == one.shape and labels.max() == number + 1

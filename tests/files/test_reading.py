"""Image files of many kinds to one plane."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.reading import read_image

RNG = np.random.default_rng(0)
GRAY16 = RNG.integers(0, 60000, (20, 30)).astype(np.uint16)
GRAY8 = (GRAY16 // 256).astype(np.uint8)
COLOUR = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
STACK = RNG.integers(0, 255, (6, 20, 30)).astype(np.uint8)


def write_pages(path, planes):
    with tifffile.TiffWriter(path) as writer:
        for plane in planes:
            writer.write(plane, contiguous=False)


def save_lzw_pages(path, planes):
    first, *rest = [Image.fromarray(plane) for plane in planes]
    first.save(path, compression="tiff_lzw", save_all=True, append_images=rest)


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (GRAY16, {}),
        (GRAY16, {"byteorder": ">"}),
        (GRAY16, {"bigtiff": True}),
        (GRAY16, {"compression": "zlib", "predictor": 2}),
        (GRAY16.astype(np.float32), {}),
        (GRAY16 > 30000, {}),
        (COLOUR, {"photometric": "rgb"}),
        (COLOUR, {"photometric": "rgb", "tile": (16, 16)}),
        (COLOUR.astype(np.uint16) * 200, {"photometric": "rgb"}),
        (GRAY8, {"imagej": True}),
        (GRAY8, {"ome": True}),
    ],
)
def test_tiff_comes_back_as_written(tmp_path, pixels, options):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    loaded = read_image(tmp_path / "a.tif")
    assert np.array_equal(loaded.array, pixels)
    assert loaded.array.dtype == pixels.dtype
    assert loaded.rgb == (pixels.ndim == 3)


def test_planar_colours_are_put_last(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", COLOUR.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"
    )
    assert np.array_equal(read_image(tmp_path / "a.tif").array, COLOUR)


@pytest.mark.parametrize("pixels", [COLOUR, GRAY8, GRAY16])
def test_lzw_compression_is_read_without_further_packages(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="tiff_lzw")
    assert np.array_equal(read_image(tmp_path / "a.tif").array, pixels)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: tifffile.imwrite(path, STACK, photometric="minisblack"),
        lambda path: tifffile.imwrite(path, STACK, imagej=True),
        lambda path: tifffile.imwrite(path, STACK.reshape(2, 3, 20, 30), ome=True, metadata={"axes": "TCYX"}),
        lambda path: tifffile.imwrite(path, STACK, photometric="minisblack", compression="zlib"),
        lambda path: write_pages(path, STACK),
        lambda path: save_lzw_pages(path, STACK),
    ],
    ids=["pages", "imagej", "ome", "zlib", "separate series", "lzw"],
)
def test_a_plane_of_a_stack_has_to_be_chosen(tmp_path, write):
    path = tmp_path / "stack.tif"
    write(path)
    for plane in range(6):
        assert np.array_equal(read_image(path, plane).array, STACK[plane])
    with pytest.raises(ImageError, match=r"holds 6 planes.*--plane N, from 0 to 5"):
        read_image(path)
    for plane in (-1, 6):
        with pytest.raises(ImageError, match=f"no plane {plane}.*from 0 to 5"):
            read_image(path, plane)


def test_a_plane_of_a_colour_stack(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([COLOUR, COLOUR[::-1]]), photometric="rgb")
    loaded = read_image(tmp_path / "a.tif", 1)
    assert loaded.rgb and np.array_equal(loaded.array, COLOUR[::-1])


def test_pages_of_different_sizes(tmp_path):
    write_pages(tmp_path / "a.tif", [GRAY16, GRAY16[:10]])
    assert np.array_equal(read_image(tmp_path / "a.tif", 1).array, GRAY16[:10])


def test_a_single_image_is_plane_0(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png", 0).array, COLOUR)
    with pytest.raises(ImageError, match="no plane 1"):
        read_image(tmp_path / "a.png", 1)


@pytest.mark.parametrize(
    ("mode", "shape"),
    [
        ("1", (20, 30)),
        ("L", (20, 30)),
        ("LA", (20, 30)),
        ("I;16", (20, 30)),
        ("P", (20, 30, 3)),
        ("RGB", (20, 30, 3)),
        ("RGBA", (20, 30, 4)),
    ],
)
def test_every_kind_of_png(tmp_path, mode, shape):
    image = Image.fromarray(GRAY16) if mode == "I;16" else Image.fromarray(COLOUR).convert(mode)
    image.save(tmp_path / "a.png")
    array = read_image(tmp_path / "a.png").array
    assert array.shape == shape
    assert array.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert array.max() > 200 and array.min() < 50
    if mode == "I;16":
        assert np.array_equal(array, GRAY16)


def test_jpeg_and_cmyk(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg")
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "a.jpg").array.shape == (20, 30, 3)
    assert read_image(tmp_path / "c.jpg").array.shape == (20, 30, 3)


def test_the_content_counts_not_the_name(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif").array, COLOUR)


def test_pixel_size_of_imagej(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", GRAY8, imagej=True, resolution=(4, 2), metadata={"unit": "um", "axes": "YX"}
    )
    loaded = read_image(tmp_path / "a.tif")
    assert loaded.pixel_size == (0.5, 0.25)
    assert loaded.unit == "um"


def test_dots_per_inch_are_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GRAY8, resolution=(300, 300), resolutionunit="INCH")
    assert read_image(tmp_path / "a.tif").pixel_size is None

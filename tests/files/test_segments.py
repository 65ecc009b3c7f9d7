"""Strips and tiles of a TIFF that claim to be larger than they may be."""

from __future__ import annotations

import sys

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.segments import claimed_size

CODECS = {
    "png": imagecodecs.png_encode,
    "jpeg": imagecodecs.jpeg8_encode,
    "lossless jpeg": lambda pixels: imagecodecs.ljpeg_encode(pixels[..., 0]),
    "jpeg2000": imagecodecs.jpeg2k_encode,
    "jpeg2000 without boxes": lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k"),
    "webp": imagecodecs.webp_encode,
    "webp, lossless": lambda pixels: imagecodecs.webp_encode(pixels, lossless=True),
    "webp with alpha": lambda pixels: imagecodecs.webp_encode(np.dstack([pixels, pixels[..., 0]])),
    "jpegxl": lambda pixels: imagecodecs.jpegxl_encode(pixels, effort=1),
    "jpegxr": imagecodecs.jpegxr_encode,
}
TAGS = {"png": 34933, "jpeg": 7, "jpeg2000": 34712, "webp": 50001, "jpegxl": 50002, "jpegxr": 34934}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(37, 53), (600, 800), (16, 32), (3000, 300), (256, 256)])
def test_the_header_tells_the_size(codec, shape):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    data = bytes(CODECS[codec](pixels))
    assert claimed_size(data) == shape
    for end in range(0, 40, 3):  # cut off, or of nothing known
        claimed_size(data[:end])
    assert claimed_size(b"\0" * 40) is None


def write(path, codec, inside):
    """Write a TIFF of 64 x 64 pixels in one tile, which is a picture of another size."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    tifffile.imwrite(
        path, iter([bytes(CODECS[codec](inside))]), shape=pixels.shape, dtype=np.uint8, tile=(64, 64),
        photometric="rgb", compression=TAGS[codec], metadata=None,
    )  # fmt: skip
    return path


@pytest.mark.parametrize("codec", TAGS)
def test_a_tile_of_its_own_size_is_read(tmp_path, codec):
    inside = np.full((64, 64, 3), 100, np.uint8)
    assert abs(int(read_image(write(tmp_path / "a.tif", codec, inside)).array.mean()) - 100) < 3


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is told in kilobytes there")
@pytest.mark.parametrize("codec", TAGS)
def test_a_tile_that_claims_much_more_is_refused_before_memory_is_made_for_it(tmp_path, codec):
    import resource

    side = 8000
    path = write(tmp_path / "a.tif", codec, np.zeros((side, side, 3), np.uint8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=f"a.tif has a strip or tile of 64 x 64 pixels that claims {side} x"):
        read_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("packing", [None, "deflate", "zstd"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((37, 53), "u1"), ((64, 64, 3), "u1"), ((64, 200), "f4"), ((8, 8), "f8"), ((64, 64), "i2")],
)
def test_lerc_is_read(tmp_path, packing, shape, dtype):
    pixels = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    how = {"compression": packing} if packing else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="lerc", compressionargs=how)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, pixels)


def lerc_files():
    """Return the bytes of pictures in LERC that unpack to far more than the 64 x 64 pixels of a page."""
    wide = bytes(imagecodecs.lerc_encode(np.zeros((9000, 9000), np.uint8)))
    small = bytes(imagecodecs.lerc_encode(np.zeros((500, 500), np.uint8)))
    nothing = np.zeros(2**26, np.uint8)
    return {
        "large": wide, "zlib": bytes(imagecodecs.zlib_encode(wide)),
        "zstd": bytes(imagecodecs.zstd_encode(wide)),
        "many bands": small * 300, "zlib of nothing": bytes(imagecodecs.zlib_encode(nothing)),
        "zstd of nothing": bytes(imagecodecs.zstd_encode(nothing)),
        "first version": b"CntZImage " + np.array([11, 8, 90000, 90000], "<i4").tobytes() + bytes(40),
    }  # fmt: skip


@pytest.mark.parametrize("kind", lerc_files())
def test_lerc_that_claims_much_more_is_refused(tmp_path, kind):
    pieces = iter([lerc_files()[kind]])
    tifffile.imwrite(
        tmp_path / "a.tif", pieces, shape=(64, 64), dtype=np.uint8, tile=(64, 64), compression="lerc",
        photometric="minisblack", metadata=None,
    )  # fmt: skip
    with pytest.raises(
        ImageError, match=r"a.tif has a strip or tile of 64 x 64 pixels that claims \d+ x \d+"
    ):
        read_image(tmp_path / "a.tif")

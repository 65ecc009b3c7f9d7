"""TIFF files: how pixels are stored (codec, byte order, strips, tiles) does not change what is read."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import count_series, open_file
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Box

RNG = np.random.default_rng(0)
# Smooth, so that lossy codecs stay near; over the whole range of 8 bits.
SMOOTH = np.add.outer(np.linspace(0, 120, 40), np.linspace(0, 130, 48)) + RNG.uniform(0, 5, (40, 48))
DTYPES = ("uint8", "int8", "uint16", "uint32", "float32")
# Which dtypes a codec stores without loss, and whether it does so in the other byte order too.
ANY = {None: DTYPES, "lzw": DTYPES, "zlib": DTYPES, "zstd": DTYPES, "packbits": DTYPES, "lzma": DTYPES}
OWN_ORDER = {
    "jpeg2000": ("uint8", "int8", "uint16"),
    "png": ("uint8", "uint16"),
    "jpegxl": ("uint8", "uint16", "float32"),
    "lerc": ("uint8", "int8", "uint16", "uint32", "float32"),
}
CASES = [(codec, dtype, order) for codec in ANY for dtype in ANY[codec] for order in "<>"]
CASES += [(codec, dtype, "<") for codec in OWN_ORDER for dtype in OWN_ORDER[codec]]
CASES += [(codec, dtype, ">") for codec in OWN_ORDER for dtype in ("uint8",)]


def pixels_of(dtype, samples=0):
    """Return a picture, values of all parts of the dtype's range among them."""
    scale = {"uint8": 1, "int8": 1, "uint16": 257, "uint32": 16_000_000, "float32": 0.37}[dtype]
    picture = (SMOOTH - (128 if dtype == "int8" else 0)) * scale
    picture = np.stack([picture * (1 - 0.2 * k) for k in range(samples)], -1) if samples else picture
    return picture.astype(dtype)


def check(path, expected, *, rgb=False, near=0):
    """Read a file of one picture in every way there is."""
    box = Box(3, 5, 30, 41)
    stack = open_stack(path)
    found = {
        "read_image": read_image(path).array,
        "open_stack": stack.read(Pick()).array,
        "every_plane": next(every_plane(path)).array,
        "a part": FileSource(str(path)).read(0, box),
    }
    assert read_image(path).rgb == rgb == ("S" in stack.axes)
    for how, array in found.items():
        right = expected[box.y0 : box.y1, box.x0 : box.x1] if how == "a part" else expected
        assert array.dtype.newbyteorder("=") == right.dtype, how
        assert array.dtype.isnative or how == "a part"
        np.testing.assert_allclose(array, right, rtol=0, atol=near, err_msg=how)
    assert read_image(path).array.flags.writeable


@pytest.mark.parametrize(("codec", "dtype", "order"), CASES)
def test_gray(tmp_path, codec, dtype, order):
    pixels = pixels_of(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=codec, byteorder=order)
    check(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize(
    "layout", [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}], ids=["whole", "strips", "tiles"]
)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
    ("codec", "dtype", "samples"),
    [
        (None, "uint8", 3),
        (None, "uint16", 3),
        ("lzw", "uint8", 3),
        ("lzw", "uint16", 4),
        ("zlib", "float32", 3),
        ("zstd", "uint16", 3),
        ("packbits", "uint8", 4),
        ("jpeg2000", "uint8", 3),
    ],
)
def test_colours(tmp_path, codec, dtype, samples, planar, order, layout):
    pixels = pixels_of(dtype, samples)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, compression=codec,
        byteorder=order, extrasamples=["unassalpha"] if samples == 4 else None, **layout,
    )  # fmt: skip
    check(tmp_path / "a.tif", pixels, rgb=True)


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("codec", ["lzw", "zlib", "zstd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_predictors(tmp_path, codec, dtype, predictor):
    pixels = pixels_of(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=codec, predictor=predictor, rowsperstrip=9)
    check(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize(("samples", "tile"), [(0, None), (3, None), (0, (16, 16)), (3, (16, 16))])
def test_jpeg_is_near(tmp_path, samples, tile):
    pixels = pixels_of("uint8", samples)
    colours = {"photometric": "rgb"} if samples else {}
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, compression="jpeg", compressionargs={"level": 97}, tile=tile, **colours
    )
    check(tmp_path / "a.tif", pixels, rgb=samples > 0, near=20)


def test_webp_of_colours(tmp_path):
    pixels = pixels_of("uint8", 3)
    options = {"photometric": "rgb", "compressionargs": {"lossless": True}}
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="webp", **options)
    check(tmp_path / "a.tif", pixels, rgb=True)


@pytest.mark.parametrize("codec", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize(
    ("tags", "photometric"),
    [({"extratags": [(274, 3, 1, 6, True)]}, "minisblack"), ({}, "miniswhite")],
    ids=["turned", "min is white"],
)
def test_tags_count_the_same_for_every_codec(tmp_path, codec, tags, photometric):
    for name, compression in (("plain", None), ("packed", codec)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", pixels_of("uint8"), metadata=None, photometric=photometric,
            compression=compression, **tags,
        )  # fmt: skip
    check(tmp_path / "packed.tif", read_image(tmp_path / "plain.tif").array)


def test_single_bits(tmp_path):
    pixels = SMOOTH > 100
    for codec in (None, "lzw", "zlib", "packbits"):
        tifffile.imwrite(tmp_path / f"{codec}.tif", pixels, compression=codec)
        check(tmp_path / f"{codec}.tif", pixels)


@pytest.fixture(params=[None, "lzw", "zlib", "zstd", "packbits"])
def several(tmp_path, request):
    """Write three images of unlike shapes: a plane, three planes of 16 bits, colours; return all planes."""
    first, stack, last = pixels_of("uint8"), np.stack([pixels_of("uint16") // k for k in (1, 2, 3)]), None
    last = pixels_of("uint8", 3)[:20]
    with tifffile.TiffWriter(tmp_path / "several.tif") as tiff:
        tiff.write(first, compression=request.param)
        tiff.write(stack[:, :30], compression=request.param, photometric="minisblack")
        tiff.write(last, compression=request.param, photometric="rgb")
    return tmp_path / "several.tif", [first, *stack[:, :30], last]


def test_planes_are_counted_over_all_series(several):
    path, planes = several
    for number, expected in enumerate(planes):
        loaded = read_image(path, number)
        np.testing.assert_array_equal(loaded.array, expected)
        assert loaded.array.dtype == expected.dtype
        assert (loaded.plane, loaded.rgb) == (number, expected.ndim == 3)
    for loaded, expected in zip(every_plane(path), planes, strict=True):
        np.testing.assert_array_equal(loaded.array, expected)
    with pytest.raises(ImageError, match=r"holds 5 planes: choose one with --plane N, from 0 to 4"):
        read_image(path)
    with pytest.raises(ImageError, match=r"no plane 5 in .*from 0 to 4"):
        read_image(path, 5)


def test_planes_within_a_series(several):
    path, planes = several
    assert count_series(path) == 3
    np.testing.assert_array_equal(open_stack(path, series=0).read(Pick()).array, planes[0])
    stack = open_stack(path, series=1)
    for number in range(3):
        np.testing.assert_array_equal(stack.read(Pick(number)).array, planes[1 + number])
    np.testing.assert_array_equal(stack.read(Pick(project="max")).array, np.max(planes[1:4], 0))
    assert open_stack(path, series=2).read(Pick()).rgb
    with pytest.raises(ImageError, match="has 3 series; there is no series 3"):
        open_stack(path, series=3)


@pytest.mark.parametrize("codec", [None, "zlib"])
def test_axes_of_no_known_meaning_get_letters_of_their_own(tmp_path, codec):
    pixels = np.stack([[pixels_of("uint8") // (1 + k + 3 * j) for k in range(3)] for j in range(2)])
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", compression=codec)
    assert open_file(tmp_path / "a.tif")[1] == "abYX"
    stack = open_stack(tmp_path / "a.tif")
    for number in range(6):
        np.testing.assert_array_equal(stack.read(Pick(number)).array, pixels[number // 3, number % 3])
        np.testing.assert_array_equal(
            read_image(tmp_path / "a.tif", number).array, pixels[number // 3, number % 3]
        )


def test_what_was_read_stays_when_the_file_goes(tmp_path):
    pixels = pixels_of("uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=">")
    loaded = read_image(tmp_path / "a.tif"), open_stack(tmp_path / "a.tif").read(Pick())
    (tmp_path / "a.tif").write_bytes(b"\0" * 8000)
    for one in loaded:
        np.testing.assert_array_equal(one.array, pixels)
        assert one.array.dtype == np.uint16


def test_of_a_file_that_was_cut_off_the_planes_that_are_left(tmp_path):
    pixels = np.stack([pixels_of("uint8") // (1 + k) for k in range(4)])
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        end = tiff.series[0].dataoffset + 2 * pixels[0].size + 99
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:end])
    for number in (0, 1):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", number).array, pixels[number])
    for number in (2, 3):
        with pytest.raises(ImageError, match=r"cannot read the pixels of .*a\.tif"):
            read_image(tmp_path / "a.tif", number)


def test_a_plane_whose_file_is_missing_is_refused(tmp_path):
    def xml(channel):
        data = "".join(
            f'<TiffData FirstC="{k}" IFD="0" PlaneCount="1"><UUID FileName="c{k}.ome.tif">urn:uuid:{k}</UUID>'
            "</TiffData>" for k in range(2)
        )  # fmt: skip
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{channel}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
            'Type="uint8" SizeX="48" SizeY="40" SizeC="2" SizeZ="1" SizeT="1">'
            f'<Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/>{data}</Pixels></Image></OME>'
        )

    for channel in range(2):
        path = tmp_path / f"c{channel}.ome.tif"
        tifffile.imwrite(path, pixels_of("uint8") // (1 + channel), description=xml(channel), metadata=None)
    for channel in range(2):
        found = read_image(tmp_path / "c0.ome.tif", channel).array
        np.testing.assert_array_equal(found, pixels_of("uint8") // (1 + channel))
    (tmp_path / "c1.ome.tif").unlink()
    np.testing.assert_array_equal(read_image(tmp_path / "c0.ome.tif", 0).array, pixels_of("uint8"))
    with pytest.raises(ImageError, match=r"no pixels of plane 1 .C 1.: c1.ome.tif"):
        read_image(tmp_path / "c0.ome.tif", 1)

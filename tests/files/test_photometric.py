"""The same picture reads the same whatever its samples are: gray, palette, CMYK, YCbCr, Lab, channels."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Box

CODECS = [None, "lzw", "zlib", "packbits"]
ROWS, COLUMNS = np.mgrid[:64, :96]
RGB = np.stack([COLUMNS * 2, ROWS * 3, 255 - COLUMNS], -1).astype(np.uint8)
GRAY = RGB[..., 0] // 2 + RGB[..., 1] // 3
DEEP = GRAY.astype(np.uint16) * 16 + 3


def check(path, expected, *, rgb, near=0):
    """Read a picture in every way there is."""
    box = Box(3, 5, 30, 41)
    part = FileSource(str(path)).read(0, box)
    np.testing.assert_allclose(part.astype(float), expected[3:30, 5:41], rtol=0, atol=near)
    for loaded in (read_image(path), open_stack(path).read(Pick()), next(every_plane(path))):
        assert loaded.array.dtype == expected.dtype and loaded.rgb == rgb
        np.testing.assert_allclose(loaded.array.astype(float), expected, rtol=0, atol=near)
    array, axes = open_file(path)
    assert array.shape == expected.shape and array.dtype.newbyteorder("=") == expected.dtype
    assert axes == ("YXS" if rgb else "YX")
    np.testing.assert_array_equal(np.asarray(array[5]), read_image(path).array[5])
    if rgb:
        np.testing.assert_array_equal(np.asarray(array[3, 2:9, 1]), read_image(path).array[3, 2:9, 1])


def refused(path, match):
    for read in (
        lambda: read_image(path),
        lambda: open_stack(path).read(Pick()),
        lambda: FileSource(str(path)).read(0, Box(0, 0, 8, 8)),
    ):
        with pytest.raises(ImageError, match=match) as error:
            read()
        assert path.name in str(error.value) and "\n" not in str(error.value)


def retag(path, **values):
    """Change tags of a TIFF that is written."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for page in tiff.pages:
            for name, value in values.items():
                page.tags[name].overwrite(value)
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", ["shift", "times 257", "as it is", "deep"])
def test_palettes_are_colours(tmp_path, codec, order, kind):
    colours = np.random.default_rng(0).integers(0, 255, (256, 3))
    colours[0] = 255
    tables = {
        "shift": colours * 256,
        "times 257": colours * 257,
        "as it is": colours,
        "deep": colours * 200 + 1,
    }
    table = tables[kind]
    expected = table[GRAY].astype(np.uint16) if kind == "deep" else colours[GRAY].astype(np.uint8)
    options = {"compression": codec, "byteorder": order, "photometric": "palette", "rowsperstrip": 9}
    tifffile.imwrite(tmp_path / "a.tif", GRAY, colormap=table.T.astype(np.uint16), **options)
    check(tmp_path / "a.tif", expected, rgb=True)


@pytest.mark.parametrize("colours", [2, 4, 16, 200])
def test_palettes_that_pillow_writes(tmp_path, colours):
    image = Image.fromarray(RGB).quantize(colours)
    image.save(tmp_path / "a.tif")
    image.save(tmp_path / "a.png")
    expected = np.array(image.convert("RGB"))
    check(tmp_path / "a.tif", expected, rgb=True)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array, expected)


@pytest.mark.parametrize("rows", [2, 64])
def test_palettes_of_few_bits(tmp_path, rows):
    colours = np.array([[250, 10, 20], [5, 0, 90]]) * 256
    pixels = GRAY[:rows, :95] // 7 % 2
    write_tiff(
        tmp_path / "a.tif", packed(pixels, 1), 1, photometric=3, shape=(rows, 95), colours=colours.T.ravel()
    )
    for loaded in (read_image(tmp_path / "a.tif"), open_stack(tmp_path / "a.tif").read(Pick())):
        assert loaded.rgb and loaded.array.dtype == np.uint8
        np.testing.assert_array_equal(loaded.array, colours[pixels] // 256)


def test_colours_of_few_bits_span_black_to_white(tmp_path):
    pixels = np.stack([GRAY, GRAY // 2, GRAY // 3], -1)[:, :94] % 16
    write_tiff(
        tmp_path / "a.tif", packed(pixels.reshape(64, -1), 4), 4, photometric=2, shape=(64, 94), count=3
    )
    check(tmp_path / "a.tif", pixels.astype(np.uint8) * 17, rgb=True)


def test_frames_with_a_palette_are_planes_of_colours(tmp_path):
    frames = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]])
    table = np.random.default_rng(0).integers(0, 255, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="palette", colormap=table)
    stack = open_stack(tmp_path / "a.tif")
    assert stack.count(Pick()) == 3 and stack.axes.endswith("YXS")
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(stack.read(Pick(number)).array, (table >> 8).T[frame])


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_a_palette_of_a_microscope_only_shows_what_was_measured(tmp_path, kind):
    table = np.stack([np.arange(256), np.zeros(256), np.zeros(256)]).astype(np.uint16) * 257
    options = {"imagej": {"description": "ImageJ=1.54\n", "metadata": None}, "ome": {"ome": True}}[kind]
    tifffile.imwrite(tmp_path / "a.tif", GRAY, photometric="palette", colormap=table, **options)
    check(tmp_path / "a.tif", GRAY, rgb=False)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (255 - GRAY, GRAY),
        (65535 - DEEP, DEEP),
        ((2**32 - 1 - DEEP.astype(np.uint32)), DEEP.astype(np.uint32)),
        ((-1 - GRAY.astype(np.int16)), GRAY.astype(np.int16)),
    ],
)
def test_where_the_smallest_is_white_it_becomes_the_largest(tmp_path, codec, order, pixels, expected):
    options = {"compression": codec, "byteorder": order, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite", **options)
    check(tmp_path / "a.tif", expected, rgb=False)
    tifffile.imwrite(tmp_path / "b.tif", np.stack([pixels, pixels // 2]), photometric="miniswhite", **options)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif", 0).array, expected)


def test_white_is_0_in_bits_of_other_numbers(tmp_path):
    Image.fromarray(GRAY > 90).save(tmp_path / "bits.tif")
    expected = read_image(tmp_path / "bits.tif").array
    np.testing.assert_array_equal(expected, GRAY > 90)
    retag(tmp_path / "bits.tif", PhotometricInterpretation=0)
    check(tmp_path / "bits.tif", ~expected, rgb=False)
    tifffile.imwrite(tmp_path / "floats.tif", GRAY.astype(np.float32), photometric="miniswhite")
    refused(
        tmp_path / "floats.tif", "floats of which the smallest is white in place of gray or RGB: save it as"
    )


def packed(pixels, bits):
    """Return rows of values of some bits each, the rows padded to bytes."""
    rows = ["".join(f"{int(value):0{bits}b}" for value in row) for row in pixels]
    rows = [row + "0" * (-len(row) % 8) for row in rows]
    return b"".join(int(row[k : k + 8], 2).to_bytes(1, "big") for row in rows for k in range(0, len(row), 8))


def write_tiff(path, data, bits, *, photometric=1, fill=1, shape=(64, 95), count=1, colours=(), **more):
    """Write a TIFF of one strip by hand, its palette right behind it."""
    tags = {256: shape[1], 257: shape[0], 258: bits, 259: 1, 262: photometric, 266: fill, 273: 8, 277: count,
            278: shape[0], 279: len(data)} | {int(k[1:]): v for k, v in more.items()}  # fmt: skip
    entries = [struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags)]
    palette = struct.pack(f"<{len(colours)}H", *colours)
    if palette:
        entries.append(struct.pack("<HHII", 320, 3, len(colours), 8 + len(data)))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(palette)) + data + palette
    path.write_bytes(head + struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0))
    return path


@pytest.mark.parametrize("fill", [1, 2])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_bits_and_their_order(tmp_path, bits, fill):
    pixels = (DEEP[:, :95].astype(np.int64) * 5) % 2**bits
    data = packed(pixels, bits)
    if bits == 16:
        data = pixels.astype("<u2").tobytes()
    if fill == 2:
        data = imagecodecs.bitorder_encode(data)
    expected = pixels.astype(bool if bits == 1 else np.uint8 if bits <= 8 else np.uint16)
    check(write_tiff(tmp_path / "a.tif", data, bits, fill=fill), expected, rgb=False)
    white = expected if bits == 1 else 2**bits - 1 - expected
    check(
        write_tiff(tmp_path / "w.tif", data, bits, fill=fill, photometric=0),
        (~expected if bits == 1 else white).astype(expected.dtype),
        rgb=False,
    )


@pytest.mark.parametrize("codec", [None, "zlib", "predicted"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
def test_every_type_of_number(tmp_path, dtype, codec, order):
    predictor = codec == "predicted" and dtype not in ("i8", "u8")  # which tifffile does not predict
    pixels = (DEEP // 8).astype(dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, compression=codec and "zlib", predictor=predictor, byteorder=order,
        photometric="minisblack",
    )  # fmt: skip
    check(tmp_path / "a.tif", pixels, rgb=False)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_inks_become_colours(tmp_path, codec, planar):
    inks = np.array(Image.fromarray(RGB).convert("CMYK"))
    dark = np.concatenate([inks[..., :3], np.full((64, 96, 1), 51, np.uint8)], -1)
    for number, (pixels, expected) in enumerate(
        [
            (inks, RGB),
            (inks.astype(np.uint16) * 257, RGB.astype(np.uint16) * 257),
            (dark, np.rint(RGB * 0.8).astype(np.uint8)),
            (np.concatenate([inks, inks[..., :1]], -1), RGB),
        ]
    ):
        path = tmp_path / f"{number}.tif"
        stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
        tifffile.imwrite(path, stored, photometric="separated", planarconfig=planar, compression=codec)
        if planar == "contig":
            check(path, expected, rgb=True, near=1 if expected.dtype == np.uint8 else 2)
        assert open_stack(path).axes == ("YXS" if planar == "contig" else "SYX")
        found = read_image(path).array
        np.testing.assert_allclose(found.astype(int), expected, atol=2)


def test_inks_of_a_jpeg_and_inks_of_other_colours(tmp_path):
    inks = np.array(Image.fromarray(RGB).convert("CMYK"))
    options = {"photometric": "separated", "compression": "jpeg", "compressionargs": {"level": 98}}
    tifffile.imwrite(tmp_path / "a.tif", inks, **options)
    check(tmp_path / "a.tif", RGB, rgb=True, near=12)
    other = [(332, 3, 1, 2, True)]
    tifffile.imwrite(tmp_path / "b.tif", inks, photometric="separated", extratags=other)
    refused(tmp_path / "b.tif", "holds SEPARATED in place of gray or RGB: save it as one of these")


@pytest.mark.parametrize("codec", CODECS[:3])
def test_luminance_and_chroma_become_colours(tmp_path, codec):
    names = {None: None, "lzw": "tiff_lzw", "zlib": "tiff_adobe_deflate"}
    Image.fromarray(RGB).convert("YCbCr").save(tmp_path / "a.tif", compression=names[codec])
    check(tmp_path / "a.tif", RGB, rgb=True, near=3)


def test_chroma_in_a_jpeg(tmp_path):
    for subsampling in ((1, 1), (2, 2)):
        tifffile.imwrite(
            tmp_path / f"{subsampling}.tif", RGB, photometric="rgb", compression="jpeg",
            compressionargs={"level": 98}, subsampling=subsampling, tile=(32, 32),
        )  # fmt: skip
        check(tmp_path / f"{subsampling}.tif", RGB, rgb=True, near=12)


def test_chroma_that_was_thinned_is_refused(tmp_path):
    Image.fromarray(RGB).convert("YCbCr").save(tmp_path / "a.tif")
    retag(tmp_path / "a.tif", YCbCrSubSampling=(2, 2))
    refused(tmp_path / "a.tif", "holds YCBCR in place of gray or RGB: save it as one of these")


@pytest.mark.parametrize("codec", CODECS[:3])
def test_lab_becomes_colours(tmp_path, codec):
    lab = ImageCms.profileToProfile(
        Image.fromarray(RGB), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "a.tif")
    stored = tifffile.imread(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", stored, photometric="cielab", compression=codec)
    # a and b of 8 bits are integers: some colours are a few steps off.
    off = np.abs(read_image(tmp_path / "b.tif").array.astype(int) - RGB)
    assert off.mean() < 1.5 and off.max() < 20
    check(tmp_path / "b.tif", read_image(tmp_path / "a.tif").array, rgb=True)
    icc = np.stack([stored[..., 0], stored[..., 1] ^ 128, stored[..., 2] ^ 128], -1)
    tifffile.imwrite(tmp_path / "c.tif", icc, photometric="icclab", compression=codec)
    check(tmp_path / "c.tif", read_image(tmp_path / "a.tif").array, rgb=True)
    signed = stored.astype(np.int8).astype(np.int16) * 256
    deep = np.concatenate([stored[..., :1].astype(np.uint16) * 257, signed[..., 1:].view(np.uint16)], -1)
    tifffile.imwrite(tmp_path / "d.tif", deep, photometric="cielab", compression=codec)
    found = read_image(tmp_path / "d.tif").array
    np.testing.assert_allclose(found / 257, read_image(tmp_path / "a.tif").array, atol=1)


def test_known_colours_in_lab(tmp_path):
    lab = np.array([[[255, 0, 0], [0, 0, 0], [137, 0, 0], [138, 81, 70]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", np.repeat(lab, 4, 0), photometric="cielab")
    found = read_image(tmp_path / "a.tif").array[0].astype(int)
    np.testing.assert_allclose(found, [[255] * 3, [0] * 3, [128] * 3, [255, 0, 0]], atol=3)


@pytest.mark.parametrize("kind", ["itulab", "logl", "logluv", "cfa"])
def test_what_is_neither_gray_nor_colour_is_refused(tmp_path, kind):
    pixels = RGB if kind in ("itulab", "logluv") else GRAY
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    retag(tmp_path / "a.tif", PhotometricInterpretation=tifffile.PHOTOMETRIC[kind.upper()])
    refused(
        tmp_path / "a.tif", rf"a\.tif holds {kind.upper()} in place of gray or RGB: save it as one of these"
    )


@pytest.mark.parametrize("codec", [None, "lzw"])
@pytest.mark.parametrize("ome", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_gray_samples_are_channels(tmp_path, count, dtype, planar, ome, codec):
    pixels = np.stack([GRAY // (k + 1) for k in range(count)], -1).astype(dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels if planar == "contig" else np.moveaxis(pixels, -1, 0), ome=ome,
        photometric="minisblack", planarconfig=planar, compression=codec,
    )  # fmt: skip
    stack = open_stack(tmp_path / "a.tif")
    # OME tells of one section and one time point as well.
    assert stack.axes == ("TZ" if ome else "") + ("YXC" if planar == "contig" else "CYX")
    with pytest.raises(ImageError, match=f"holds {count} planes"):
        read_image(tmp_path / "a.tif")
    for channel in range(count):
        for loaded in (stack.read(Pick(channel=channel)), read_image(tmp_path / "a.tif", channel)):
            assert not loaded.rgb and loaded.array.dtype == dtype
            np.testing.assert_array_equal(loaded.array, pixels[..., channel])


def test_channels_in_samples_of_channels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 20, 30, 4)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, photometric="minisblack", planarconfig="contig")
    stack = open_stack(tmp_path / "a.ome.tif")
    assert stack.axes == "TZCYXc" and stack.count(Pick()) == 20
    np.testing.assert_array_equal(stack.read(Pick(7)).array, pixels[1, :, :, 3])


@pytest.mark.parametrize("codec", [None, "lzw"])
@pytest.mark.parametrize("alpha", [1, 2])
@pytest.mark.parametrize("white", [False, True])
def test_the_alpha_of_gray_is_left_out(tmp_path, alpha, codec, white):
    stored = 255 - GRAY if white else GRAY
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([stored, GRAY * 0 + 99], -1), extrasamples=[alpha], compression=codec,
        photometric="miniswhite" if white else "minisblack", planarconfig="contig",
    )  # fmt: skip
    check(tmp_path / "a.tif", GRAY, rgb=False)
    Image.fromarray(GRAY).convert("LA").save(tmp_path / "b.tif")
    check(tmp_path / "b.tif", GRAY, rgb=False)


@pytest.mark.parametrize("codec", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("extra", [[0], [1], [2], [2, 0], [0, 0, 0]])
def test_of_samples_beside_colours_the_colours_count(tmp_path, extra, planar, codec):
    pixels = np.concatenate([RGB, *[RGB[..., :1] // 2] * len(extra)], -1)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels if planar == "contig" else np.moveaxis(pixels, -1, 0), photometric="rgb",
        planarconfig=planar, extrasamples=extra, compression=codec,
    )  # fmt: skip
    loaded = read_image(tmp_path / "a.tif")
    assert loaded.rgb
    np.testing.assert_array_equal(loaded.array[..., :3], RGB)
    part = FileSource(str(tmp_path / "a.tif")).read(0, Box(3, 5, 30, 41))
    np.testing.assert_array_equal(part[..., :3], RGB[3:30, 5:41])


def turned(name, pixels, path, orientation):
    """Write a picture whose orientation is told in its way."""
    if name == "a.tif":
        tifffile.imwrite(path, pixels, extratags=[(274, 3, 1, orientation, True)], metadata=None)
        return
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if name == "a.webp" else {"quality": 100, "subsampling": 0}
    Image.fromarray(pixels).save(path, exif=exif, **({} if name == "a.png" else options))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.webp"])
def test_pixels_stay_where_they_are_whatever_the_orientation(tmp_path, name, orientation):
    turned(name, RGB, tmp_path / name, orientation)
    check(tmp_path / name, RGB, rgb=True, near=4 if name == "a.jpg" else 0)


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "LAB"])
def test_a_plane_of_colours_that_were_converted_is_in_memory_of_its_own(tmp_path, mode):
    image = Image.fromarray(RGB)
    if mode == "LAB":
        tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="cielab")
    else:
        (image.quantize(64) if mode == "P" else image.convert(mode)).save(tmp_path / "a.tif")
    loaded = read_image(tmp_path / "a.tif")
    before = loaded.array.copy()
    (tmp_path / "a.tif").write_bytes(b"\0" * 9000)
    np.testing.assert_array_equal(loaded.array, before)
    assert loaded.array.flags.writeable

"""PNG, JPEG, BMP, WebP and GIF: at full depth, told by content, by no decoder but the one of the format."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from stack_kit import find_spots, invoke, spots

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import count_series, images_in, level_shapes, open_file
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
FRAMES = [COLOUR, COLOUR[::-1], COLOUR[:, ::-1]]
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def save(path, frames, **options):
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=bool(rest), append_images=rest, **options)
    return path


def write_png(path, pixels, colour_type):
    """Write a PNG of 16 bits for each sample with no library."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    return path


@pytest.mark.parametrize(("colour_type", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits(tmp_path, colour_type, samples):
    pixels = RNG.integers(0, 65535, (20, 30, samples)).astype(np.uint16)
    path = write_png(tmp_path / "deep.png", pixels, colour_type)
    expected = pixels if samples > 2 else pixels[..., 0]  # without the alpha of gray
    for loaded in (read_image(path), open_stack(path).read(Pick())):
        assert loaded.array.dtype == np.uint16 and loaded.rgb == (samples > 2)
        np.testing.assert_array_equal(loaded.array, expected)


def test_frames_of_a_png_of_16_bits(tmp_path):
    frames = RNG.integers(0, 65535, (3, 20, 30, 3)).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(imagecodecs.apng_encode(frames))
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(read_image(tmp_path / "deep.png", number).array, frame)


@pytest.mark.parametrize(
    ("name", "options", "near"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("a.jpg", {"quality": 100, "subsampling": 0}, 3),
        ("a.tif", {"format": "PNG"}, 0),
        ("a", {"format": "BMP"}, 0),
        ("a.npy", {"format": "WEBP", "lossless": True}, 0),
    ],
)
def test_a_picture_is_a_stack_of_one_plane(tmp_path, name, options, near):
    path = save(tmp_path / name, [COLOUR], **options)
    array, axes = open_file(path)
    assert axes == "YXS" and count_series(path) == 1 and level_shapes(path) == ([(20, 30, 3)], "YXS")
    stack = open_stack(path)
    assert stack.count(Pick()) == 1 and stack.size is None
    for pixels in (array, stack.read(Pick()).array, read_image(path).array, read_image(path, 0).array):
        np.testing.assert_allclose(pixels.astype(int), COLOUR, rtol=0, atol=near)
    with pytest.raises(ImageError, match="1 level; there is no level 1"):
        open_stack(path, level=1)


@pytest.mark.parametrize(("name", "options"), [("a.png", {}), ("a.webp", {"lossless": True})])
def test_frames_are_planes(tmp_path, name, options):
    path = save(tmp_path / name, FRAMES, **options)
    assert open_stack(path).axes == "aYXS"
    for number, frame in enumerate(FRAMES):
        np.testing.assert_array_equal(open_stack(path).read(Pick(number)).array, frame)
        np.testing.assert_array_equal(read_image(path, number).array, frame)
    assert len(list(every_plane(path))) == 3
    with pytest.raises(ImageError, match=r"holds 3 planes.*--plane N, from 0 to 2"):
        read_image(path)


@pytest.mark.parametrize("kind", ["gray", "coloured"])
def test_frames_of_a_gif(tmp_path, kind):
    few = COLOUR // 128 * 255  # 8 colours
    frames = [RAMP, RAMP[::-1], RAMP.T] if kind == "gray" else [few, few[::-1], few[:, ::-1]]
    path = save(tmp_path / "a.gif", frames, optimize=False)
    stack = open_stack(path)
    assert stack.axes == ("aYX" if kind == "gray" else "aYXS") and stack.array.ndim == len(stack.axes)
    np.testing.assert_array_equal(np.asarray(stack.array), frames)
    np.testing.assert_array_equal(stack.array[1:, 3:5], np.stack(frames)[1:, 3:5])
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(read_image(path, number).array, frame)
    np.testing.assert_array_equal(stack.read(Pick(project="max")).array, np.max(frames, 0))


def test_a_damaged_frame_does_not_spoil_the_others(tmp_path):
    frames = [RAMP, RAMP[::-1], RAMP.T]
    path = save(tmp_path / "a.gif", frames, optimize=False)
    path.write_bytes(path.read_bytes()[:-200])
    for number in (0, 1):
        np.testing.assert_array_equal(read_image(path, number).array, frames[number])
    with pytest.raises(ImageError, match=r"cannot read the pixels of .*a\.gif"):
        read_image(path, 2)


@pytest.mark.parametrize(
    "more", [[COLOUR[::2, ::2], COLOUR[::4]], [COLOUR[::-1]]], ids=["previews", "a pair"]
)
def test_of_a_jpeg_with_several_pictures_the_first_is_the_image(tmp_path, more):
    path = save(tmp_path / "photo.jpg", [COLOUR, *more], format="MPO", quality=100)
    assert count_series(path) == 1 and open_stack(path).axes == "YXS"
    with Image.open(path) as picture:
        np.testing.assert_allclose(read_image(path).array.astype(int), np.array(picture), atol=3)
    assert [loaded.array.shape for loaded in every_plane(path)] == [(20, 30, 3)]


def test_npy_files_are_read_as_other_images(tmp_path):
    pixels = RNG.integers(0, 60000, (2, 20, 30)).astype(">u2")
    np.save(tmp_path / "a.npy", pixels)
    for number in range(2):
        loaded = read_image(tmp_path / "a.npy", number)
        np.testing.assert_array_equal(loaded.array, pixels[number])
        assert loaded.array.dtype == np.uint16
    (tmp_path / "trap.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ImageError, match=r"trap\.npy cannot be read"):
        read_image(tmp_path / "trap.npy")


EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n"
    b"(/etc/passwd) (r) file pop showpage\n%%EOF\n"
)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.eps"])
@pytest.mark.parametrize(
    "start", [b"", b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, 200, 0, 0, 0, 0) + b"\xff\xff\0\0"]
)
def test_no_program_is_started_for_a_file_that_is_another_than_its_name_says(
    tmp_path, monkeypatch, name, start
):
    def started(*arguments, **_):
        pytest.fail(f"started {arguments}")

    for module, function in (
        (subprocess, "Popen"), (os, "system"), (os, "posix_spawn"), (os, "fork"), (os, "execv"),
    ):  # fmt: skip
        monkeypatch.setattr(module, function, started, raising=False)
    (tmp_path / name).write_bytes(start + EPS)
    for read in (read_image, open_file, open_stack, lambda path: list(every_plane(path))):
        with pytest.raises(
            ImageError, match=r"cannot be read, it is no image of a known kind: give a TIFF, PNG"
        ):
            read(tmp_path / name)
    assert count_series(tmp_path / name) == 1


def test_pillow_is_told_the_format(tmp_path, monkeypatch):
    asked, opened = [], Image.open

    def record(path, *arguments, formats=None, **more):
        asked.append(formats)
        return opened(path, *arguments, formats=formats, **more)

    names = {"a.png": "PNG", "a.jpg": "JPEG", "a.bmp": "BMP", "a.webp": "WEBP", "a.gif": "GIF"}
    for name in names:
        save(tmp_path / name, [COLOUR])
    monkeypatch.setattr(Image, "open", record)
    for name in names:
        read_image(tmp_path / name)
        assert asked and all(formats == [names[name]] for formats in asked)
        asked.clear()


def test_a_picture_is_done_as_a_stack_of_one_plane(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)
    save(tmp_path / "one.png", [spots((10, 12), (30, 40))])
    save(tmp_path / "two.png", [spots((10, 12)), spots((10, 12), (20, 55))])
    done = invoke(tmp_path / "one.png", tmp_path / "two.png", "--planes", "all", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    tables = sorted((tmp_path / "out").glob("*.table.csv"))
    assert {path.name: len(path.read_text().splitlines()) - 1 for path in tables} == {
        "one_plane0.table.csv": 2, "two_plane0.table.csv": 1, "two_plane1.table.csv": 2,
    }  # fmt: skip


def test_large_pictures_are_read_without_a_warning(tmp_path):
    """From 89 megapixels on Pillow warns of a bomb."""
    Image.new("1", (30_000, 3_000), 1).save(tmp_path / "a.png")
    (image,) = images_in(tmp_path / "a.png")
    assert image.shapes == [(3_000, 30_000)] and image.array()[-1, -1] == 255


def test_a_webp_that_is_said_to_be_longer_than_its_frames_can_be_is_refused(tmp_path):
    frames = [Image.fromarray(np.full((8, 9, 3), k, np.uint8)) for k in (10, 20)]
    path = tmp_path / "a.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert read_image(path, 1).array.shape == (8, 9, 3)
    content = bytearray(path.read_bytes())
    assert content[12:16] == b"VP8X"
    content[24:27] = (3_000_000 - 1).to_bytes(3, "little")
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.webp is too large for a WebP"):
        read_image(path, 0)

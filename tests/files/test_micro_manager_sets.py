"""Sets of files that Micro-Manager writes (NDTiff): planes come from files in the same folder."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.reading import read_image

HEIGHT, WIDTH = 6, 9
_METADATA = b'{"a": 1}\0'


def write_frame(path, value):
    """Write a TIFF of one plane with the header of NDTiff; return where its pixels lie."""
    summary = b"{}"
    head = struct.pack("<IIIII", 483729, 3, 1, 2355492, len(summary)) + summary
    sizes = [(256, WIDTH), (257, HEIGHT), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, HEIGHT)]
    tags = [*((code, 4, 1, n) for code, n in (*sizes, (279, HEIGHT * WIDTH)))]
    start = 8 + len(head)
    pixels = start + 2 + 12 * (len(tags) + 1) + 4
    tags.append((51123, 2, len(_METADATA), pixels + HEIGHT * WIDTH))
    content = b"II*\0" + struct.pack("<I", start) + head + struct.pack("<H", len(tags))
    for code, kind, count, number in tags:
        content += struct.pack("<HHII", code, kind, count, pixels if code == 273 else number)
    plane = np.full((HEIGHT, WIDTH), value, np.uint8)
    path.write_bytes(content + bytes(4) + plane.tobytes() + _METADATA)
    return pixels


def write_index(folder, frames):
    """Write the index of frames (file, offset), one for each time."""
    content = b""
    for time, (name, offset) in enumerate(frames):
        axes = json.dumps({"time": time}).encode()
        content += struct.pack("<I", len(axes)) + axes + struct.pack("<I", len(name)) + name.encode()
        content += struct.pack("<IiiiiIii", offset, WIDTH, HEIGHT, 0, 0, 0, 0, 0)
    (folder / "NDTiff.index").write_bytes(content)


def test_planes_of_all_files_and_a_line_for_one_that_is_missing(tmp_path):
    paths = [tmp_path / name for name in ("a.tif", "b.tif")]
    write_index(tmp_path, [(path.name, write_frame(path, 10 + k)) for k, path in enumerate(paths)])
    for path in paths:
        assert [read_image(path, plane).array.mean() for plane in range(2)] == [10, 11]
    assert find_images([tmp_path])[0] == [paths[0]]
    paths[1].unlink()
    with pytest.raises(ImageError, match=r"a.tif belongs to a set whose file b.tif is missing"):
        images_in(paths[0])


@pytest.mark.parametrize("name", ["../b.tif", "sub/b.tif", ""])
def test_no_file_elsewhere_is_read(tmp_path, name):
    for folder in ("in", "in/sub"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "in" / "a.tif"
    offset = write_frame(path, 10)
    for other in ("b.tif", "in/sub/b.tif"):
        write_frame(tmp_path / other, 66)
    write_index(tmp_path / "in", [("a.tif", offset), (name, offset)])
    with pytest.raises(ImageError, match="belongs to a set whose file"):
        images_in(path)


def write_stack(path, frames, told):
    """Write a file of Micro-Manager's stacks that holds some frames of so many."""
    summary = json.dumps(
        {
            "MicroManagerVersion": "2.0",
            "Frames": told,
            "Slices": 1,
            "Channels": 1,
            "Positions": 1,
            "Prefix": "a",
        }
    ).encode()
    count = len(frames)
    start = 40 + len(summary)
    index = start + 8 + 20 * count
    head = struct.pack("<IIIIIIII", 54773648, start, 0, 0, 0, 0, 2355492, len(summary)) + summary
    index_map = struct.pack("<II", 3453623, count)
    offsets, content = [], b""
    for value in frames.values():
        at = index + len(content)
        tags = [(256, 3, 1, WIDTH), (257, 3, 1, HEIGHT), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
                (273, 4, 1, at + 162), (277, 3, 1, 1), (278, 3, 1, HEIGHT), (279, 4, 1, HEIGHT * WIDTH),
                (282, 4, 1, 1), (283, 4, 1, 1), (296, 3, 1, 1),
                (51123, 2, len(_METADATA), at + 162 + HEIGHT * WIDTH)]  # fmt: skip
        following = at + 162 + HEIGHT * WIDTH + len(_METADATA) if len(offsets) < count - 1 else 0
        content += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        content += struct.pack("<I", following) + bytes([value]) * HEIGHT * WIDTH + _METADATA
        offsets.append(at)
    for (frame, _), at in zip(frames.items(), offsets, strict=True):
        index_map += struct.pack("<IIIII", 0, 0, frame, 0, at)
    first = struct.pack("<I", offsets[0])
    path.write_bytes(b"II*\0" + first + head + index_map + content)


@pytest.mark.parametrize("told", [2, 5])
def test_planes_of_a_stack_that_are_nowhere_are_told(tmp_path, told):
    path = tmp_path / "a_MMStack.tif"
    write_stack(path, {0: 7, 1: 9}, told)
    (image,) = images_in(path)
    assert image.shapes == [(2, HEIGHT, WIDTH)] and image.axes == "TYX"
    assert [read_image(path, plane).array.mean() for plane in range(2)] == [7, 9]
    lost = ("3 planes that Micro-Manager tells of and no file here holds",) if told == 5 else ()
    assert image.left_out == lost

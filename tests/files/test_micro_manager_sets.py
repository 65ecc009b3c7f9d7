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

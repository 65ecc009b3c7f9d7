"""Images of a TIFF whose list has no end are refused at once; tifffile would read them for ever."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files import count_series, open_stack, read_image
from napari_sam2_automask.files.own_results import is_own_result
from napari_sam2_automask.files.tiff_chain import check_chain
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.settings.along import Along


def written(path, pages, big, order):
    """Write a TIFF of so many images; return where each directory lies, and where it tells of the next."""
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as tiff:
        for k in range(pages):
            tiff.write(np.full((8, 8 + k % 2), k % 250, np.uint8), contiguous=False, metadata=None)
    count, tag, place = ("Q", 20, "Q") if big else ("H", 12, "I")
    data = path.read_bytes()
    (at,) = struct.unpack_from(order + place, data, 8 if big else 4)
    found = []
    while at:
        (tags,) = struct.unpack_from(order + count, data, at)
        told = at + struct.calcsize("=" + count) + tag * tags
        found.append((at, told))
        (at,) = struct.unpack_from(order + place, data, told)
    assert len(found) == pages
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("pages", "back_to"), [(1, 0), (3, 0), (3, 2), (150, 149), (150, 120)])
def test_a_circle_is_refused_and_told(tmp_path, pages, back_to, big, order):
    path = tmp_path / "stack.tif"
    found = written(path, pages, big, order)
    check_chain(path)
    data = bytearray(path.read_bytes())
    again, last = found[back_to][0], found[-1][1]
    struct.pack_into(order + ("Q" if big else "I"), data, last, again)
    path.write_bytes(data)
    line = rf"stack\.tif is damaged: .*circle \(the one at byte {again:,} comes twice\)"
    for read in (read_image, open_stack):
        with pytest.raises(ImageError, match=line):
            read(path)
    assert count_series(path) == 1  # whoever opens it says what is wrong


def test_one_beside_a_record_is_looked_at_without_end_neither(tmp_path):
    path = tmp_path / "cells.tif"
    ((at, told),) = written(path, 1, False, "<")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, told, at)
    path.write_bytes(data)
    (tmp_path / "cells.record.json").write_text("{}")
    assert not is_own_result(path)


@pytest.mark.parametrize("kind", ["plain", "imagej", "big"])
def test_a_file_that_is_cut_off_is_not_taken_for_a_shorter_stack(tmp_path, kind):
    """What is left can be chosen; a volume of half of the planes would be wrong without a word."""
    path, pixels = tmp_path / "a.tif", np.arange(1, 7, dtype=np.uint8).repeat(3000).reshape(6, 50, 60)
    how = (
        {"imagej": True, "metadata": {"axes": "ZYX"}}
        if kind == "imagej"
        else {"metadata": None, "bigtiff": kind == "big"}
    )
    tifffile.imwrite(path, pixels, photometric="minisblack", **how)
    whole = path.read_bytes()
    assert plan([path], tmp_path, Wanted(link=Along.z)).results == 7
    for size in (len(whole) // 2, len(whole) - 6000):
        path.write_bytes(whole[:size])
        line = r"a\.tif is cut off, planes of it are lost: copy it anew"
        with pytest.raises(ImageError, match=line):
            read_image(path)
        with pytest.raises(ImageError, match=line):
            FileSource(str(path)).description()
        for wanted in (Wanted(link=Along.z), Wanted(Pick(project="max")), Wanted(level=0, one_contrast=True)):
            assert "is cut off" in plan([path], tmp_path, wanted).useless[path]
        assert (read_image(path, 0).array == 1).all()
        every = plan([path], tmp_path, Wanted(planes="all"))
        assert not every.useless and "which is cut off" in every.notes[0]
    if kind == "imagej":  # which tells of all planes at once
        path.write_bytes(whole[:-20])
        assert plan([path], tmp_path, Wanted(link=Along.z)).results == 7


@pytest.mark.parametrize("content", [b"", b"II", b"II*\0", b"II*\0" + b"\xff" * 40, b"\x89PNG" + b"\0" * 40])
def test_what_is_cut_off_or_no_tiff_is_left_to_who_reads_it(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    check_chain(tmp_path / "a.tif")

"""Only regular files are read and replaced, and never one that is read; links to them lose nothing."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from napari_sam2_automask.disk.atomic import write_all, write_one
from napari_sam2_automask.disk.output_errors import check_name, check_targets
from napari_sam2_automask.disk.regular import Inputs, check_regular
from napari_sam2_automask.errors import OutputNameError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files there")

# No write is tried on a device itself: a fault would replace it for the whole machine.
ODD = ["pipe", "socket", "folder", "link to a pipe", "link to a device", "link to a folder"]


@pytest.fixture
def odd(tmp_path):
    """Return what makes a file of an odd kind."""
    kept = []

    def make(kind):
        path = tmp_path / "odd"
        if kind.startswith("link to a "):
            path.symlink_to(make(kind.removeprefix("link to a ")))
            return path
        path = tmp_path / kind
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            one = socket.socket(socket.AF_UNIX)
            kept.append(one)
            one.bind(os.path.relpath(path))  # names of sockets are short
        elif kind == "folder":
            path.mkdir()
        else:
            return Path("/dev/null")
        return path

    yield make
    for one in kept:
        one.close()


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_neither_opened_nor_replaced(odd, kind, tmp_path):
    path = odd(kind)
    before = os.lstat(path)
    with pytest.raises(OSError, match="it is a folder" if "folder" in kind else "it is no regular file"):
        check_regular(path)
    for writing in (lambda: write_one(path, b"new"), lambda: write_all({tmp_path / "a": b"", path: b""})):
        with pytest.raises(
            OutputNameError, match=rf"cannot write {path.name} \((it is|a folder) .*choose another"
        ):
            writing()
    assert os.lstat(path).st_ino == before.st_ino and os.lstat(path).st_mode == before.st_mode
    assert not (tmp_path / "a").exists()


def test_the_links_of_the_system_stay():
    # Output that is sent to a file makes them links to a regular file: no write is tried here.
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        if os.path.lexists(name):
            with pytest.raises(OutputNameError, match="it is no regular file"):
                check_name(Path(name))


def test_a_link_to_nothing_and_a_link_to_a_file_are_replaced_and_the_file_stays(tmp_path):
    (tmp_path / "far").write_text("far")
    for name, target in (("a", "far"), ("b", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / target)
        write_one(tmp_path / name, b"new")
        assert (tmp_path / name).read_text() == "new" and not (tmp_path / name).is_symlink()
    assert (tmp_path / "far").read_text() == "far" and not (tmp_path / "nowhere").exists()


def test_an_input_is_known_by_whatever_name(tmp_path):
    image, zarr = tmp_path / "image.tif", tmp_path / "image.zarr"
    image.write_text("image")
    (zarr / "0").mkdir(parents=True)
    (zarr / "0" / "zarr.json").write_text("{}")
    (tmp_path / "link").symlink_to(image)
    os.link(image, tmp_path / "hard")
    (tmp_path / "around").symlink_to(tmp_path)
    read = Inputs([image, zarr, tmp_path / "gone"])
    for target in ("image.tif", "link", "hard", "around/image.tif"):
        assert read.replaced_by(tmp_path / target) == image
    for target in ("image.zarr/0/zarr.json", "around/image.zarr/0/zarr.json"):
        assert read.replaced_by(tmp_path / target) == zarr
    for target in ("new", "image.zarr/new", "gone"):
        assert read.replaced_by(tmp_path / target) is None
    check_targets([tmp_path / "new"], [image])
    with pytest.raises(OutputNameError, match=r"link would replace .*image\.tif, which is read: choose"):
        check_targets([tmp_path / "new", tmp_path / "link"], [image])

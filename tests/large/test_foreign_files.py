"""What others have put where a large run writes is refused or left alone, never overwritten or deleted."""

from __future__ import annotations

import json
import os
import re
import sys

import numpy as np
import pytest
from large_images import cells
from large_run import SIZES, Cheap

from napari_sam2_automask.disk.own_files import foreign, remove_own
from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.large import background
from napari_sam2_automask.large.output import publish as publishing
from napari_sam2_automask.large.output.publish import publish
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import ArraySource
from napari_sam2_automask.progress import Cancelled

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")


@pytest.fixture(scope="module")
def image():
    return cells((200, 220), seed=8, large=2)[0]


def run(image, output, **more):
    return segment_large(ArraySource(image), output, Cheap(**more), **SIZES)


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def stopped(image, output):
    def stop(progress):
        if progress.stage == "tiles" and progress.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment_large(ArraySource(image), output, Cheap(), **SIZES, progress=stop)


@pytest.mark.parametrize(
    "files",
    [
        {"notes.txt": b"mine"},
        {"sub/notes.txt": b"mine"},
        {"lock": b"mine"},
        {"manifest.json": b'{"name": "of another program"}', "a": b"mine"},
        {"manifest.json": b"[]"},
        {"spec.json": b'{"image": "x"}', "log.txt": b"mine"},
    ],
)
def test_a_folder_of_somebody_else_is_refused_and_stays(image, tmp_path, files):
    folder = tmp_path / "a.zarr.run"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with pytest.raises(OutputError, match="choose another output") as caught:
        run(image, tmp_path / "a.zarr")
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    assert background.status(tmp_path / "a.zarr").state == "unknown"
    background.stop(tmp_path / "a.zarr")
    assert contents(folder) == files and not (tmp_path / "a.zarr").exists()


def test_an_empty_folder_and_what_a_kill_leaves_before_the_manifest_are_taken(image, tmp_path):
    folder = tmp_path / "a.zarr.run"
    folder.mkdir()
    for name in ("lock", "process.lock", ".0123abcd.tmp"):
        (folder / name).touch()
    run(image, tmp_path / "a.zarr")
    assert not folder.exists()


@needs_links
def test_a_link_in_place_of_the_folder_or_in_it_is_refused(image, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "000000").mkdir()
    (other / "000000" / "000000000").write_text("mine")
    folder = tmp_path / "a.zarr.run"
    folder.symlink_to(other)
    with pytest.raises(OutputError, match="is no folder: choose another output"):
        run(image, tmp_path / "a.zarr")
    folder.unlink()
    stopped(image, tmp_path / "a.zarr")
    (folder / "failed").symlink_to(other)
    with pytest.raises(OutputError, match=r"holds a link \(failed\)"):
        run(image, tmp_path / "a.zarr")
    (folder / "failed").unlink()
    (folder / "tiles" / "000001").symlink_to(other)
    run(image, tmp_path / "a.zarr")
    assert contents(other) == {"000000/000000000": b"mine"}
    assert os.readlink(folder / "tiles" / "000001") == str(other)


def test_what_somebody_puts_into_the_folder_of_a_run_stays_and_the_run_can_be_tidied_later(image, tmp_path):
    output, folder = tmp_path / "a.zarr", tmp_path / "a.zarr.run"
    stopped(image, output)
    mine = ["notes.txt", "tiles/notes.txt", "tiles/000000/000000000.bak", "labels.zarr/0/c/notes.txt"]
    for name in mine:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    run(image, output)
    # With the labels goes what lay among them.
    assert (output / "0/c/notes.txt").read_text() == "mine"
    assert sorted(contents(folder)) == ["manifest.json", *sorted(mine)[1:]]
    for name in mine[:3]:
        (folder / name).unlink()
    run(image, output)
    assert not folder.exists()


@needs_links
def test_an_output_that_is_a_link_a_file_or_of_somebody_else_is_refused(image, tmp_path):
    (tmp_path / "link.zarr").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file.zarr").write_text("mine")
    os.mkfifo(tmp_path / "pipe.zarr")
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "notes.txt").write_text("mine")
    for name in ("link", "file", "pipe", "folder"):
        with pytest.raises(OutputError, match="choose another output"):
            run(image, tmp_path / f"{name}.zarr")
        assert not (tmp_path / f"{name}.zarr.run").exists()
    assert (tmp_path / "file.zarr").read_text() == (tmp_path / "folder.zarr/notes.txt").read_text() == "mine"
    assert os.readlink(tmp_path / "link.zarr") == str(tmp_path / "nowhere")


def test_a_file_that_has_the_name_of_the_table_is_refused(image, tmp_path):
    (tmp_path / "a.objects.csv").write_text("count,name\n7,mice\n")
    with pytest.raises(OutputError, match=r"a.objects.csv is where the run's table goes"):
        run(image, tmp_path / "a.zarr")
    assert (tmp_path / "a.objects.csv").read_text() == "count,name\n7,mice\n"
    (tmp_path / "a.objects.csv").unlink()
    stopped(image, tmp_path / "a.zarr")
    run(image, tmp_path / "a.zarr")
    run(image, tmp_path / "a.zarr")


def test_labels_with_something_of_somebody_else_are_not_replaced(image, tmp_path):
    marked = image.copy()
    marked[0, 0] = 255
    output = tmp_path / "a.zarr"
    assert run(marked, output, fail_at=255).failed
    (output / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"no run has written: move .*notes.txt away"):
        run(marked, output)
    (output / "notes.txt").unlink()
    (output / ".DS_Store").touch()
    assert not run(marked, output).failed


def test_a_damaged_record_in_the_output_is_a_line(image, tmp_path):
    output = tmp_path / "a.zarr"
    run(image, output)
    attributes = json.loads((output / "zarr.json").read_text())
    attributes["attributes"]["sam2_automask"]["failed"] = 7
    (output / "zarr.json").write_text(json.dumps(attributes))
    with pytest.raises(OutputError, match=r"the record in .* is damaged"):
        run(image, output)


def test_old_labels_return_if_the_new_ones_cannot_take_their_place(tmp_path, monkeypatch):
    for name in ("labels", "out.zarr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text(name)
    real = os.replace

    def refuse(source, target):
        if source == tmp_path / "labels":
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(publishing.os, "replace", refuse)
    with pytest.raises(OutputError, match="cannot write out"):
        publish(tmp_path / "labels", tmp_path / "out.zarr")
    assert contents(tmp_path) == {"labels/zarr.json": b"labels", "out.zarr/zarr.json": b"out.zarr"}


@needs_links
def test_only_files_of_ours_are_deleted(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "1.ours").write_text("mine")
    folder = tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "empty").mkdir()
    for name in ("1.ours", "a/2.ours", "a/b/3.ours", "a/b/theirs"):
        (folder / name).write_text("")
    (folder / "4.ours").symlink_to(other / "1.ours")
    (folder / "link").symlink_to(other)
    own = re.compile(r"([ab]/)*\d\.ours")
    left = [folder / "4.ours", folder / "a/b/theirs", folder / "link"]
    assert sorted(foreign(folder, own)) == left
    remove_own(folder, own)
    assert sorted(foreign(folder, re.compile("nothing"))) == left and not (folder / "empty").exists()
    remove_own(folder / "link", re.compile(".*"))
    assert (other / "1.ours").read_text() == "mine"


def test_features_of_others_stay_in_the_folder_of_features(tmp_path):
    from napari_sam2_automask.engine.encoder.feature_folder import FeatureFolder

    mine = [tmp_path / "mine.features.safetensors", tmp_path / ("0" * 40 + ".features.safetensors")]
    for path in mine:
        path.write_bytes(np.zeros(100, np.uint8).tobytes())
        os.utime(path, (0, 0))
    (tmp_path / ("1" * 40 + ".features.safetensors")).write_bytes(bytes(100))
    FeatureFolder(tmp_path, 50)._make_room()
    assert [path.exists() for path in mine] == [True, False]

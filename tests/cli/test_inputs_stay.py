"""No result is written over what is read, and no pipe or device is read: one line, before any work."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.batch.planning import plan
from napari_sam2_automask.candidates.file import load_candidates
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import AutomaskError, CandidatesError, ImageError, OutputError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.replay.replaying import replay
from napari_sam2_automask.settings.amg import AmgSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files there")


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    """Refuse to load a model: what is tested ends before."""

    def load(*_, **__):
        raise AssertionError("work was begun")

    # The face first: it looks the name up when it is first used, and would keep what stands in for it.
    monkeypatch.setattr("napari_sam2_automask.models.load_model", load)
    monkeypatch.setattr("napari_sam2_automask.models.loading.load_model", load)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "in" / "cells.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.arange(300, dtype=np.uint8).reshape(15, 20))
    return path


def refused(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(done.exception, AutomaskError), (done.exception, done.output)
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_a_summary_replaces_neither_an_input_nor_a_result_nor_a_device(image, tmp_path):
    out, settings, link = tmp_path / "out", tmp_path / "mine.json", tmp_path / "link.csv"
    settings.write_text(json.dumps(AmgSettings().to_json()))
    link.symlink_to(image)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    before = image.read_bytes()
    command = ["segment", image.parent, "--out", out, "--settings", settings, "--summary"]
    for summary in (image, link, settings):
        assert "would replace" in refused(*command, summary)
    for name in ("labels.tif", "TABLE.csv", "levels.tif"):
        assert "has the name of an image's results" in refused(*command, out / f"cells.{name}")
    for summary in (tmp_path / "null", tmp_path / "pipe", tmp_path):
        assert "cannot write" in refused(*command, summary)
    assert image.read_bytes() == before and link.is_symlink() and not out.exists()


def test_a_summary_does_not_go_into_an_image_that_is_a_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((8, 8), np.uint8))
    before = (tmp_path / "a.zarr" / "zarr.json").read_bytes()
    inside = tmp_path / "a.zarr" / "zarr.json"
    found = refused("segment", tmp_path / "a.zarr", "--out", tmp_path, "--summary", inside)
    assert "would replace" in found and inside.read_bytes() == before


def test_an_image_that_has_the_name_of_a_result_is_not_replaced(image):
    labels = image.with_name("cells.labels.tif")
    labels.write_bytes(image.read_bytes())
    found = plan([image, labels], image.parent)
    assert [stack.source for stack in found.stacks] == [labels]
    assert found.useless == {
        image: f"the results of {image} would replace the image {labels}: choose another --out"
    }
    assert not plan([image, labels], image.parent / "out").useless


def test_a_sweep_does_not_replace_its_truth(image):
    truth = image.with_name("cells.points_per_side.png")
    from PIL import Image

    Image.fromarray(np.zeros((15, 20), np.uint8)).save(truth)
    found = refused(
        "sweep", image, "--parameter", "points_per_side", "--values", "2", "--truth", truth, "--out",
        image.parent,
    )  # fmt: skip
    assert "would replace" in found


def test_a_replay_replaces_neither_its_record_nor_the_image(image):
    array = tifffile.imread(image)
    model = {"name": "bundled", "sha256": None, "device": "cpu"}
    record = make_record(AmgSettings(), image=array, image_name=image.name)
    record |= {"model": model, "file": {"name": image.name, "path": str(image)}}
    path = image.with_name("cells.record.json")
    path.write_text(json.dumps(record))
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"cells\.record\.json would replace .*, which is read"):
        replay(path, image.parent)
    assert path.read_bytes() == before and len(list(image.parent.iterdir())) == 2


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "link"])
def test_a_record_that_names_what_is_no_file_is_refused_at_once(image, tmp_path, kind):
    places = {
        "device": Path("/dev/zero"), "pipe": tmp_path / "pipe", "folder": Path("/"),
        "link": tmp_path / "link",
    }  # fmt: skip
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(ImageError, match=r"it is no regular file|is a folder"):
        file_hash(places[kind])
    record = make_record(AmgSettings(), image=tifffile.imread(image), image_name=image.name)
    file = {"name": "a", "path": str(places[kind]), "sha256": "0" * 64}
    record |= {"model": {"name": "bundled"}, "file": file}
    path = tmp_path / "a.record.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ImageError, match=r"it is no regular file|is a folder"):
        replay(path, tmp_path / "out")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800", "https://example.invalid/a.zarr"])
@pytest.mark.parametrize("of", ["path", "name", "channel"])
def test_a_record_that_names_what_no_file_can_be_called_is_a_line(image, tmp_path, name, of):
    record = make_record(AmgSettings(), image=tifffile.imread(image), image_name=image.name)
    record |= {"model": {"name": "bundled"}, "file": {"name": "a", "path": name}}
    if of == "name":
        record["file"] = {"name": name}
    if of == "channel":
        channel = {"name": "a", "path": name, "sha256": "0" * 64, "dtype": "uint8", "contrast_limits": [0, 1]}
        record["viewer"] = {"channels": {"how": "mix", "channels": [channel]}}
    path = tmp_path / "a.record.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ImageError, match="is not where it was: give its") as error:
        replay(path, tmp_path / "out")
    assert len(str(error.value)) < 400


def test_pipes_and_devices_among_images_and_candidates_are_told(image, tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    inputs = [tmp_path / "pipe.tif", tmp_path / "zero.png", image]
    images, useless = find_images(inputs)
    assert images == [image] and list(useless) == inputs[:2]
    assert all("it is no regular file" in why for why in useless.values())
    # In a folder they are no images.
    assert find_images([tmp_path])[0] == []
    for path in inputs[:2]:
        with pytest.raises(CandidatesError, match="it is no regular file"):
            load_candidates(path)


def test_a_file_of_the_same_size_and_time_has_another_hash(image):
    before, first = image.stat(), file_hash(image)
    image.write_bytes(image.read_bytes()[::-1])
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_hash(image) != first

"""Folders of images: planning, skipping, failing and being killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from job_kit import fake_segment, run, save
from places import KITS

from napari_sam2_automask.batch import job_task
from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.candidates.candidates import BEYOND_MEMORY
from napari_sam2_automask.cli import segment_report
from napari_sam2_automask.errors import ModelError, OutputError, SettingsError
from napari_sam2_automask.files.formats import read_cellpose, read_rois
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.results import ResultPaths, write_files, write_results
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.models.catalogue.identity import sha256_of_model
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.settings.presets import PRESETS
from napari_sam2_automask.stack.carrying import Propagation


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(job_task, "segment_loaded", fake_segment)
    return monkeypatch


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_gives_its_images_in_order_without_hidden_files_results_and_subfolders(tmp_path):
    for name in ("b.tif", "a.PNG", "c.jpeg", "d.txt", ".hidden.tif", "a.labels.tif", "sub/e.tif"):
        save(tmp_path / name)
    images, useless = find_images([tmp_path])
    assert [path.name for path in images] == ["a.PNG", "b.tif", "c.jpeg"]
    assert not useless


def test_masks_that_did_not_fit_into_memory_are_told_of(tmp_path, fake):
    def segment(image, *args, **more):
        done = fake_segment(image, *args, **more)
        return replace(done, record={**done.record, "removed": {BEYOND_MEMORY: 1200}})

    fake.setattr(job_task, "segment_loaded", segment)
    (result,) = run([save(tmp_path / "a.tif", 3)], tmp_path / "out")
    assert result.status == "done" and "1,200 masks did not fit into candidate_memory" in result.message
    assert result.message in segment_report._line(result)


def test_other_formats_come_with_the_results_or_not_at_all(tmp_path, fake):
    images = [save(tmp_path / "a.tif", 3)]
    out = tmp_path / "out"
    forms = ("imagej", "geojson", "coco-polygons", "yolo", "cellpose")
    (result,) = run(images, out, also=forms)
    assert result.status == "done", result.message
    further = {"a.rois.zip", "a.geojson", "a.polygons.coco.json", "a.yolo.txt", "a_seg.npy"}
    assert further < set(names(out))
    labels = tifffile.imread(out / "a.labels.tif")
    np.testing.assert_array_equal(read_cellpose(out / "a_seg.npy").labels(), labels)
    assert len(read_rois(out / "a.rois.zip", labels.shape).objects) == result.objects
    assert find_images([out])[0] == []  # none of them is taken for an image
    # What is missing is made, and what is there is not done again.
    assert run(images, out, also=forms)[0].status == "skipped"
    (out / "a.geojson").unlink()
    assert run(images, out, also=forms)[0].status == "done" and (out / "a.geojson").exists()


def test_a_format_that_cannot_hold_the_result_is_said_and_nothing_is_written(tmp_path, fake):
    def segment(image, *args, **more):
        done = fake_segment(image, *args, **more)
        masks = done.masks
        holed = [array.copy() for array in masks.arrays]
        holed[0][1, 1] = False
        return replace(done, masks=replace(masks, arrays=tuple(holed)))

    fake.setattr(job_task, "segment_loaded", segment)
    (result,) = run([save(tmp_path / "a.tif", 3)], tmp_path / "out", also=("geojson", "yolo"))
    assert result.status == "failed"
    assert "YOLO text cannot hold holes" in result.message and "a.tif" in result.message
    assert names(tmp_path / "out") == []


def test_unknown_formats_and_stacks_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="no format named 'png'"):
        Wanted(also=("png",))
    with pytest.raises(SettingsError, match="holds no stack"):
        Wanted(also=("yolo",), propagate=Propagation())


def test_an_image_given_twice_is_done_once(tmp_path):
    path = save(tmp_path / "a.tif")
    images, _ = find_images([path, tmp_path, tmp_path / "." / "a.tif"])
    assert images == [path]


def test_useless_inputs_are_named(tmp_path):
    images, useless = find_images([tmp_path, tmp_path / "nowhere.tif"])
    assert images == []
    assert "no TIFF, PNG, JPEG, BMP" in useless[tmp_path]
    assert "nowhere.tif" in useless[tmp_path / "nowhere.tif"]


def test_same_names_do_not_overwrite_each_other(tmp_path):
    given = ["x/a.tif", "x/a.png", "y/a.tif", "y/A.TIF", "x/b.tif", "x/a_tif.png", "z/x/a.tif"]
    paths = [save(tmp_path / name) for name in given]
    stacks = plan(paths, tmp_path / "out").stacks
    stems = [stack.planes[0].paths.labels.name.removesuffix(".labels.tif") for stack in stacks]
    assert len({stem.casefold() for stem in stems}) == len(stems)
    assert stems[4] == "b"


def test_the_plane_is_part_of_the_name(tmp_path):
    ((job,),) = (one.planes for one in plan([tmp_path / "a.tif"], tmp_path, Wanted(Pick(3))).stacks)
    assert job.paths.labels.name == "a_plane3.labels.tif"


def test_results_of_an_image(tmp_path, fake):
    out = tmp_path / "deep" / "out"
    (result,) = run([save(tmp_path / "a.tif", 5)], out)
    assert (result.status, result.objects, result.message) == ("done", 1, "")
    assert names(out) == ["a.coco.json", "a.labels.tif", "a.record.json", "a.table.csv"]
    labels = tifffile.imread(out / "a.labels.tif")
    assert labels.dtype == np.uint16 and (labels == 1).sum() == 15
    (row,) = csv.DictReader((out / "a.table.csv").read_text().splitlines())
    assert row["index"] == "1" and row["area"] == "15" and row["mean_intensity"] == "5.0"
    record = json.loads((out / "a.record.json").read_text())
    assert record["image"]["name"] == "a.tif" and record["objects"] == 1
    coco = json.loads((out / "a.coco.json").read_text())
    assert coco["images"][0]["file_name"] == "a.tif" and len(coco["annotations"]) == 1


def test_images_that_are_called_like_levels_and_cells_stay(tmp_path, fake):
    """Only what a run has written goes with it, and nothing takes the place of another's image."""

    def with_cells(image, *args, **more):
        done = fake_segment(image, *args, **more)
        return replace(done, cells=done.labels)

    image = save(tmp_path / "a.tif", 3)
    others = [save(tmp_path / f"a.{name}.tif", 9) for name in ("levels", "cells")]
    before = [path.read_bytes() for path in others]
    assert run([image], tmp_path)[0].status == "done"
    fake.setattr(job_task, "segment_loaded", with_cells)
    (result,) = run([image], tmp_path, overwrite=True)
    assert result.status == "failed" and "a.cells.tif is no result of this package" in result.message
    assert [path.read_bytes() for path in others] == before
    # Elsewhere cells come with the results, again where they are there, and go when there are none any more.
    out = tmp_path / "out"
    assert [run([image], out, overwrite=True)[0].status for _ in range(2)] == ["done", "done"]
    assert (out / "a.cells.tif").exists()
    fake.setattr(job_task, "segment_loaded", fake_segment)
    assert run([image], out, overwrite=True)[0].status == "done" and not (out / "a.cells.tif").exists()


@pytest.mark.parametrize("name", ["a_seg.npy", "a.coco.json", "a.table.csv", "a.record.json", "a.geojson"])
def test_annotations_beside_an_image_stay(tmp_path, fake, name):
    """Other programs call their files so too, and there are no labels that would tell of a run."""
    image, other = save(tmp_path / "a.tif", 3), tmp_path / name
    other.write_bytes(b'{"hours": "of work"}')
    (result,) = run([image], tmp_path, also=("cellpose", "geojson"))
    assert result.status == "failed" and f"{other} is no result of this package: move it" in result.message
    assert other.read_bytes() == b'{"hours": "of work"}'
    assert names(tmp_path) == sorted(["a.tif", name])
    # Those of a run are done again when its labels are gone.
    out = tmp_path / "out"
    assert run([image], out, also=("cellpose", "geojson"))[0].status == "done"
    (out / "a.labels.tif").unlink()
    assert run([image], out, also=("cellpose", "geojson"))[0].status == "done"
    assert run([image], tmp_path, also=("cellpose", "geojson"), overwrite=True)[0].status == "done"


def test_results_of_two_images_never_have_one_name(tmp_path):
    two = tmp_path / "a.tif"
    with tifffile.TiffWriter(two) as tiff:
        for side in (12, 14):
            tiff.write(np.ones((side, 16), np.uint8), metadata=None)
    one = save(tmp_path / "A_series0.tif")
    found = plan([two, one], tmp_path / "out", Wanted(series="all"))
    assert [stack.source for stack in found.stacks] == [two, two]
    assert (
        f"the results of {one} would have the names of those of {two}: do it by itself" in found.useless[one]
    )
    files = [str(file).casefold() for stack in found.stacks for file in stack.files]
    assert len(set(files)) == len(files)


def test_no_object_says_what_was_removed(tmp_path, fake):
    (result,) = run([save(tmp_path / "a.tif", 0)], tmp_path / "out")
    assert result.status == "done" and result.objects == 0
    assert result.removed == "removed: 4 by stability"


def test_existing_results_are_skipped_without_loading_the_model(tmp_path, fake):
    path, out = save(tmp_path / "a.tif", 5), tmp_path / "out"
    run([path], out)
    before = {name: (out / name).read_bytes() for name in names(out)}
    (result,) = run([path], out, load=lambda: pytest.fail("the model was loaded"))
    assert (result.status, result.objects) == ("skipped", 1)
    assert before == {name: (out / name).read_bytes() for name in names(out)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": PRESETS["fine"]}, "of other settings (pred_iou_thresh was 0.75, is 0.7, "),
        ({"contrast_limits": (0.0, 9.0)}, "of other contrast limits"),
        ({"floor": (0.1, 0.1)}, "of another floor"),
    ],
)
def test_results_of_other_wishes_are_not_passed_off_as_those_asked_for(tmp_path, fake, change, words):
    path = save(tmp_path / "in" / "a.tif", 3)
    run([path], tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    (result,) = run([path], tmp_path / "out", **change)
    assert result.status == "failed" and words in result.message and "--overwrite" in result.message
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_results_of_another_model_are_told_by_its_weights(tmp_path, fake, monkeypatch):
    path = save(tmp_path / "in" / "a.tif", 3)
    run([path], tmp_path / "out")
    record = tmp_path / "out" / "a.record.json"
    known = json.loads(record.read_text())
    for sha256, status in ((sha256_of_model("bundled"), "skipped"), ("0" * 64, "failed")):
        record.write_text(json.dumps(known | {"model": {"name": "bundled", "sha256": sha256}}))
        (result,) = run([path], tmp_path / "out")
        assert result.status == status
    assert "of another model" in result.message


def test_results_of_an_earlier_version_count_as_done(tmp_path, fake):
    """Their records have another format version, and say of every plane how it was picked."""
    path = save(tmp_path / "in" / "a.tif", 3)
    run([path], tmp_path / "out", plane=0)
    record = tmp_path / "out" / "a_plane0.record.json"
    known = json.loads(record.read_text())
    assert "pick" not in known
    record.write_text(json.dumps(known | {"format_version": 1, "pick": Pick(0).to_json()}))
    (result,) = run([path], tmp_path / "out", plane=0)
    assert result.status == "skipped"


def test_overwrite_does_them_again(tmp_path, fake):
    path, out = save(tmp_path / "a.tif", 5), tmp_path / "out"
    run([path], out)
    save(path, 7)
    (result,) = run([path], out, overwrite=True)
    assert result.status == "done"
    assert (tifffile.imread(out / "a.labels.tif") == 1).sum() == 21
    assert names(out) == ["a.coco.json", "a.labels.tif", "a.record.json", "a.table.csv"]


@pytest.mark.parametrize("damage", ["changed image", "other image", "no record", "broken record"])
def test_results_of_something_else_are_neither_skipped_nor_overwritten(tmp_path, fake, damage):
    path, out = save(tmp_path / "a.tif", 5), tmp_path / "out"
    run([path], out)
    if damage == "changed image":
        save(path, 6)
    elif damage == "other image":
        path = save(tmp_path / "other" / "a.tif", 8)
    elif damage == "no record":
        (out / "a.record.json").unlink()
    else:
        (out / "a.record.json").write_text('{"file": 3')
    labels = (out / "a.labels.tif").read_bytes()
    (result,) = run([path], out)
    assert result.status == "failed"
    assert "--overwrite" in result.message
    assert (out / "a.labels.tif").read_bytes() == labels


def test_a_bad_file_does_not_stop_the_rest(tmp_path, fake):
    save(tmp_path / "a.tif", 5)
    (tmp_path / "b.tif").write_bytes(b"II*\0nonsense")
    (tmp_path / "c.png").write_text("hello")
    tifffile.imwrite(tmp_path / "d.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    save(tmp_path / "e.tif", 6)
    results = run([tmp_path], tmp_path / "out")
    assert [r.status for r in results] == ["done", "failed", "failed", "failed", "done"]
    for result in results[1:4]:
        assert result.source.name in result.message and "\n" not in result.message


def test_an_unforeseen_error_does_not_stop_the_rest(tmp_path, fake):
    def segment(image, *args, **kwargs):
        if image.array.flat[0] == 9:
            raise RuntimeError("CUDA error: an illegal\nmemory access")
        return fake_segment(image, *args, **kwargs)

    fake.setattr(job_task, "segment_loaded", segment)
    for name, value in {"a.tif": 9, "b.tif": 5}.items():
        save(tmp_path / name, value)
    failed, done = run([tmp_path], tmp_path / "out")
    assert (failed.status, done.status) == ("failed", "done")
    assert "RuntimeError: CUDA error: an illegal" in failed.message and "\n" not in failed.message


def test_a_name_inside_a_zarr_that_is_no_text_costs_nothing(tmp_path, fake):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=np.full((12, 16), 3, np.uint8))
    before = file_hash(path)
    (path / "\udcff").write_bytes(b"")
    assert file_hash(path) != before
    assert [one.status for one in run([path, save(tmp_path / "b.tif", 3)], tmp_path / "out")] == [
        "done",
        "done",
    ]


def test_an_error_that_nobody_foresaw_before_an_image_is_read_does_not_stop_the_rest(tmp_path, fake):
    def refuse(path):
        if path.name == "a.tif":
            raise UnicodeError("what is this")
        return file_hash(path)

    fake.setattr(job_task, "file_hash", refuse)
    first, second = run([save(tmp_path / "a.tif", 3), save(tmp_path / "b.tif", 3)], tmp_path / "out")
    assert second.status == "done" and first.status == "failed"
    assert "not foreseen (UnicodeError: what is this): please report it" in first.message


def test_cancelling_leaves_what_is_complete(tmp_path, fake):
    def segment(image, *args, **kwargs):
        if image.array.flat[0] == 9:
            raise Cancelled
        return fake_segment(image, *args, **kwargs)

    fake.setattr(job_task, "segment_loaded", segment)
    for name, value in {"a.tif": 5, "b.tif": 9}.items():
        save(tmp_path / name, value)
    with pytest.raises(Cancelled):
        run([tmp_path], tmp_path / "out")
    assert names(tmp_path / "out") == ["a.coco.json", "a.labels.tif", "a.record.json", "a.table.csv"]


def test_a_missing_model_stops_the_run(tmp_path, fake):
    def load():
        raise ModelError("no such model: choose another")

    with pytest.raises(ModelError):
        run([save(tmp_path / "a.tif")], tmp_path / "out", load=load)


def test_an_unwritable_folder_is_found_before_the_model_is_loaded(tmp_path, fake):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        run([save(tmp_path / "a.tif")], tmp_path / "out", load=lambda: pytest.fail("the model was loaded"))


def test_names_that_results_cannot_have_do_not_stop_the_rest(tmp_path, fake):
    """Too long, held by a folder, or by a table that is open elsewhere: that is one image's trouble."""
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("a" * 245, "b", "c", "d" * 243):
        save(source / f"{name}.tif", 5)
    run([source / "c.tif"], out)
    before = {name: (out / name).read_bytes() for name in names(out)}
    (out / "b.table.csv").mkdir()
    real_replace = os.replace

    def replace(old, new):
        if Path(old).name == "c.table.csv":
            raise PermissionError(13, "Permission denied")
        real_replace(old, new)

    fake.setattr(os, "replace", replace)
    results = run([source], out, overwrite=True)
    assert [result.status for result in results] == ["failed", "failed", "failed", "done"]
    for result, words in zip(
        results, ("too long", "folder has that name", "Permission denied"), strict=False
    ):
        assert words in result.message and "name" in result.message and "\n" not in result.message
    assert before == {name: (out / name).read_bytes() for name in names(out) if name.startswith("c.")}
    assert {name[0] for name in names(out)} == {"b", "c", "d"}


def result_and_paths(tmp_path, value=5):
    image = read_image(save(tmp_path / "in" / "a.tif", value))
    done = fake_segment(image, None, None, name="a.tif")
    return done, ResultPaths.of(tmp_path, "a")


ORDER = ["a.table.csv", "a.coco.json", "a.record.json", "a.labels.tif"]


@pytest.mark.parametrize("failing", ORDER)
def test_a_full_disk_costs_nothing_that_was_there(tmp_path, monkeypatch, failing):
    done, paths = result_and_paths(tmp_path)
    write_results(done, paths, "a.tif")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("a.*")}
    assert len(before) == 4
    real_open, room = Path.open, iter(range(ORDER.index(failing)))

    def full(path, mode="r", *args, **kwargs):
        if path.suffix == ".tmp" and "x" in mode and next(room, None) is None:
            raise OSError(28, "No space left on device")
        return real_open(path, mode, *args, **kwargs)

    changed, _ = result_and_paths(tmp_path / "new", 7)
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match=rf"no space left for .*{failing}; .*free some space"):
        write_results(changed, paths, "a.tif")
    monkeypatch.undo()
    assert before == {path.name: path.read_bytes() for path in tmp_path.glob("a.*")}
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_in_the_middle_of_a_file(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")

    def write(file):
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(OutputError, match="no space left"):
        write_files({tmp_path / "a": lambda file: file.write(b"a") and None, tmp_path / "b": write})
    assert names(tmp_path) == []


def test_the_mark_of_completeness_is_never_beside_incomplete_files(tmp_path, monkeypatch):
    """Whichever step the process dies at, labels stand beside files of the same run."""
    old, paths = result_and_paths(tmp_path, 5)
    write_results(old, paths, "a.tif")
    new, _ = result_and_paths(tmp_path / "new", 7)
    real_replace, real_unlink = os.replace, Path.unlink

    class Killed(BaseException):
        pass

    killed, survive, without_mark = True, -1, 0
    while killed:
        survive += 1
        write_results(old, paths, "a.tif")
        steps = iter(range(survive))

        def step(steps=steps):
            if next(steps, None) is None:
                raise Killed

        def replace(*args, step=step):
            step()
            real_replace(*args)

        def unlink(path, missing_ok=False, step=step):
            step()
            real_unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(Path, "unlink", unlink)
        try:
            write_results(new, paths, "a.tif")
            killed = False
        except Killed:
            killed = True
        monkeypatch.undo()
        without_mark += not paths.labels.exists()
        if paths.labels.exists():
            area = int((tifffile.imread(paths.labels) > 0).sum())
            assert next(csv.DictReader(paths.table.read_text().splitlines()))["area"] == str(area)
            assert json.loads(paths.coco.read_text())["annotations"][0]["area"] == area
    # Four old files are moved aside, the mark first, and four new ones moved in, the mark last.
    assert without_mark == 7 and survive > 8


KILLED_RUN = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from job_kit import fake_segment, run
from napari_sam2_automask.batch import job_task
job_task.segment_loaded = fake_segment
print("ready", flush=True)
run([Path({source!r})], Path({out!r}))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_any_time_leaves_no_broken_file_and_goes_on(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    for k in range(60):
        save(source / f"{k:03}.tif", k % 12)
    code = KILLED_RUN.format(paths=[str(KITS)], source=str(source), out=str(out))
    done = 0
    for k in range(4):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        deadline = time.monotonic() + 60
        while len(list(out.glob("*.labels.tif"))) < done + 3 + k and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        complete = [path.name.removesuffix(".labels.tif") for path in out.glob("*.labels.tif")]
        assert len(complete) > done
        done = len(complete)
        for stem in complete:
            labels = tifffile.imread(out / f"{stem}.labels.tif")
            assert int((labels > 0).sum()) == 3 * (int(stem) % 12)
            assert json.loads((out / f"{stem}.record.json").read_text())["image"]["name"] == f"{stem}.tif"
            assert json.loads((out / f"{stem}.coco.json").read_text())["images"]
            assert (out / f"{stem}.table.csv").read_text().startswith("index,")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
    assert len(list(out.glob("*.labels.tif"))) == 60


def save_zarr(path, shape=(12, 16), names="yx"):
    """Write an OME-Zarr image of threes."""
    group = zarr.create_group(str(path))
    group.create_array("0", shape=shape, chunks=shape, dtype="u1")[...] = 3
    axes = [{"name": name, "type": "space"} for name in names]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(names)}]}]
    group.attrs.put({"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}})
    return path


def test_labels_go_into_their_ome_zarr_and_over_none_unless_told(tmp_path, fake):
    image, out = save_zarr(tmp_path / "a.zarr"), tmp_path / "out"
    before = file_hash(image)
    (result,) = run([image], out, also=("ome-zarr-labels", "geojson"))
    assert result.status == "done", result.message
    inside = image / "labels" / "sam2_automask"
    np.testing.assert_array_equal(open_file(inside)[0][:], tifffile.imread(out / "a.labels.tif"))
    assert "a.geojson" in names(out) and file_hash(image) == before
    assert run([image], out, also=("ome-zarr-labels",))[0].status == "skipped"
    (result,) = run([image], tmp_path / "other", also=("ome-zarr-labels",))
    assert result.status == "failed" and "is there already" in result.message
    assert not (tmp_path / "other").exists()
    (result,) = run([image], tmp_path / "other", also=("ome-zarr-labels",), overwrite=True)
    assert result.status == "done" and not list((image / "labels").glob(".*"))


def test_labels_leave_their_ome_zarr_when_the_results_cannot_be_written(tmp_path, fake):
    def fail(*_, **__):
        raise OutputError("no space left")

    image = save_zarr(tmp_path / "a.zarr")
    fake.setattr(job_task, "write_results", fail)
    with pytest.raises(OutputError):
        run([image], tmp_path / "out", also=("ome-zarr-labels",))
    assert not (image / "labels").exists()


@pytest.mark.parametrize(
    ("save_image", "words"),
    [
        (lambda folder: save(folder / "a.tif", 3), "is no OME-Zarr"),
        (lambda folder: save_zarr(folder / "a.zarr", (2, 12, 16), "zyx"), "of stacks linked ones"),
    ],
)
def test_what_cannot_take_labels_is_said_before_any_work(tmp_path, fake, save_image, words):
    image = save_image(tmp_path)
    (result,) = run([image], tmp_path / "out", plane=0, also=("ome-zarr-labels",))
    assert result.status == "failed" and words in result.message
    assert not (tmp_path / "out").exists()

"""Candidates survive a file; what is not such a file, or a damaged one, is refused by name."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
from candidate_factory import make_candidates, random_candidates

from napari_sam2_automask import AmgSettings, select
from napari_sam2_automask.candidates import file
from napari_sam2_automask.candidates.file import load_candidates, save_candidates
from napari_sam2_automask.errors import CandidatesError, OutputError


@pytest.fixture
def saved(tmp_path):
    candidates = random_candidates((90, 120), 25, seed=3)
    return candidates, save_candidates(candidates, tmp_path / "a.candidates.npz")


def rewritten(path, change):
    """Write the file again with some of its entries changed, its checksum left as it is."""
    with np.load(path) as data:
        entries = {name: data[name] for name in data.files}
    change(entries)
    np.savez(path, **entries)
    return path


def with_header(**changes):
    def change(entries):
        header = json.loads(entries["header"].tobytes()) | changes
        entries["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return change


def test_what_is_read_is_what_was_saved(saved):
    candidates, path = saved
    read = load_candidates(path)
    for item in dataclasses.fields(candidates):
        if item.name == "windows":
            continue
        before, after = getattr(candidates, item.name), getattr(read, item.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)
        else:
            assert before == after
    settings = candidates.settings.replace(stability_score_thresh=0.7)
    for a, b in zip(select(candidates, settings).arrays, select(read, settings).arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    assert read.mask(0, threshold=1.0)[2].sum() < read.area[0]


def test_files_of_the_first_version_are_read_and_written_as_such(tmp_path):
    candidates = random_candidates((90, 120), 25, seed=3, half=False)
    path = save_candidates(candidates, tmp_path / "old.candidates.npz")
    with np.load(path) as data:
        assert json.loads(data["header"].tobytes())["version"] == 1
        assert "repairs" not in data.files
    read = load_candidates(path)
    assert read.windows.values.dtype == np.float32
    new = random_candidates((90, 120), 25, seed=3)
    assert new.nbytes < 0.7 * read.nbytes
    for k in range(len(read)):
        np.testing.assert_array_equal(read.mask(k)[2], new.mask(k)[2])


def test_repairs_of_candidates_that_are_not_there_are_refused(saved):
    _, path = saved
    with np.load(path) as data:
        entries = {name: data[name] for name in data.files}
    entries["repairs"] = np.array([[99, 0, 0]], np.int32)
    header = json.loads(entries.pop("header").tobytes())
    header["sha256"] = file._digest(entries, header)
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **entries)
    with pytest.raises(CandidatesError, match="do not fit: repairs"):
        load_candidates(path)


def test_no_candidates_and_point_grids_survive(tmp_path):
    settings = AmgSettings(points_per_side=None, point_grids=(((0.25, 0.5),),))
    empty = make_candidates((8, 9), [], settings=settings)
    read = load_candidates(save_candidates(empty, tmp_path / "none.npz"))
    assert len(read) == 0
    assert read.settings == settings
    assert len(select(read, settings)) == 0


def test_a_file_cut_short_is_refused(saved):
    _, path = saved
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(CandidatesError, match=path.name):
            load_candidates(path)


def test_other_files_are_refused(tmp_path):
    array, archive, pickled = tmp_path / "a.npy", tmp_path / "b.npz", tmp_path / "c.npz"
    np.save(array, np.arange(3))
    np.savez(archive, header=np.arange(3, dtype=np.uint8))
    np.savez(pickled, header=np.array([{}], object))
    text = tmp_path / "d.npz"
    text.write_text("hello")
    empty_zip = tmp_path / "e.npz"
    with zipfile.ZipFile(empty_zip, "w"):
        pass
    for path in (array, archive, pickled, text, empty_zip):
        with pytest.raises(CandidatesError, match=f"{path.name} is not a file of candidates"):
            load_candidates(path)
    with pytest.raises(CandidatesError, match=r"no file missing\.npz"):
        load_candidates(tmp_path / "missing.npz")


def test_a_newer_version_is_named(saved):
    _, path = saved
    rewritten(path, with_header(version=4))
    with pytest.raises(CandidatesError, match=r"version 4.*update"):
        load_candidates(path)


@pytest.mark.parametrize("name", ["values", "boxes", "crop_index"])
def test_changed_content_is_noticed(saved, name):
    _, path = saved

    def change(entries):
        entries[name] = entries[name] + 1

    rewritten(path, change)
    with pytest.raises(CandidatesError, match="damaged"):
        load_candidates(path)


def test_changed_settings_are_noticed(saved):
    candidates, path = saved
    settings = candidates.settings.replace(pred_iou_thresh=0.9).to_json()
    rewritten(path, with_header(settings=settings))
    with pytest.raises(CandidatesError, match="damaged"):
        load_candidates(path)


def test_a_folder_that_is_not_there_is_told_and_leaves_nothing(saved, tmp_path):
    candidates, path = saved
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"cannot write x\.npz"):
        save_candidates(candidates, tmp_path / "no" / "x.npz")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_same_candidates_give_a_file_that_loads_from_memory_alike(saved):
    _, path = saved
    with np.load(io.BytesIO(path.read_bytes())) as data:
        header = json.loads(data["header"].tobytes())
    assert header["format"] == "sam2-automask-candidates"
    assert len(header["sha256"]) == 64

"""Propagation that is stopped goes on where it was, with the same result."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import tifffile
import torch
from video_network import video_model

from napari_sam2_automask import pipeline
from napari_sam2_automask.batch import resume_point
from napari_sam2_automask.batch.job_task import JobTask
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.batch.resume_point import Unfinished
from napari_sam2_automask.batch.running import run
from napari_sam2_automask.errors import UnfinishedError
from napari_sam2_automask.progress import Cancelled, no_progress
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.stack import carrying
from napari_sam2_automask.stack.carrying import Propagation

SETTINGS = AmgSettings(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
# Objects are found on planes 1, 3 and 5; those of 3 and 5 are carried back as well.
HOW = Propagation(start=1, new_every=2)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Keep how far a run is after every plane."""
    monkeypatch.setattr(resume_point, "_EVERY", 0.0)
    monkeypatch.setattr(resume_point, "_SHARE", 1e9)


@pytest.fixture
def body(tmp_path):
    planes = np.random.default_rng(0).integers(0, 255, (6, 48, 64)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "body.tif", planes, imagej=True, metadata={"axes": "ZYX"})
    return tmp_path / "body.tif"


def carry(body, out, progress=no_progress, *, settings=SETTINGS, overwrite=False, load=video_model):
    planned = plan([body], out, Wanted(link=Along.z, propagate=HOW))
    task = JobTask(settings, load=load, progress=progress, overwrite=overwrite)
    return next(iter(run(planned.stacks, task)))


def stopper(later):
    """Stop after the first plane that is passed, some calls later."""
    seen, calls = [], []

    def progress(p):
        if p.stage == "propagating":
            seen.append(p.done)
            calls.append(p.done > seen[0])
            if sum(calls) > later:
                raise Cancelled

    return progress


def stopped(body, out, **more):
    with pytest.raises(Cancelled):
        carry(body, out, stopper(0), **more)


@pytest.mark.parametrize("later", [0, 1, 3])
def test_stopped_after_every_plane_it_ends_in_the_same_files(body, tmp_path, monkeypatch, later):
    asked = []
    propose_view = pipeline.propose_view

    def counted(*arguments, **named):
        asked.append(arguments)
        return propose_view(*arguments, **named)

    monkeypatch.setattr(pipeline, "propose_view", counted)
    # Whatever has a free pixel is new: random masks cover each other, and new ones are to be carried back.
    monkeypatch.setattr(carrying, "_COVERED", 1.0)
    told = []
    assert carry(body, tmp_path / "whole", told.append).status == "done"
    planes, found = told[-1].done, len(asked)
    assert planes > 6 and found == 3
    stops, result = 0, None
    while result is None:
        try:
            result = carry(body, tmp_path / "parts", stopper(later))
        except Cancelled:
            assert [path.name for path in (tmp_path / "parts").iterdir()] == ["body_linked.unfinished"]
            stops += 1
    # A plane in each; where the stop comes later, sometimes more.
    assert result.status == "done" and (stops == planes - 1 if later == 0 else stops >= planes // 4)
    if later == 0:
        assert len(asked) == 2 * found
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "parts").iterdir())
    for name in names:
        if not name.endswith(".json"):
            assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_state_of_another_run_is_refused_and_kept(body, tmp_path):
    out = tmp_path / "out"
    stopped(body, out)
    kept = (out / "body_linked.unfinished").read_bytes()
    others = [
        {"settings": AmgSettings(points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0)},
        {"load": lambda: video_model(seed=1)},
    ]
    for other in others:
        result = carry(body, out, **other)
        assert result.status == "failed" and "another run that was stopped" in result.message
        assert (out / "body_linked.unfinished").read_bytes() == kept
    assert carry(body, out, **others[0], overwrite=True).status == "done"
    assert not (out / "body_linked.unfinished").exists()


def test_overwriting_goes_on_as_well(body, tmp_path):
    told = []
    stopped(body, tmp_path / "out", overwrite=True)
    stopped(body, tmp_path / "out", overwrite=True)
    assert carry(body, tmp_path / "out", told.append, overwrite=True).status == "done"
    assert next(p.done for p in told if p.stage == "propagating") == 3


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_state_is_refused(body, tmp_path, damage):
    path = tmp_path / "out" / "body_linked.unfinished"
    stopped(body, tmp_path / "out")
    path.write_bytes(path.read_bytes()[:-1000] if damage is None else damage)
    result = carry(body, tmp_path / "out")
    assert result.status == "failed" and "cannot be read: use --overwrite" in result.message
    assert carry(body, tmp_path / "out", overwrite=True).status == "done"


def test_what_a_killed_writer_left_goes(tmp_path):
    left, written = tmp_path / ".0123abcd.tmp", tmp_path / ".0123abce.tmp"
    for path in (left, written):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 3700,) * 2)  # another may be writing now
    assert Unfinished(tmp_path / "some.unfinished", {}).found() is None
    assert not left.exists() and written.exists()


def test_it_is_written_from_time_to_time(tmp_path, monkeypatch):
    monkeypatch.setattr(resume_point, "_EVERY", 1000.0)
    keeper = Unfinished(tmp_path / "state", {"run": 1})
    keeper.keep(lambda: pytest.fail("too early"))
    monkeypatch.setattr(keeper, "_next", 0.0)
    labels = np.array([[0, 7]], np.uint32)
    keeper.keep(lambda: {"labels": labels, "counts": (1, 2, 3)})
    keeper.keep(lambda: pytest.fail("too early again"))
    found = Unfinished(tmp_path / "state", {"run": 1}).found()
    np.testing.assert_array_equal(found["labels"], labels)
    assert found["labels"].dtype == np.uint32 and found["counts"] == (1, 2, 3)
    with pytest.raises(UnfinishedError, match="another run"):
        Unfinished(tmp_path / "state", {"run": 2}).found()

"""Stacks from the command line whose objects are carried from plane to plane."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from typer.testing import CliRunner
from video_network import video_model

from napari_sam2_automask.batch.job_task import JobTask
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.batch.running import run
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.replay.replaying import replay
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.stack.carrying import Propagation
from napari_sam2_automask.workers.executor import Serial

SHAPE = (48, 64)
ANYTHING = ["--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """Give every command a small network with a memory, in place of the model it asks for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = video_model()
    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: made)
    yield made
    torch.set_num_threads(threads)


@pytest.fixture
def body(tmp_path):
    planes = np.random.default_rng(0).integers(0, 255, (4, *SHAPE)).astype(np.uint8)
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "body.tif", planes, imagej=True, resolution=(4, 2), metadata=metadata)
    return tmp_path / "body.tif"


def invoke(*arguments):
    return CliRunner().invoke(app, ["segment", *map(str, arguments), *ANYTHING])


def message(*arguments):
    done = invoke(*arguments)
    assert done.exit_code == 1
    if isinstance(done.exception, AutomaskError):
        return str(done.exception)
    return next(line for line in done.output.splitlines() if line.startswith("error: "))


def test_the_files_are_those_of_linking(body, tmp_path):
    out = tmp_path / "out"
    done = invoke(body, "--out", out, "--link", "z", "--propagate", "--start", 1, "--new-every", 2)
    assert done.exit_code == 0, done.output
    assert "1 done, 0 skipped, 0 failed" in done.output
    names = ["body_linked.labels.tif", "body_linked.objects.csv", "body_linked.record.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    labels, table = tifffile.imread(out / names[0]), pd.read_csv(out / names[1])
    assert labels.shape == (4, *SHAPE)
    assert sorted(set(np.unique(labels)) - {0}) == table["index"].tolist() and len(table) > 0
    np.testing.assert_allclose(table["volume_um3"], table["voxels"] * 2.0 * 0.5 * 0.25)
    record = json.loads((out / names[2]).read_text())
    assert record["propagate"] == {"start": 1, "new_every": 2, "give_up": 2, "planes": [0, 1, 2, 3]}
    assert record["objects"] == len(table) and record["file"]["path"] == str(body)
    assert record["model"]["name"] == "random" and record["link"]["along"] == "z"


def test_what_is_done_is_not_done_again_and_not_mixed_up(body, tmp_path):
    given = [body, "--out", tmp_path / "out", "--link", "z", "--propagate"]
    invoke(*given)
    assert "0 done, 1 skipped, 0 failed" in invoke(*given).output
    for other, words in (
        (["--start", "last"], "propagated otherwise"),
        (["--planes", ":3"], "propagated otherwise"),
        (["--contrast-limits", "0", "99"], "of other contrast limits"),
        (["--box-nms-thresh", "0.5"], "of other settings (box_nms_thresh was 0.7, is 0.5)"),
    ):
        assert f"is {words}: use --overwrite" in message(*given, *other)
    linked = message(body, "--out", tmp_path / "out", "--link", "z")
    assert "is of other planes" in linked
    assert "1 done" in invoke(*given, "--start", "last", "--overwrite").output


@pytest.mark.parametrize(
    ("axes", "link", "options"),
    [
        ("ZYX", "z", ["--start", "1", "--new-every", "2"]),
        ("TYX", "time", ["--planes", "1:", "--contrast-limits", "20", "220"]),
    ],
)
def test_a_record_of_propagated_objects_is_replayed_byte_for_byte(body, tmp_path, axes, link, options):
    given = ["--axes", axes, "--link", link, "--propagate", *options]
    done = invoke(body, "--out", tmp_path / "out", *given)
    assert done.exit_code == 0, done.output
    record = tmp_path / "out" / "body_linked.record.json"
    again = replay(record, tmp_path / "again")
    assert again.same is True and again.objects > 0 and not again.differences
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        if not name.endswith(".json"):
            assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    first, second = (json.loads((tmp_path / f / record.name).read_text()) for f in ("out", "again"))
    assert {name for name in first if first[name] != second.get(name)} <= {"time", "preset"}
    record.write_text(json.dumps(first | {"propagate": {"start": 0}}))
    with pytest.raises(AutomaskError, match="damaged"):
        replay(record, tmp_path / "third")


def test_time_gives_tracks(body, tmp_path):
    done = invoke(body, "--out", tmp_path / "o", "--axes", "TYX", "--link", "time", "--propagate")
    assert done.exit_code == 0, done.output
    found = pd.read_csv(tmp_path / "o" / "body_linked.tracks.csv")
    table = pd.read_csv(tmp_path / "o" / "body_linked.objects.csv")
    assert len(found) == table["n_planes"].sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--propagate"], "--link z or --link time"),
        (["--link", "z", "--new-every", "3"], "give --propagate"),
        (["--link", "z", "--propagate", "--start", "top"], "first, middle, last"),
        (["--link", "z", "--propagate", "--start", "9"], "no plane 9"),
        (["--link", "z", "--propagate", "--new-every", "-1"], "must be 0 to"),
    ],
)
def test_what_does_not_fit_is_said(body, tmp_path, options, words):
    assert words in message(body, "--out", tmp_path / "out", *options)
    assert not list((tmp_path).glob("out/*"))


def test_a_model_without_memory_is_refused(body, tmp_path, monkeypatch, model):
    model.network.memory_attention = None
    assert "sam2.1-tiny" in message(body, "--out", tmp_path / "out", "--link", "z", "--propagate")
    assert not list((tmp_path).glob("out/*"))


@dataclass(frozen=True)
class SmallTask(JobTask):
    def _load(self):
        return video_model()


def test_a_stack_is_one_task_for_a_worker(body, tmp_path):
    settings = AmgSettings(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    results = []
    for name in ("alone", "worker"):
        planned = plan([body], tmp_path / name, Wanted(link=Along.z, propagate=Propagation()))
        task = JobTask(settings, load=video_model) if name == "alone" else SmallTask(settings)
        results += run(planned.stacks, task, None if name == "alone" else Serial())
    assert [(r.status, r.plane, r.source) for r in results] == [("done", None, body)] * 2
    for kind in ("labels.tif", "objects.csv"):
        first, second = (tmp_path / name / f"body_linked.{kind}" for name in ("alone", "worker"))
        assert first.read_bytes() == second.read_bytes()

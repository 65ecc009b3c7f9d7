"""Learned models are found by their hash, wherever a run is gone on with, done elsewhere, or repeated."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from job_kit import save
from learned_models import put_model

from napari_sam2_automask._napari.run.engine_segmenter import EngineSegmenter
from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.batch.job_task import JobTask
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.batch.running import run as run_all
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.large import run as large_run
from napari_sam2_automask.large.spec import LargeSpec
from napari_sam2_automask.models import load_model, own_path
from napari_sam2_automask.models.catalogue.identity import by_hash
from napari_sam2_automask.progress import no_progress
from napari_sam2_automask.record.entries import Model as Entry
from napari_sam2_automask.replay.inputs import load_model_of
from napari_sam2_automask.settings.amg import AmgSettings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_name_becomes_a_hash_and_the_hash_the_model_whatever_it_is_called(home):
    path, model = put_model("mine")
    assert by_hash("mine") == by_hash("MINE") == model.sha256
    path.rename(own_path("renamed"))
    assert load_model(model.sha256, device="cpu").name == "renamed"
    for other in ("bundled", "tiny", "no such model", str(own_path("renamed"))):
        assert by_hash(other) == other
    with pytest.raises(ModelError, match=r"no learned model with the SHA-256 333333333333.*models add FILE"):
        load_model("3" * 64)


def test_workers_and_large_runs_are_told_the_hash(home, monkeypatch):
    path, model = put_model("mine")
    told = []

    def take(task, items, heavy):
        told.append(task.model)
        yield from ()

    executor = SimpleNamespace(run=take)
    images, _ = find_images([save(home / "a.tif")])
    stacks = plan(images, home / "out", Wanted()).stacks
    list(run_all(stacks, JobTask("balanced", "mine", "cpu"), executor))
    assert told == [model.sha256]
    list(run_all(stacks, JobTask("balanced", "tiny", "cpu"), executor))
    assert told[1] == "tiny"

    def segmented(source, output, segmenter, **more) -> None:
        told.append((segmenter.model, segmenter.description()["model"]))

    monkeypatch.setattr(large_run, "segment_large", segmented)
    spec = LargeSpec(str(home / "a.tif"), str(home / "out.zarr"), AmgSettings(), "mine", "cpu")
    spec.run()
    path.rename(own_path("renamed"))
    LargeSpec.from_json(spec.to_json() | {"model": model.sha256}).run()
    assert told[2] == told[3] == (
        model.sha256, {"name": "mine", "sha256": model.sha256, "config": "bundled"}
    )  # fmt: skip


def test_a_record_is_repeated_with_the_model_of_its_hash(home):
    path, model = put_model("mine", 0.5)
    record = SimpleNamespace(model=Entry.model_validate(model.description() | {"name": "mine"}), packages={})
    path.rename(own_path("renamed"))
    put_model("mine", 0.25)  # another one
    found = load_model_of(record, None, "cpu", no_progress)
    assert (found.name, found.sha256) == ("renamed", model.sha256)
    own_path("renamed").rename(home / "theirs.safetensors")
    with pytest.raises(ModelError, match=r"another model has that name here; .*models add FILE"):
        load_model_of(record, None, "cpu", no_progress)
    again = load_model_of(record, str(home / "theirs.safetensors"), "cpu", no_progress)
    assert again.sha256 == model.sha256


def test_the_viewer_takes_the_new_model_of_an_old_name():
    segmenter = EngineSegmenter()
    request = SimpleNamespace(model="mine", device="cpu")
    _, model = put_model("mine", 0.5)
    first = segmenter._load(request, no_progress)
    assert segmenter._load(request, no_progress) is first and first.sha256 == model.sha256
    _, other = put_model("mine", 0.25)
    assert segmenter._load(request, no_progress).sha256 == other.sha256

"""A record is enough to do a run again, byte for byte; what does not fit it is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import AutomaskError, ImageError, ModelError, SettingsError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.models import list_models, load_model
from napari_sam2_automask.pipeline import segment_loaded
from napari_sam2_automask.replay.replaying import replay
from napari_sam2_automask.settings.amg import AmgSettings

ANYTHING = ["--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.1"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Segment one plane of a stack with limits of its own; return the folder."""
    folder = tmp_path_factory.mktemp("replay")
    y, x = np.indices((64, 80))
    stack = [(4000 * np.exp(-((y - 30) ** 2 + (x - c) ** 2) / 90)).astype(np.uint16) for c in (20, 40, 60)]
    tifffile.imwrite(folder / "cells.tif", np.stack(stack), photometric="minisblack")
    done = invoke(
        "segment", folder / "cells.tif", "--out", folder / "out", "--plane", 1, "--device", "cpu",
        "--contrast-limits", 100, 3000, *ANYTHING,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder


def edited(run, tmp_path, **changes):
    record = json.loads((run / "out" / "cells_plane1.record.json").read_text())
    for name, value in changes.items():
        record[name] = {**record[name], **value} if isinstance(value, dict) else value
    path = tmp_path / "edited.record.json"
    path.write_text(json.dumps(record))
    return path


def test_labels_and_table_come_again_byte_for_byte(run, tmp_path):
    done = invoke("replay", run / "out" / "cells_plane1.record.json", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "the same labels" in done.output
    for kind in ("labels.tif", "table.csv"):
        before = (run / "out" / f"cells_plane1.{kind}").read_bytes()
        assert (tmp_path / f"cells_plane1.{kind}").read_bytes() == before
    assert tifffile.imread(tmp_path / "cells_plane1.labels.tif").any()
    old, new = (
        json.loads((folder / "cells_plane1.record.json").read_text()) for folder in (run / "out", tmp_path)
    )
    changed = {name for name in old if old[name] != new.get(name)}
    assert changed <= {"time", "preset"}


def test_the_image_may_have_moved(run, tmp_path):
    (tmp_path / "elsewhere.tif").write_bytes((run / "cells.tif").read_bytes())
    record = edited(run, tmp_path, file={"path": "/nowhere/cells.tif"})
    with pytest.raises(ImageError, match=r"cells\.tif is not where it was"):
        replay(record, tmp_path / "out")
    done = replay(record, tmp_path / "out", tmp_path / "elsewhere.tif")
    assert done.same is True and done.objects > 0


def test_a_plane_is_found_by_its_pixels(run, tmp_path):
    record = edited(run, tmp_path, plane=None, file={"sha256": None})
    assert replay(record, tmp_path / "out", run / "cells.tif").same is True


def test_another_image_is_refused(run, tmp_path):
    other = tmp_path / "cells.tif"
    tifffile.imwrite(other, np.ones((3, 64, 80), np.uint16), photometric="minisblack")
    record = run / "out" / "cells_plane1.record.json"
    with pytest.raises(ImageError, match="SHA-256"):
        replay(record, tmp_path / "out", other)
    with pytest.raises(ImageError, match="pixels"):
        replay(edited(run, tmp_path, file={"sha256": None}), tmp_path / "out", other)
    assert not (tmp_path / "out").exists()


def test_another_model_is_refused(run, tmp_path):
    record = edited(run, tmp_path, model={"sha256": "0" * 64})
    with pytest.raises(ModelError, match="SHA-256"):
        replay(record, tmp_path / "out")
    with pytest.raises(ModelError, match=r"give the same weights with --model$"):
        replay(record, tmp_path / "out", model="bundled")
    with pytest.raises(ModelError, match="--model"):
        replay(edited(run, tmp_path, model={"name": "mine.pt"}), tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_the_bundled_model_of_another_release_is_named_or_given(run, tmp_path):
    """Training goes on from release to release; a record still names the weights that it was made with."""
    [entry] = [entry for entry in list_models() if entry.is_bundled]
    weights = {name: value.clone() for name, value in load_file(entry.path).items()}
    weights["no_mem_embed"] += 1e-3
    save_file(weights, tmp_path / "older.safetensors", metadata={"format": "pt"})
    model = {"sha256": file_hash(tmp_path / "older.safetensors")}
    packages = {"napari-sam2-automask": "0.0.7"}
    record = edited(run, tmp_path, model=model, packages=packages, labels_sha256=None)
    with pytest.raises(ModelError, match=r"napari-sam2-automask 0\.0\.7.*--model FILE") as refused:
        replay(record, tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("out/*"))
    with pytest.raises(ModelError, match=r"that of an earlier napari-sam2-automask"):
        replay(edited(run, tmp_path, model=model, packages=None), tmp_path / "out")
    record = edited(run, tmp_path, model=model, packages=packages, labels_sha256=None)
    assert replay(record, tmp_path / "out", model=str(tmp_path / "older.safetensors")).objects > 0


def test_what_differs_is_said(run, tmp_path):
    record = edited(run, tmp_path, packages={"numpy": "1.0"}, labels_sha256="0" * 64)
    done = invoke("replay", record, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "numpy was 1.0" in done.output and "other labels" in done.output


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": "other"}', '{"points_per_side": 3}'])
def test_what_is_no_record_is_refused(tmp_path, content):
    path = tmp_path / "a.record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=str(path)):
        replay(path, tmp_path / "out")


def test_a_damaged_record_is_refused(run, tmp_path):
    for change in ({"floor": 3}, {"contrast_limits": [1]}, {"settings": {"points_per_side": "many"}}):
        with pytest.raises(AutomaskError, match=r"record|points_per_side"):
            replay(edited(run, tmp_path, **change), tmp_path / "out")


def test_a_selection_with_room_below_comes_again_with_its_numbers(run, tmp_path):
    """As the viewer makes them: proposed with a lower floor, thresholds raised afterwards."""
    proposal = AmgSettings(points_per_side=3, pred_iou_thresh=0.3, stability_score_thresh=0.3)
    settings = proposal.replace(pred_iou_thresh=0.5, mask_threshold=0.2)
    loaded = read_image(run / "cells.tif", 0)
    model = load_model("bundled", device="cpu")
    done = segment_loaded(loaded, settings, model, name="cells", proposal=proposal, floor=Floor(0.1, 0.1))
    path = tmp_path / "layer.json"
    path.write_text(json.dumps(done.record))
    again = replay(path, tmp_path / "out", run / "cells.tif")
    assert again.same is True
    np.testing.assert_array_equal(tifffile.imread(again.labels), done.labels)

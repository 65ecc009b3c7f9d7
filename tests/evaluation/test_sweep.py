"""A sweep asks the model only where it must, and shows every value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.evaluation.sweep_table import boundary_f, recall_by_size, step_rows
from napari_sam2_automask.evaluation.sweeping import Step, contact_sheet, settings_of_sweep, sweep

BASE = AmgSettings(points_per_side=4, pred_iou_thresh=0.5, stability_score_thresh=0.3)
IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


class FakeModel:
    family = "bundled"
    presets: ClassVar[dict] = {}


@pytest.fixture
def proposals(monkeypatch):
    """Replace the engine by one that finds as many objects as the grid has points on a side."""
    made = []

    def propose(view, settings, model, *, progress, floor, crops=None):
        made.append(settings)
        blobs = [
            Blob(30, 8 + 12 * k, 5, 5, 0.55 + 0.1 * k, 30) for k in range(min(5, settings.points_per_side))
        ]
        floor = Floor(min(floor.pred_iou, settings.pred_iou_thresh), 0.0)
        return make_candidates(view.shape[:2], blobs, settings=settings, floor=floor)

    monkeypatch.setattr("napari_sam2_automask.engine.propose", propose)
    return made


def test_what_the_candidates_answer_is_not_asked_again(proposals):
    steps = sweep(IMAGE, "pred_iou_thresh", [0.9, 0.7, 0.5], BASE, FakeModel())
    assert len(proposals) == 1
    assert [step.asked for step in steps] == [True, False, False]
    assert [step.objects for step in steps] == [0, 2, 4]
    assert [step.settings.pred_iou_thresh for step in steps] == [0.9, 0.7, 0.5]


def test_another_grid_asks_the_model(proposals):
    steps = sweep(IMAGE, "points_per_side", ["1", "3", "5"], BASE, FakeModel())
    assert [settings.points_per_side for settings in proposals] == [1, 3, 5]
    assert [step.objects for step in steps] == [1, 3, 5]
    assert steps[2].caption == "points_per_side = 5: 5 objects"


def test_labels_are_those_of_the_settings(proposals):
    (step,) = sweep(IMAGE, "overlap", ["best_score"], BASE, FakeModel())
    candidates = make_candidates((60, 80), [Blob(30, 8 + 12 * k, 5, 5, 0.55 + 0.1 * k, 30) for k in range(4)],
                                 settings=BASE)  # fmt: skip
    np.testing.assert_array_equal(step.labels, paint(select(candidates, step.settings)).labels)


def test_the_sheet_shows_every_panel(proposals):
    steps = sweep(IMAGE, "pred_iou_thresh", [0.5, 0.7, 0.99], BASE, FakeModel())
    page = np.asarray(contact_sheet(IMAGE, steps, title="A sweep", width=160))
    assert page.shape == (10 + 36 + 2 * (120 + 36), 10 + 2 * 170, 3)
    first, last = page[72:192, 10:170], page[228:348, 10:170]
    # The last value leaves nothing: that panel is the image itself, enlarged.
    from PIL import Image

    plain = np.asarray(Image.fromarray(IMAGE).resize((160, 120), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(last, plain)
    assert (first != plain).any(2).mean() > 0.02
    assert (page[228:348, 180:340] == 255).all(), "the place of a fourth panel stays empty"


@pytest.mark.parametrize(
    ("parameter", "values", "words"),
    [
        ("grid", [3], "'grid'"),
        ("points_per_side", [], "no value"),
        ("points_per_side", ["many"], "'many'"),
        ("use_m2m", ["maybe"], "'maybe'"),
        ("pred_iou_thresh", [0.5, 1.5], r"1\.5"),
    ],
)
def test_bad_values_are_named(parameter, values, words):
    with pytest.raises(SettingsError, match=words):
        settings_of_sweep(BASE, parameter, values)


def test_texts_are_read_in_the_parameters_type():
    assert [s.use_m2m for s in settings_of_sweep(BASE, "use_m2m", ["true", "False"])] == [True, False]
    assert settings_of_sweep(BASE, "overlap", ["large_on_top"])[0].overlap == "large_on_top"
    assert settings_of_sweep(BASE, "mask_threshold", ["0.5", 1])[1].mask_threshold == 1.0


def test_scores_of_a_sweep():
    truth = np.zeros((100, 100), np.uint16)
    for k, (y, side) in enumerate([(2, 6), (12, 8), (30, 12), (60, 30)]):
        truth[y : y + side, 10 : 10 + side] = k + 1
    labels = np.where(truth > 1, truth, 0).astype(np.uint16)  # the smallest is missing
    assert recall_by_size(labels, truth) == (0.75, (0.0, 1.0, 1.0, 1.0))
    assert boundary_f(labels, truth) == 1.0, "what is missing is not a matter of outlines"
    assert boundary_f(np.zeros_like(labels), truth) != boundary_f(labels, truth)
    wider = np.maximum(labels, np.roll(labels, 3, axis=1))
    assert boundary_f(wider, truth) < 0.8
    halves = labels.copy()
    halves[60:90, 25:40] = 9
    step = Step(BASE, "", halves, 4, 0.1234, True, 2, 16)
    row = step_rows([step], "points_per_side", truth).iloc[0]
    assert (row["points_per_side"], row["point_prompts"], row["double"], row["unlabelled"]) == (4, 16, 1, 1)
    assert set(step_rows([step], "points_per_side", None)) >= {"objects", "seconds", "encoder_passes"}


def test_the_command_writes_a_sheet_a_table_and_layers(proposals, tmp_path, monkeypatch):
    import pandas as pd
    import tifffile
    from PIL import Image

    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: FakeModel())
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "truth.tif", np.pad(np.ones((10, 10), np.uint8), ((25, 25), (3, 67))))
    common = ["sweep", tmp_path / "a.png", "--out", tmp_path / "out", "--stability-score-thresh", 0.3]
    done = invoke(*common, "--parameter", "points-per-side", "--values", "1, 3", "--layers",
                  "--pred-iou-thresh", 0.5, "--truth", tmp_path / "truth.tif")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "points_per_side = 3: 3 objects" in done.output
    table = pd.read_csv(tmp_path / "out" / "a.points_per_side.csv")
    assert table["points_per_side"].tolist() == [1, 3] and table["objects"].tolist() == [1, 3]
    assert table["recall"].tolist() == [1, 1]
    with Image.open(tmp_path / "out" / "a.points_per_side.png") as page:
        assert page.width > 800
    labels = tifffile.imread(tmp_path / "out" / "a.points_per_side=3.labels.tif")
    assert len(np.unique(labels)) == 4
    for values, name, words in (
        ("many", "points_per_side", "'many'"),
        ("1", "grid", "'grid'"),
        ("", "use_m2m", "no value"),
    ):
        failed = invoke(*common, "--parameter", name, "--values", values)
        assert failed.exit_code == 1 and words in str(failed.exception)
    assert "shape" in str(invoke(*common, "--parameter", "use_m2m", "--values", "true", "--truth",
                                 tmp_path / "out" / "a.points_per_side.png").exception)  # fmt: skip


def test_the_truth_of_a_stack_is_that_of_the_plane(proposals, tmp_path, monkeypatch):
    import pandas as pd
    import tifffile

    monkeypatch.setattr("napari_sam2_automask.models.load_model", lambda *_, **__: FakeModel())
    truth = np.pad(np.ones((10, 10), np.uint8), ((25, 25), (3, 67)))
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([0 * IMAGE, IMAGE]))
    tifffile.imwrite(tmp_path / "truth.tif", np.stack([0 * truth, truth]), photometric="minisblack")
    done = invoke("sweep", tmp_path / "stack.tif", "--plane", 1, "--truth", tmp_path / "truth.tif",
                  "--parameter", "points-per-side", "--values", "3", "--pred-iou-thresh", 0.5,
                  "--stability-score-thresh", 0.3, "--out", tmp_path)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert pd.read_csv(tmp_path / "stack.points_per_side.csv")["recall"].tolist() == [1]


def invoke(*arguments):
    from typer.testing import CliRunner

    from napari_sam2_automask.cli.commands import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])

"""Learning itself: the same again bit for bit, gone on with, stopped, and as a file that is what it says."""

from __future__ import annotations

import errno
import json
import math
import struct

import numpy as np
import pytest
import torch
import zarr
from one_line import check, run
from PIL import Image
from safetensors.torch import load_file, save_file
from tifffile import imwrite

from napari_sam2_automask import (
    PRESETS,
    AmgSettings,
    Cancelled,
    learn,
    load_model,
    propose,
    save_model,
    segment,
    to_model_view,
)
from napari_sam2_automask.errors import LearningError, ModelError, OutputError, UnfinishedError
from napari_sam2_automask.files.stack_file import stack_of
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.learning import Plan, learner, learning
from napari_sam2_automask.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_sam2_automask.learning.fitting import Fitted, presets_around
from napari_sam2_automask.learning.held_back import HeldBack
from napari_sam2_automask.learning.lessons import lessons_of
from napari_sam2_automask.learning.network.weights import SHARPNESS, sharpen
from napari_sam2_automask.learning.trainer import Trainer
from napari_sam2_automask.models import add_model, find_entry, list_models, own_path, verify
from napari_sam2_automask.models.catalogue.card import CARD_KEY, MOST_METADATA
from napari_sam2_automask.settings.presets import resolve_settings

PLAN = Plan(size=64, own=1, known=1, prompts=2, more_own=1, more_known=0, checks=2)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Nine discs of which two are held back."""
    labels = np.zeros((96, 96), np.int32)
    y, x = np.mgrid[:96, :96]
    for i in range(9):
        labels[np.hypot(y - 16 - 32 * (i // 3), x - 16 - 32 * (i % 3)) < 11] = i + 1
    noise = np.random.default_rng(0).integers(0, 30, labels.shape)
    return (np.where(labels > 0, 170, 40) + noise).astype(np.uint8), labels


@pytest.fixture(scope="module")
def learned(scene):
    """A model after two steps; with where it stood, and the reports."""
    reports = []
    model = learn(*scene, steps=2, seed=3, plan=PLAN, name="discs", progress=reports.append)
    return model, reports


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    """Learning without segmenting, in small steps."""
    fitted = iter([Fitted(PRESETS["balanced"].for_model("bundled"), 0.4, 0.4)] + 9 * [
        Fitted(PRESETS["balanced"].for_model("bundled").replace(pred_iou_thresh=0.6), 0.4, 0.7)])  # fmt: skip
    monkeypatch.setattr(learner, "fit_settings", lambda *arguments: next(fitted))
    monkeypatch.setattr(learning, "Plan", lambda: PLAN)


def trainer(scene, seed: int = 1) -> Trainer:
    lessons = lessons_of([scene[0]], [scene[1]], [True], [{}], ["discs"])
    network = load_model("bundled", device="cpu").network
    network.load_state_dict(sharpen(network.state_dict(), 1 / SHARPNESS))
    return Trainer(network, [lesson.training for lesson in lessons], HeldBack(lessons, PLAN.size), seed, PLAN)


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def nothing(*arguments) -> None:
    pass


def test_the_same_gives_the_same_weights_bit_for_bit(scene):
    state = torch.get_rng_state()
    weights = []
    for seed in (1, 1, 2):
        one = trainer(scene, seed)
        one.train(2, nothing, nothing)
        weights.append(one.network.state_dict())
    assert same(weights[0], weights[1])
    assert not same(weights[0], weights[2])
    assert not same(weights[0], one.start)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_killed_run_goes_on_from_its_checkpoint_and_ends_where_it_would_have(scene, tmp_path):
    whole = trainer(scene)
    whole.train(4, nothing, nothing)
    at = tmp_path / "state"

    def killed(standing) -> None:
        if standing.step == 3:
            raise KeyboardInterrupt

    first = trainer(scene)
    with pytest.raises(KeyboardInterrupt):
        first.train(4, killed, lambda now: save_checkpoint(at, now, "this run"))
    second = trainer(scene)
    assert not load_checkpoint(at, second, "another run")
    assert load_checkpoint(at, second, "this run")
    assert (second.standing.step, second.standing.steps) == (2, 4)
    second.train(4, nothing, nothing)
    assert same(whole.network.state_dict(), second.network.state_dict())
    assert second.standing.history == whole.standing.history
    at.write_bytes(at.read_bytes()[:-5000])
    with pytest.raises(UnfinishedError, match="damaged"):
        load_checkpoint(at, second, "this run")


def test_weights_that_become_infinite_end_in_words_or_in_the_best_before(scene, monkeypatch):
    one = trainer(scene)
    monkeypatch.setattr(one, "_step", lambda step: one.network.no_mem_embed.data.fill_(math.nan))
    with pytest.raises(LearningError, match="the weights became infinite"):
        one.train(2, nothing, nothing)
    other = trainer(scene)
    scores = iter([0.2, 0.5, 0.1, 0.1, math.nan])
    monkeypatch.setattr(other, "_score", lambda: next(scores))
    other.train(4, nothing, nothing)
    assert (other.standing.best, other.standing.best_step) == (0.5, 2)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((0.2, 0.6, 0.595), 2),
        ((0.2, 0.6, 0.595, 0.588), 2),  # measured from the best, so that it cannot sink check by check
        ((0.2, 0.6, 0.58, 0.4, 0.4, 0.4), 1),
        ((0.6, 0.599, 0.6), 0),  # the base, unless something is better
    ],
)
def test_later_weights_may_be_a_little_worse_where_few_objects_judge(scene, monkeypatch, scores, kept):
    one = trainer(scene)
    monkeypatch.setattr(one, "_step", lambda step: one.network.no_mem_embed.data.fill_(step + 1.0))
    steps = len(scores) - 1
    one.plan = Plan(checks=steps)
    every = iter(scores)
    monkeypatch.setattr(one, "_score", lambda: next(every))
    one.train(steps, nothing, nothing)
    assert one.standing.step == steps  # all are taken, since those at the lowest rate do most
    assert (one.standing.best_step, one.standing.best) == (kept, scores[kept])
    assert [score for _, score in one.standing.history] == list(scores)
    start = one.start["no_mem_embed"]
    best = torch.full_like(start, kept) if kept else start
    torch.testing.assert_close(one.result()["no_mem_embed"], best)
    torch.testing.assert_close(one.result(0.6)["no_mem_embed"], torch.lerp(start, best, 0.6))
    # To score what lies between changes nothing.
    monkeypatch.setattr(one, "_score", lambda: float(one.network.no_mem_embed.detach().flatten()[0]))
    assert one.score_at(0.6) == pytest.approx(float(torch.lerp(start, best, 0.6).flatten()[0]))
    torch.testing.assert_close(one.network.no_mem_embed.data, torch.full_like(start, steps))


@pytest.mark.parametrize(
    ("full", "nearer", "scores", "taken"),
    [
        (0.5, 0.496, (), True),
        (0.5, 0.494, (), False),
        (None, None, (0.2, 0.6, 0.596), True),  # not all is labelled: prompts tell
        (None, None, (0.2, 0.6, 0.594), False),
    ],
)
def test_weights_that_have_forgotten_less_are_taken(scene, monkeypatch, full, nearer, scores, taken):
    """Weights at 0.6 of the way from the base's are judged beside those learned."""
    start = PRESETS["balanced"].for_model("bundled")
    own = [start.replace(pred_iou_thresh=threshold) for threshold in (0.5, 0.6, 0.7)]
    fitted = iter(
        [Fitted(own[0], full and 0.3, full and 0.4), Fitted(own[1], 0.3, full), Fitted(own[2], 0.3, nearer)]
    )
    monkeypatch.setattr(learner, "fit_settings", lambda *arguments: next(fitted))
    every = iter(scores or (0.2, 0.6))
    monkeypatch.setattr(Trainer, "_score", lambda self: next(every))
    monkeypatch.setattr(Trainer, "_step", lambda self, step: self.network.no_mem_embed.data.add_(1.0))
    model = learn(*scene, steps=1, plan=PLAN)
    assert model.presets["balanced"] == own[2 if taken else 1]
    base = load_model("bundled", device="cpu").network.no_mem_embed
    torch.testing.assert_close(
        model.network.no_mem_embed.data, base.data + (0.6 if taken else 1.0), rtol=2e-3, atol=2e-3
    )
    assert model.card.after == ((nearer if taken else full) or scores[2 if taken else 1])


def test_progress_is_counted_and_tells_the_score(learned):
    _, reports = learned
    steps = [report for report in reports if report.stage == "learn"]
    assert [report.done for report in steps] == [0, 1, 2]
    assert {report.total for report in steps} == {2}
    assert all(0 < report.before < 1 for report in steps)
    assert steps[-1].best >= steps[0].before


def test_the_card_says_what_was_done(learned, scene):
    model, _ = learned
    card = model.card
    assert (card.name, card.images, card.objects, card.steps, card.seed) == ("discs", 1, 9, 2, 3)
    assert (card.base, card.colours, card.measure) == ("bundled", "gray", "accuracy")
    assert card.base_sha256 == load_model("bundled").sha256
    assert card.threads == torch.get_num_threads()
    assert card.after >= card.before
    assert model.presets.keys() == {"coarse", "balanced", "fine"}
    assert 100 < len(card.thumbnail) < 32 * 1024


def test_balanced_means_the_models_own_everywhere(learned, scene):
    model, _ = learned
    own = AmgSettings(points_per_side=2, pred_iou_thresh=0.123)
    card = model.card.model_copy(update={"presets": {**model.presets, "balanced": own}})
    other = type(model)(**{name: getattr(model, name) for name in model.__slots__} | {"card": card})
    assert resolve_settings("balanced", other)[0] == own
    assert resolve_settings(PRESETS["balanced"].adjusted(points_per_side=3), other)[0] == own.adjusted(
        points_per_side=3
    )
    assert resolve_settings("sam2-defaults", other)[0] == AmgSettings()
    assert resolve_settings("balanced", "bundled")[0] == PRESETS["balanced"].for_model("bundled")
    assert propose(scene[0], "balanced", other).settings == own
    record = segment(scene[0], "balanced", other).record
    assert record["settings"]["pred_iou_thresh"] == 0.123
    assert record["model"]["sha256"] == model.sha256


def test_coarse_and_fine_move_with_balanced():
    base = load_model("bundled")
    before = {name: PRESETS[name].for_model(base) for name in ("coarse", "balanced", "fine")}
    moved = before["balanced"].replace(pred_iou_thresh=0.75, stability_score_thresh=0.9, min_area=50)
    after = presets_around(moved, base)
    assert after["balanced"] == moved
    lower = before["balanced"].stability_score_thresh - 0.9
    assert lower > 0
    for name in ("coarse", "fine"):
        assert after[name].pred_iou_thresh == pytest.approx(before[name].pred_iou_thresh + 0.1)
        assert after[name].stability_score_thresh == pytest.approx(
            before[name].stability_score_thresh - lower
        )
        assert after[name].min_area == 50
        assert after[name].points_per_side == before[name].points_per_side


def test_a_file_is_the_model_and_is_found_by_name_and_by_hash(learned, home):
    model, _ = learned
    path = save_model(model, own_path("My discs"))
    content = path.read_bytes()
    assert all(save_model(model, home / "again").read_bytes() == content for _ in range(6))
    again = load_model("my DISCS", device="cpu")
    assert (again.name, again.sha256, again.presets) == ("My discs", model.sha256, model.presets)
    assert same(again.network.state_dict(), model.network.state_dict())
    entry = find_entry("My discs")
    assert (entry.state, entry.path, entry.presets) == ("yours", path, model.presets)
    assert list_models()[-1] == entry and "9 objects" in entry.purpose
    assert load_model(model.sha256, device="cpu").name == "My discs"
    assert verify("My discs") == model.sha256
    assert path.stat().st_size < 13_000_000


def test_another_persons_file_is_added_once_and_not_under_anothers_name(learned, home):
    path = save_model(learned[0], home / "theirs.safetensors")
    assert add_model(path) == own_path("theirs")
    with pytest.raises(ModelError, match="There is a model 'theirs' already"):
        add_model(path)
    for name in ("bundled", "tiny", "../x", "", "a" * 65, "x.pt"):
        with pytest.raises(ModelError, match="name"):
            add_model(path, name)


def changed(path, change) -> None:
    """Write a model's file anew with other metadata."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def card_with(**entries):
    def change(metadata: dict) -> None:
        metadata[CARD_KEY] = json.dumps(json.loads(metadata[CARD_KEY]) | entries)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (card_with(run_me="rm"), "run_me"),
        (card_with(version=2), "version"),
        (card_with(after=7.0), "after"),
        (card_with(objects="many"), "objects"),
        (card_with(name="a\x1b[2J"), "name"),
        (card_with(thumbnail="bm8gcGljdHVyZQ=="), "thumbnail"),
        (card_with(presets={}), "its presets are not"),
        (card_with(presets={"balanced": {"pred_iou_thresh": 3}}), "presets"),
        (card_with(weights_sha256="0" * 64), "its weights are not those"),
        (lambda metadata: metadata.update({CARD_KEY: "{"}), "not allowed"),
        (lambda metadata: metadata.update({CARD_KEY: " " * MOST_METADATA}), "65,536 are the limit"),
        (lambda metadata: metadata.update(more="text"), "'more'"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(learned, home, change, says):
    path = save_model(learned[0], own_path("odd"))
    changed(path, change)
    with pytest.raises(ModelError, match=says) as raised:
        load_model(path, device="cpu")
    assert str(raised.value).startswith(f"{path} cannot be used: ")
    with pytest.raises(ModelError):
        add_model(path, "other")


def test_other_weights_under_a_card_are_refused_and_a_plain_checkpoint_has_none(learned, home):
    path = save_model(learned[0], home / "a.safetensors")
    weights = load_file(path)
    save_file(weights, home / "plain.safetensors")
    plain = load_model(home / "plain.safetensors", device="cpu")
    assert plain.card is None and plain.presets == {}
    with pytest.raises(ModelError, match="was not learned"):
        save_model(plain, home / "b.safetensors")
    with pytest.raises(ModelError, match="no learned model"):
        add_model(home / "plain.safetensors")
    weights["no_mem_embed"] += 1
    save_file(weights, path, learned[0].card.to_metadata())
    with pytest.raises(ModelError, match="its weights are not those"):
        load_model(path, device="cpu")


def test_cancelling_keeps_the_best_so_far_or_passes_on(scene, quick, monkeypatch):
    def until(step: int):
        def told(progress) -> None:
            if progress.stage == "learn" and progress.done == step:
                raise Cancelled

        return told

    with pytest.raises(Cancelled):
        learn(*scene, steps=4, progress=until(0))
    scores = iter([0.1] + 20 * [0.9])
    monkeypatch.setattr(Trainer, "_score", lambda self: next(scores))
    model = learn(*scene, steps=4, progress=until(3))
    assert (model.card.steps, model.card.after, model.card.measure) == (3, 0.9, "iou")
    assert model.presets["balanced"] == PRESETS["balanced"].for_model("bundled")


def test_where_learning_did_not_help_the_base_stays(scene, monkeypatch):
    start = PRESETS["balanced"].for_model("bundled")
    better = start.replace(pred_iou_thresh=0.6)
    fitted = iter([Fitted(better, 0.4, 0.5), Fitted(start, 0.3, 0.3), Fitted(start, 0.2, 0.2)])
    monkeypatch.setattr(learner, "fit_settings", lambda *arguments: next(fitted))
    model = learn(*scene, steps=1, plan=PLAN)
    assert (model.card.before, model.card.after) == (0.4, 0.5)
    assert model.presets["balanced"] == better
    base = load_model("bundled", device="cpu").network.state_dict()
    for name, value in model.network.state_dict().items():
        torch.testing.assert_close(value, base[name], rtol=2e-3, atol=1e-6)


def test_minutes_become_steps(scene, quick, monkeypatch):
    monkeypatch.setattr(Trainer, "seconds_per_step", lambda self: 4.0)
    taken = []
    monkeypatch.setattr(Trainer, "_step", lambda self, step: taken.append(step))
    monkeypatch.setattr(Trainer, "_score", lambda self: 0.5)
    learn(*scene, minutes=2.0)
    assert 28 <= len(taken) <= 30


def test_what_to_learn_from_is_checked(scene, learned, tmp_path):
    with pytest.raises(LearningError, match="there are no images"):
        learn([], [])
    colour = np.stack([scene[0], scene[0] // 2, scene[0] // 3], -1)
    with pytest.raises(LearningError, match="learned from gray images, and these are images in colours"):
        learn(colour, scene[1], base=learned[0], steps=1, plan=PLAN)
    with pytest.raises(LearningError, match="learning goes on from the bundled model"):
        learn(*scene, base=type(learned[0])("x", learned[0].network, learned[0].device), steps=1)


def test_the_command_learns_and_the_model_is_in_the_list(scene, home, quick, capsys, monkeypatch):
    monkeypatch.chdir(home)
    (home / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(scene[0]).save(home / "images" / f"{name}.png")
        Image.fromarray(scene[1].astype(np.uint16)).save(home / "images" / f"{name}_masks.png")
    arguments = ["learn", "images", "--labels", "images", "--steps", "2", "--out"]
    scores = iter(range(1, 40))
    monkeypatch.setattr(Trainer, "_score", lambda self: next(scores) / 50)
    assert run(capsys, monkeypatch, *arguments, "discs") == (0, [])
    entry = find_entry("discs")
    assert "18 objects" in entry.purpose
    assert entry.presets["balanced"].pred_iou_thresh == 0.6
    assert not list(entry.path.parent.glob("*.unfinished"))
    check(*run(capsys, monkeypatch, *arguments, "discs"), ["exists already", "--overwrite"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png", "--labels", "none.png", "--out", "x.safetensors"], ["there is no none.png"]),
        (["a.png", "--labels", "empty", "--out", "x.safetensors"], ["empty holds no labels", "a.labels.tif"]),
        (["a.png", "--labels", "a_masks.png", "--out", "x.bin"], ["x.bin"]),
        (["a.png", "--labels", "a_masks.png", "--out", "tiny"], ["'tiny' is the name of another model"]),
        (["a.png", "--labels", "a_masks.png", "--out", "x", "--minutes", "-1"], ["minutes"]),
        (["a.png", "--labels", "a_masks.png", "--out", "x", "--steps", "0"], ["steps"]),
        (["a.png", "--labels", "small.png", "--out", "x"], ["a.png", "shape 50 x 50", "96 x 96"]),
        (["a.png", "--labels", "zero.png", "--out", "x"], ["no object is labelled"]),
        (["empty", "--labels", "a_masks.png", "--out", "x"], ["empty"]),
        (["a.png", "--labels", "a_masks.png", "--out", "x", "--base", "nobody"], ["nobody"]),
        (
            ["a.png", "--labels", "a_masks.png", "--out", "a.png.safetensors/x.safetensors"],
            ["a.png.safetensors"],
        ),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(scene, home, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(home)
    (home / "empty").mkdir()
    (home / "a.png.safetensors").write_bytes(b"")
    Image.fromarray(scene[0]).save(home / "a.png")
    Image.fromarray(scene[1].astype(np.uint16)).save(home / "a_masks.png")
    Image.fromarray(scene[1][:50, :50].astype(np.uint16)).save(home / "small.png")
    Image.fromarray(scene[1].astype(np.uint16) * 0).save(home / "zero.png")
    check(*run(capsys, monkeypatch, "learn", *arguments), words)
    assert not list(home.rglob("x.safetensors*"))


def test_the_command_learns_from_what_a_run_would_see(scene, home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    image, labels = scene
    colours = np.stack([image, image // 2, image], -1).astype(np.uint16) * 200
    imwrite("deep.tif", colours, photometric="rgb")
    imwrite("two.tif", np.stack([image, image.T]), imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    imwrite("one.tif", labels.astype(np.uint16))
    imwrite("each.tif", np.stack([labels.T, labels]).astype(np.uint16))
    seen = []

    def take(images, answers, *more):
        seen.append((images[0], answers[0]))
        raise LearningError("seen")

    monkeypatch.setattr(learning, "_lessons", take)
    mixed = stack_of("two.tif", Pick(channel="mix")).read(Pick(channel="mix")).views(None)[0]
    for name, answers, more, view in (
        ("deep.tif", "one.tif", (), to_model_view(colours, rgb=True)),
        ("two.tif", "one.tif", ("--channel", "1"), to_model_view(image.T)),
        ("two.tif", "one.tif", ("--channel", "mix"), mixed),
        ("two.tif", "each.tif", ("--plane", "1"), to_model_view(image.T)),
    ):
        arguments = ["learn", name, "--labels", answers, *more, "--out", "x"]
        check(*run(capsys, monkeypatch, *arguments), ["seen"])
        assert np.array_equal(seen[-1][0], view), arguments
        assert np.array_equal(seen[-1][1], labels), arguments
    for more, words in (
        ((), ["two.tif", "--plane N"]),
        (("--channel", "pool"), ["2 pictures", "--channel mix"]),
    ):
        arguments = ["learn", "two.tif", "--labels", "one.tif", *more, "--out", "x"]
        check(*run(capsys, monkeypatch, *arguments), words)


def test_images_and_labels_may_be_zarrs_that_lack_no_chunk(scene, home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    image, labels = scene
    seen = []

    def look(images, answers, *arguments, **more):
        seen.append((images[0], answers[0]))
        raise LearningError("seen")

    monkeypatch.setattr("napari_sam2_automask.learning.learning.learn", look)
    for folder, name, array in (
        ("in", "a.zarr", image),
        ("in", "a.labels.zarr", labels.astype(np.uint16)),
        ("other", "a.zarr", labels.astype(np.uint16)),
    ):
        stored = zarr.create_array(
            home / folder / name, shape=array.shape, chunks=(48, 48), dtype=array.dtype,
            config={"write_empty_chunks": folder == "in" and name == "a.zarr"},
        )  # fmt: skip
        stored[:] = array
    for answers in ("in", "other", "in/a.labels.zarr"):
        arguments = ["learn", "in" if answers == "in" else "in/a.zarr", "--labels", answers, "--out", "x"]
        check(*run(capsys, monkeypatch, *arguments), ["seen"])
        assert np.array_equal(seen[-1][0], to_model_view(image)), answers
        assert np.array_equal(seen[-1][1], labels), answers
    (home / "in" / "a.zarr" / "c" / "0" / "0").unlink()
    check(*run(capsys, monkeypatch, *arguments), ["a.zarr lacks 1 of its chunks", "--allow-missing"])
    check(*run(capsys, monkeypatch, *arguments, "--allow-missing"), ["seen"])


@pytest.mark.parametrize(
    "message", ["DefaultCPUAllocator: can't allocate memory", "CUDA out of memory. Tried to allocate 2 GiB"]
)
def test_memory_that_does_not_suffice_is_said(scene, quick, monkeypatch, message):
    def fail(self, *arguments) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(Trainer, "train", fail)
    with pytest.raises(LearningError, match="memory does not suffice"):
        learn(*scene, steps=1)


def test_a_full_disk_is_said_and_the_state_before_stays(scene, tmp_path, monkeypatch):
    def full(*arguments) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    at = tmp_path / "state"
    one = trainer(scene)
    one.train(1, nothing, lambda now: save_checkpoint(at, now, "this run"))
    before = at.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=f"no space left for {at}"):
        save_checkpoint(at, one, "this run")
    assert at.read_bytes() == before
    assert list(tmp_path.iterdir()) == [at]

"""One object asked for: the answers are those of Meta's predictor, in the part of the image that it needs."""

from __future__ import annotations

import numpy as np
import pytest
from places import DATA
from random_networks import as_model, blobs, calibrate, small_network
from sam2.sam2_image_predictor import SAM2ImagePredictor
from skimage.io import imread

from napari_sam2_automask import load_model, to_model_view
from napari_sam2_automask.engine import along, ask, asking, object_prompts
from napari_sam2_automask.errors import ImageError, MendError
from napari_sam2_automask.geometry.placed import Placed, iou

SHAPE = (96, 120)


@pytest.fixture(scope="module")
def view():
    return blobs(SHAPE, seed=2, scale=0.1)


@pytest.fixture(scope="module")
def model(view):
    network = small_network(3, 128)
    calibrate(network, view, covered=0.05)
    return as_model(network)


PROMPTS = {
    "point": {"points": [(40, 50)]},
    "points": {"points": [(40, 50), (20, 90), (44, 60)], "labels": [True, False, True]},
    "box": {"box": (20.0, 30.0, 70.0, 90.0)},
    "box and points": {"box": (20.0, 30.0, 70.0, 90.0), "points": [(30, 40)], "labels": [False]},
    "mask": {"mask": Placed.at(25, 35, np.ones((30, 40), bool)), "points": [(40, 50)]},
}


@pytest.mark.parametrize("how", PROMPTS)
def test_the_answer_is_that_of_the_predictor(model, view, how):
    given = PROMPTS[how]
    predictor = SAM2ImagePredictor(model.network)
    side = model.network.sam_image_embedding_size
    predictor._bb_feat_sizes = [(n * side, n * side) for n in (4, 2, 1)]
    predictor.set_image(view)
    points = np.array(given.get("points", []), float).reshape(-1, 2)[:, ::-1] + 0.5
    box, mask = given.get("box"), given.get("mask")
    kinds = np.array(given.get("labels", [True] * len(points)), int)
    low = None
    if mask is not None:
        side = 4 * model.network.sam_image_embedding_size
        from torch import from_numpy
        from torch.nn.functional import interpolate

        full = from_numpy((mask.whole(SHAPE) * 2.0 - 1).astype(np.float32) * object_prompts.SURE)[None, None]
        low = interpolate(full, (side, side), mode="bilinear", antialias=True)[0].numpy()
    masks, scores, _ = predictor.predict(
        points if len(points) else None,
        kinds if len(points) else None,
        None if box is None else np.array(box)[[1, 0, 3, 2]] + 0.5,
        low,
        multimask_output=how == "point",
    )
    answer = ask(view, model, **given)
    best = int(scores.argmax())
    assert answer.score == pytest.approx(float(scores[best]), abs=1e-4)
    assert answer.crop == (0, 0, *SHAPE)
    expected = masks[best] > 0
    positive = points[kinds == 1] - 0.5
    expected = asking._pieces(expected, positive[:, ::-1])
    assert iou(answer.placed, Placed.at(0, 0, expected)) > 0.999


def test_the_encoder_runs_once_for_a_part_of_the_image(model, view, monkeypatch):
    from napari_sam2_automask.engine.encoder.cache import FeatureCache

    monkeypatch.setattr(asking, "features_cache", FeatureCache())
    runs, encode = [], asking.encode

    def counted(network, shown, tick):
        runs.append(shown.shape)
        return encode(network, shown, tick)

    monkeypatch.setattr(asking, "encode", counted)
    for points in ([(40, 50)], [(40, 50), (42, 52)], [(38, 48)]):
        ask(view, model, points)
    assert runs == [(*SHAPE, 3)]


def test_small_objects_are_asked_for_in_a_part_in_which_they_are_large_enough(model):
    large = np.zeros((600, 800, 3), np.uint8)
    large[100:130, 500:530] = 255

    def crop(points, **more):
        coords = np.array(points, float)
        return asking._crop((600, 800), coords, more.get("mask"), more.get("diameter", 10.0))

    for point in ([(115, 515)], [(0, 0)], [(599, 799)], [(300, 400)]):
        x0, y0, x1, y1 = crop(point).box
        assert y0 <= point[0][0] < y1 and x0 <= point[0][1] < x1
        assert max(y1 - y0, x1 - x0) < 250
    # What a prompt reaches over has room, and the whole image is the last resort.
    x0, y0, x1, y1 = crop([(100, 100), (400, 100)]).box
    assert y0 <= 100 and y1 > 400
    assert crop([(5, 5), (595, 795)]).box == (0, 0, 800, 600)
    assert crop([(5, 5)], diameter=0.0).box == (0, 0, 800, 600)
    assert crop([(5, 5)], diameter=0.01).box[2] < 800
    thing = Placed.at(50, 50, np.ones((300, 300), bool))
    x0, y0, x1, y1 = crop([(100, 100)], mask=thing).box
    assert y0 <= 50 and x0 <= 50 and y1 >= 350 and x1 >= 350


def test_what_is_told_or_found_to_be_small_is_looked_at_closer():
    """A disc of 9 pixels among objects said to be 40 wide: by a box, by what it is so far, and at a click."""
    model = load_model("bundled")
    y, x = np.mgrid[:400, :400]
    disc = np.hypot(y - 200, x - 210) < 4.5
    gray = np.where(disc, 180, 30) + np.random.default_rng(0).normal(0, 4, disc.shape)
    view = np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    thing = Placed.at(196, 206, np.ones((9, 9), bool))
    for given in (
        {"box": (195.5, 205.5, 204.5, 214.5)},
        {"mask": thing, "points": [(200, 210)]},
        {"points": [(200, 210)]},
    ):
        answer = ask(view, model, **given, diameter=40)
        y0, x0, y1, x1 = answer.crop
        assert max(y1 - y0, x1 - x0) < 250, given
        assert iou(answer.placed, Placed.at(0, 0, disc)) > 0.75, given
    # Without a size that is typical nothing can be said to be small.
    assert ask(view, model, box=(195.5, 205.5, 204.5, 214.5)).crop == (0, 0, 400, 400)


def test_the_bundled_model_outlines_nuclei_at_a_click():
    name = "S_dsb_1c681dfa5c"
    view, truth = to_model_view(imread(DATA / f"{name}.img.png")), imread(DATA / f"{name}.lab.png")
    model = load_model("bundled")
    areas = np.bincount(truth.ravel())
    largest = areas[1:].argsort()[::-1][:6] + 1
    found = []
    for label in largest.tolist():
        mask = truth == label
        y, x = np.argwhere(mask)[np.count_nonzero(mask) // 2]
        answer = ask(view, model, [(y, x)], diameter=2 * np.sqrt(areas[label] / np.pi))
        found.append(iou(answer.placed, Placed.at(0, 0, mask)))
        assert answer.placed.mask[y - answer.placed.y0, x - answer.placed.x0]
    assert np.median(found) > 0.75, found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "nothing says where"),
        ({"points": [(5, 5)], "labels": [False]}, "nothing says where"),
        ({"points": [(5, 5)], "labels": [True, False]}, "2 labels"),
        ({"points": [(5, 500)]}, "outside the image"),
        ({"points": [(float("nan"), 5)]}, "outside the image"),
        ({"box": (5, 5, 5, 9)}, "has no area"),
    ],
)
def test_what_says_nothing_is_refused(model, view, given, words):
    with pytest.raises(MendError, match=words):
        ask(view, model, **given)


def test_what_is_no_picture_is_refused(model):
    with pytest.raises(ImageError, match="to_model_view"):
        ask(np.zeros((5, 5), np.uint8), model, [(1, 1)])


def test_points_along_a_scribble():
    assert along([(0, 0), (0, 16)]) == [(0, 2), (0, 6), (0, 10), (0, 14)]
    assert along([(3, 4)]) == [(3, 4)]
    assert along([]) == []
    assert len(along([(0, 0), (900, 0)])) == 8

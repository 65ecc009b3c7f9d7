"""The video predictor on arrays: the same as the package's own on the same planes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from video_network import IMAGE_SIZE, video_model

from napari_sam2_automask.engine.encoder.encode import model_input
from napari_sam2_automask.engine.video import Follower
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models import load_model

PLANES, SHAPE = 40, (90, 110)


@pytest.fixture(scope="module")
def model():
    # Operations as small as these are slower on several threads.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield video_model()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    return [np.roll(picture, 3 * k, axis=1) for k in range(PLANES)]


def square(y, x, side=20):
    mask = np.zeros(SHAPE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def package(model, monkeypatch):
    """Return Meta's predictor with the weights of the model."""
    from sam2 import sam2_video_predictor

    monkeypatch.setattr(sam2_video_predictor, "tqdm", lambda planes, **_: planes)
    predictor = sam2_video_predictor.SAM2VideoPredictor.__new__(sam2_video_predictor.SAM2VideoPredictor)
    predictor.__dict__.update(model.network.__dict__)
    predictor.fill_hole_area, predictor.non_overlap_masks = 0, False
    predictor.clear_non_cond_mem_around_input = False
    predictor.add_all_frames_to_correct_as_cond = False
    predictor.binarize_mask_from_pts_for_mem_enc = True
    return predictor


def both_ways(predictor, state, start, masks):
    for number, mask in masks.items():
        predictor.add_new_mask(state, start, number, mask)
    found = {}
    for reverse in (False, True):
        for plane, _, logits in predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            found[plane] = logits[:, 0].numpy()
    return found


def ours(model, views, start, masks):
    follower = Follower(model, views)
    states = [follower.begin(start, mask) for mask in masks.values()]
    found = {}
    for backward in (False, True):
        planes = range(start - 1, -1, -1) if backward else range(start + 1, len(views))
        for plane in planes:
            found[plane] = np.stack([follower.step(state, plane, backward=backward) for state in states])
    return found, states


def test_forward_and_backward_are_those_of_the_package(model, views, package, monkeypatch):
    from sam2 import sam2_video_predictor

    frames = torch.cat([model_input(view, IMAGE_SIZE) for view in views])
    monkeypatch.setattr(sam2_video_predictor, "load_video_frames", lambda **_: (frames, *SHAPE))
    masks = {7: square(10, 10), 9: square(50, 70)}
    theirs = both_ways(package, package.init_state("nowhere"), 18, masks)
    found, states = ours(model, views, 18, masks)
    assert set(found) == set(range(PLANES)) - {18}
    for plane, logits in found.items():
        np.testing.assert_array_equal(logits, theirs[plane], err_msg=f"plane {plane}")
    # The objects differ, so does what is seen of them, and the memory matters.
    assert not np.array_equal(found[19][0], found[19][1])
    assert np.ptp(found[19]) > 0 and np.ptp(found[0]) > 0
    kept = states[0]["output_dict_per_obj"][0]["non_cond_frame_outputs"]
    assert len(kept) < PLANES - 1 and sum(out["maskmem_features"] is not None for out in kept.values()) <= 22


def test_a_folder_of_jpegs_gives_nearly_the_same(model, views, package, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(1)
    smooth = np.kron(rng.integers(0, 256, (3, 4, 3)), np.ones((32, 32, 1))).astype(np.uint8)
    planes = [np.roll(smooth, 5 * k, axis=1) for k in range(4)]
    for k, plane in enumerate(planes):
        Image.fromarray(plane).save(tmp_path / f"{k:05}.jpg", quality=100, subsampling=0)
    mask = np.zeros(smooth.shape[:2], bool)
    mask[30:60, 40:80] = True
    state = package.init_state(str(tmp_path))
    theirs = both_ways(package, state, 1, {1: mask})
    found, _ = ours(model, planes, 1, {1: mask})
    for plane, logits in found.items():
        difference = np.abs(logits - theirs[plane]).max() / np.abs(theirs[plane]).max()
        assert difference < 0.2, plane


def test_what_was_seen_before_matters(model, views):
    follower = Follower(model, views)
    first, second = (follower.begin(k, square(10, 10)) for k in (2, 3))
    follower.step(first, 3)
    assert not np.array_equal(follower.step(first, 4), follower.step(second, 4))


def test_the_network_is_left_as_it_was(model, views):
    before = {name: value for name, value in vars(model.network).items() if not name.startswith("_")}
    follower = Follower(model, views)
    follower.step(follower.begin(0, square(0, 0)), 1)
    after = {name: value for name, value in vars(model.network).items() if not name.startswith("_")}
    assert before == after


def test_planes_are_taken_when_they_are_needed(model, views):
    taken = []

    class Lazy:
        def __len__(self):
            return len(views)

        def __getitem__(self, plane):
            taken.append(plane)
            return views[plane]

    follower = Follower(model, Lazy())
    states = [follower.begin(5, square(10 * k, 10)) for k in range(3)]
    for state in states:
        follower.step(state, 6)
    assert sorted(set(taken)) == [0, 5, 6] and taken.count(5) == taken.count(6) == 1


def test_a_plane_that_is_being_encoded_can_be_stopped(model, views):
    calls = []

    def tick():
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Follower(model, views, tick).begin(0, square(0, 0))


def test_a_model_without_memory_is_refused():
    with pytest.raises(ModelError, match=r"bundled has no memory.*sam2.1-tiny") as caught:
        Follower(load_model("bundled", device="cpu"), [np.zeros((8, 8, 3), np.uint8)])
    assert "\n" not in str(caught.value)

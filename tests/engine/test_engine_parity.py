"""Meta's generator and ours give the same masks, whatever the settings."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from parity_kit import as_model, blobs, calibrate, compare, run_meta, run_ours, small_network

from napari_sam2_automask.models import Model, build_official
from napari_sam2_automask.settings.amg import AmgSettings

# Thresholds at which the random networks keep a few dozen masks.
BASE = AmgSettings(
    points_per_side=8,
    pred_iou_thresh=0.6,
    stability_score_thresh=0.7,
    box_nms_thresh=0.85,
    crop_nms_thresh=0.85,
)
GRIDS = tuple(
    tuple((float(x), float(y)) for x, y in np.random.default_rng(i).random((n, 2)))
    for i, n in enumerate((23, 7))
)
CHANGES = [
    {},
    {"points_per_side": 5, "points_per_batch": 7},
    {"points_per_batch": 1, "points_per_side": 4},
    {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
    {"pred_iou_thresh": 0.75},
    {"stability_score_thresh": 0.93},
    {"stability_score_offset": 2.5},
    {"stability_score_offset": 0.0},
    {"mask_threshold": 3.0},
    {"mask_threshold": -2.0},
    {"box_nms_thresh": 0.3},
    {"box_nms_thresh": 1.0},
    {"crop_n_layers": 1, "points_per_side": 6},
    {"crop_n_layers": 2, "crop_n_points_downscale_factor": 2},
    {"crop_n_layers": 1, "crop_nms_thresh": 0.2, "crop_overlap_ratio": 0.6, "points_per_side": 6},
    {"crop_n_layers": 1, "points_per_side": None, "point_grids": GRIDS},
    {"points_per_side": None, "point_grids": GRIDS[:1]},
    {"use_m2m": True, "points_per_side": 5},
    {"use_m2m": True, "multimask_output": False},
    {"use_m2m": True, "crop_n_layers": 1, "points_per_side": 4},
    {"multimask_output": False},
    {"multimask_output": False, "crop_n_layers": 1},
]


@pytest.fixture(scope="module")
def model() -> Model:
    network = small_network(0)
    calibrate(network, blobs((200, 260), scale=0.15))
    return as_model(network)


def test_the_reference_runs_without_the_cuda_extension() -> None:
    # With it Meta's generator would fill holes in the low-resolution masks; see test_selection for ours.
    assert importlib.util.find_spec("sam2._C") is None


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_setting(model: Model, change: dict[str, object]) -> None:
    settings = BASE.replace(**change)
    view = blobs((200, 260), seed=1, scale=0.15)
    found = compare(run_meta(model, view, settings), run_ours(model, view, settings))
    assert found.equal, found
    assert found.matched > 0


@pytest.mark.parametrize(
    "shape", [(256, 256), (120, 340), (333, 97), (60, 64), (700, 900), (31, 17)], ids=str
)
def test_every_shape(model: Model, shape: tuple[int, int]) -> None:
    view = blobs(shape, seed=2, scale=0.15)
    settings = BASE.replace(crop_n_layers=1, points_per_side=5)
    found = compare(run_meta(model, view, settings), run_ours(model, view, settings))
    assert found.equal, found
    assert found.matched > 0


@pytest.mark.parametrize(
    "options",
    [{"object_scores": False}, {"high_res": False}, {"image_size": 128}, {"image_size": 384, "seed": 3}],
    ids=str,
)
def test_every_network(options: dict[str, int]) -> None:
    network = small_network(**options)
    view = blobs((150, 150), seed=3, scale=0.15)
    calibrate(network, view)
    model = as_model(network)
    for change in ({}, {"multimask_output": False}):
        found = compare(
            run_meta(model, view, BASE.replace(**change)), run_ours(model, view, BASE.replace(**change))
        )
        assert found.equal, found
        assert found.matched > 0


def test_the_single_mask_falls_back_to_the_best_of_three(model: Model) -> None:
    """The dynamic fallback is taken by some prompts of the test network and not by others."""
    view = blobs((200, 260), seed=1, scale=0.15)
    settings = BASE.replace(multimask_output=False, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    with_fallback = run_ours(model, view, settings)
    decoder = model.network.sam_mask_decoder
    decoder.dynamic_multimask_via_stability = False
    try:
        without = run_ours(model, view, settings)
        found = compare(run_meta(model, view, settings), without)
    finally:
        decoder.dynamic_multimask_via_stability = True
    assert found.equal, found
    changed = set(with_fallback.candidates.predicted_iou.tolist()) ^ set(
        without.candidates.predicted_iou.tolist()
    )
    assert 0 < len(changed) < 2 * len(without.candidates)


def test_sam2_tiny() -> None:
    model = build_official("tiny", seed=0)
    view = blobs((300, 400), seed=4, scale=0.15)
    calibrate(model.network, view, points=4)
    settings = BASE.replace(points_per_side=4)
    found = compare(run_meta(model, view, settings), run_ours(model, view, settings))
    assert found.equal, found
    assert found.matched > 0

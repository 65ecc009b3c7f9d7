"""Proposing: progress, cancelling, repetition, floors, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from parity_kit import as_model, blobs, calibrate, run_meta, run_ours, small_network

from napari_sam2_automask.candidates import Candidates, Floor
from napari_sam2_automask.engine import propose
from napari_sam2_automask.errors import ImageError, ModelError
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.selection import select
from napari_sam2_automask.settings import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask.models import Model

VIEW = blobs((150, 200), seed=1, scale=0.15)
BASE = AmgSettings(points_per_side=6, pred_iou_thresh=0.6, stability_score_thresh=0.7, box_nms_thresh=0.85)


@pytest.fixture(scope="module")
def model() -> Model:
    network = small_network(0)
    calibrate(network, VIEW)
    return as_model(network)


def _same(a: Candidates, b: Candidates) -> bool:
    names = ("predicted_iou", "stability_score", "points", "boxes", "area", "crop_index")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names) and np.array_equal(
        a.windows.values, b.windows.values
    )


def test_bitwise_equal_on_repetition(model: Model) -> None:
    settings = BASE.replace(crop_n_layers=1)
    first = propose(VIEW, settings, model)
    assert len(first) > 0
    assert _same(first, propose(VIEW, settings, model))


@pytest.mark.parametrize("batch", [1, 5, 4096])
def test_another_batch_size_gives_the_same_masks(model: Model, batch: int) -> None:
    whole = select(propose(VIEW, BASE, model), BASE)
    other = select(propose(VIEW, BASE.replace(points_per_batch=batch), model), BASE)
    assert len(whole) == len(other) > 0
    for k in range(len(whole)):
        a, b = whole.full(k), other.full(k)
        assert (a & b).sum() / (a | b).sum() >= 0.999


def test_rank_is_by_predicted_iou(model: Model) -> None:
    candidates = propose(VIEW, BASE.replace(crop_n_layers=1), model)
    assert (np.diff(candidates.predicted_iou) <= 0).all()
    assert candidates.complete
    assert candidates.prompts == (36 * 5, 36 * 5)


def test_a_lower_floor_serves_every_threshold_above_it(model: Model) -> None:
    low = propose(VIEW, BASE, model, floor=Floor(0.3, 0.4))
    assert len(low) > len(propose(VIEW, BASE, model))
    for change in ({}, {"pred_iou_thresh": 0.8}, {"stability_score_thresh": 0.9}, {"box_nms_thresh": 0.5}):
        settings = BASE.replace(**change)
        from_floor, direct = select(low, settings), select(propose(VIEW, settings, model), settings)
        assert len(direct) > 0
        assert np.array_equal(from_floor.predicted_iou, direct.predicted_iou)
        assert np.array_equal(from_floor.boxes, direct.boxes)


def test_every_mask_is_accounted_for(model: Model) -> None:
    settings = BASE.replace(crop_n_layers=1)
    masks = select(propose(VIEW, settings, model), settings)
    assert len(masks) + sum(masks.removed.values()) == 3 * settings.point_prompts


def test_progress_counts_up_to_all_points(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2_automask.engine.proposing._REPORT", 0.0)
    seen: list[Progress] = []
    propose(VIEW, BASE.replace(crop_n_layers=1), model, progress=seen.append)
    points = [p.done for p in seen if p.stage == "points"]
    assert points == sorted(points)
    assert points[-1] == 36 * 5
    assert {p.total for p in seen if p.stage == "points"} == {36 * 5}
    encoder = [p for p in seen if p.stage == "encoder"]
    assert {p.done for p in encoder} == set(range(5))
    # The encoder reports from inside: many times for each pass.
    assert len(encoder) > 5 * 10


@pytest.mark.parametrize("stage", ["encoder", "points"])
def test_cancel_keeps_what_was_found(model: Model, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2_automask.engine.proposing._REPORT", 0.0)
    whole = propose(VIEW, BASE, model)

    def stop(p: Progress) -> None:
        if p.stage == stage and p.done >= (17 if stage == "points" else 1):
            raise Cancelled

    with pytest.raises(Cancelled) as caught:
        propose(VIEW, BASE.replace(crop_n_layers=1), model, progress=stop)
    found = caught.value.candidates
    assert found is not None and not found.complete
    assert found.prompts[0] == (17 if stage == "points" else 36)
    expected = whole.predicted_iou if stage == "encoder" else whole.predicted_iou[_before(whole, 17)]
    assert len(expected) > 0
    np.testing.assert_allclose(found.predicted_iou, expected, atol=1e-6)
    # Nothing stays behind in the network.
    assert not any(m._forward_pre_hooks for m in model.network.modules())
    assert len(select(found, BASE.replace(crop_n_layers=1))) > 0


def _before(candidates: Candidates, prompts: int) -> np.ndarray:
    x, y = (candidates.points / np.array([200, 150]) * 6).astype(int).T
    return y * 6 + x < prompts


def test_nan_in_features_is_an_error(model: Model) -> None:
    network = small_network(0)
    network.image_encoder.neck.convs[0].conv.bias[0] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        propose(VIEW, BASE, as_model(network))


def test_nan_in_the_decoder_is_an_error() -> None:
    network = small_network(0)
    network.sam_mask_decoder.iou_token.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        propose(VIEW, BASE, as_model(network))


def test_no_mask_with_crops_is_an_empty_result(model: Model) -> None:
    """Meta's generator dies here of a missing entry."""
    settings = BASE.replace(pred_iou_thresh=1.0, crop_n_layers=1, points_per_side=2)
    masks = run_ours(model, VIEW, settings)
    assert len(masks) == 0
    assert masks.shape == (150, 200)
    with pytest.raises(Exception, match=r".*"):
        run_meta(model, VIEW, settings)


def test_tiny_images_have_crops_without_pixels(model: Model) -> None:
    settings = BASE.replace(crop_n_layers=3, points_per_side=2, crop_overlap_ratio=0.0)
    candidates = propose(blobs((5, 6)), settings, model)
    x0, y0, x1, y1 = candidates.crop_boxes.T
    assert (x1 > x0).all() and (y1 > y0).all()
    assert candidates.complete


@pytest.mark.parametrize(
    "view",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3)),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=lambda v: f"{v.shape} {v.dtype}",
)
def test_what_is_no_view_is_refused(model: Model, view: np.ndarray) -> None:
    with pytest.raises(ImageError, match="to_model_view"):
        propose(view, BASE, model)


def test_gradients_and_model_are_left_alone(model: Model) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    propose(VIEW, BASE, model)
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert torch.is_grad_enabled()
    assert replace(BASE) == BASE

"""How often a run waits for a GPU, seen without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import FakeGPU
from parity_kit import blobs, small_network

from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.engine import memory, proposal_run
from napari_sam2_automask.engine.decoder import mask_measures
from napari_sam2_automask.engine.encoder.encode import encode
from napari_sam2_automask.engine.points.grid import Crop
from napari_sam2_automask.engine.prompting import Answer, Asker
from napari_sam2_automask.settings.amg import AmgSettings

VIEW = blobs((90, 120), scale=0.1)


def _ask(gpu: FakeGPU, network: Any, features: Any, count: int, **changes: Any) -> Answer:
    settings = AmgSettings(pred_iou_thresh=0.5, **changes)
    points = np.random.default_rng(0).uniform(0, 90, (count, 2)).astype(np.float32)
    crop = Crop(0, (0, 0, 120, 90), points)
    asker = Asker(
        gpu.network(network), settings, Floor.of(settings), crop, (90, 120), gpu.features(features), count
    )
    before = gpu.waits
    answer = asker.ask(points, lambda: None)
    gpu.waits -= before
    return answer


@pytest.mark.parametrize("points", [16, 64, 256])
def test_a_batch_is_waited_for_four_times_whatever_its_size(points: int) -> None:
    """Which masks pass, how many of their cells are mixed, their measures, and the logits of those kept."""
    network = small_network(0)
    with torch.inference_mode():
        features = encode(network, VIEW, lambda: None)
    with FakeGPU() as gpu:
        answer = _ask(gpu, network, features, points)
    assert answer.found > points
    assert len(answer.store.found) == answer.found
    assert gpu.waits == 4


@pytest.mark.parametrize(
    ("changes", "masks", "waits"),
    [
        # Once more, for which of two is the single mask.
        ({"multimask_output": False}, 64, 5),
        # Of each hundred that are asked again, which are rated above the floor, and which of two each is.
        ({"use_m2m": True}, 3 * 64, 4 + 2 * 2),
    ],
    ids=["single masks", "asked again"],
)
def test_what_is_waited_for_more_often(changes: dict[str, bool], masks: int, waits: int) -> None:
    network = small_network(0)
    with torch.inference_mode():
        features = encode(network, VIEW, lambda: None)
    with FakeGPU() as gpu:
        answer = _ask(gpu, network, features, 64, **changes)
    assert 0 < answer.found <= masks
    assert gpu.waits == waits


def test_a_larger_batch_starts_fewer_operations_for_each_point() -> None:
    network, started = small_network(0), {}
    with torch.inference_mode():
        features = encode(network, VIEW, lambda: None)
    for points in (64, 256):
        with FakeGPU() as gpu:
            _ask(gpu, network, features, points)
        started[points] = gpu.operations / points
    assert started[256] < 0.6 * started[64]


@pytest.mark.parametrize(
    ("free", "batch", "lanes"), [(80e9, 256, 2), (4e9, 128, 2), (1e9, 64, 2), (1e8, 64, 1)]
)
def test_batches_are_asked_as_one_where_memory_is_free(
    monkeypatch: pytest.MonkeyPatch, network: Any, free: float, batch: int, lanes: int
) -> None:
    monkeypatch.setattr(proposal_run.Proposal, "_device", torch.device("cuda"))
    monkeypatch.setattr(memory, "is_cpu", lambda device: False)
    monkeypatch.setattr(memory, "available", lambda device: int(free))
    monkeypatch.setattr(proposal_run, "check_budget", lambda *args: None)
    proposal = proposal_run.Proposal(VIEW, AmgSettings(), network, lambda _: None, None, [])
    assert (proposal._batch, proposal._cores) == (batch, lanes)


def test_what_needs_a_value_is_noticed() -> None:
    """The counting would count nothing if values could be had elsewhere."""
    with FakeGPU():
        on_device = torch.empty(3, device="cuda")
        for need in (
            lambda x: bool(x.any()),
            lambda x: x.nonzero(),
            lambda x: x[x > 0],
            lambda x: float(x[0]),
        ):
            with pytest.raises(Exception, match=r"aten\.(_local_scalar_dense|nonzero)"):
                need(on_device)
        for need in (
            lambda: on_device.cpu(),
            lambda: torch.zeros(3).to("cuda"),
            lambda: on_device.copy_(torch.zeros(3)),
            lambda: on_device[[0, 2]],
        ):
            with pytest.raises(AssertionError, match="waits"):
                need()
        torch.zeros(3).to("cuda", non_blocking=True)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_places_are_those_of_nonzero(share: float) -> None:
    true = torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(0)) < share
    places = mask_measures._places(true, int(true.sum()))
    for ours, right in zip(places, true.nonzero(as_tuple=True), strict=True):
        assert torch.equal(ours, right)


def test_no_masks_are_measured_too() -> None:
    resizer = mask_measures.Resizer((8, 8), (20, 20), 0.0, 1.0, torch.device("cpu"))
    measures = resizer.measure(torch.zeros(0, 8, 8), torch.ones(2, 8, 8))
    assert measures.area.tolist() == [400, 400]

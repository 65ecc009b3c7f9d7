"""Proposing: progress, cancelling, repetition, floors, and what is refused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from parity_kit import (
    as_model,
    blobs,
    calibrate,
    in_single_precision,
    rounding_of,
    run_meta,
    run_ours,
    small_network,
)  # fmt: skip

from napari_sam2_automask.candidates.candidates import BEYOND_MEMORY, Candidates, Floor
from napari_sam2_automask.engine import (
    crop_features,
    estimate,
    memory,
    prompting as asking,
    proposal_run as proposing,
    propose,
)
from napari_sam2_automask.engine.decoder.low_rank import LowRankDecoder
from napari_sam2_automask.engine.decoder.mask_prompts import MaskPrompts
from napari_sam2_automask.engine.decoder.plain import PlainDecoder
from napari_sam2_automask.engine.decoder.upscaling import Upscaler
from napari_sam2_automask.engine.encoder import half_precision
from napari_sam2_automask.engine.encoder.cache import FeatureCache, features_cache
from napari_sam2_automask.engine.encoder.encode import Features, encode
from napari_sam2_automask.errors import ImageError, MemoryBudgetError, ModelError
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.selection.selecting import select
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam2_automask.models import Model

VIEW = blobs((150, 200), seed=1, scale=0.15)
BASE = AmgSettings(points_per_side=6, pred_iou_thresh=0.6, stability_score_thresh=0.7, box_nms_thresh=0.85)


@pytest.fixture(scope="module")
def model() -> Model:
    network = small_network(0)
    calibrate(network, VIEW)
    return as_model(network)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    features_cache.clear()


def _same(a: Candidates, b: Candidates) -> bool:
    names = ("predicted_iou", "stability_score", "points", "boxes", "area", "crop_index")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names) and np.array_equal(
        a.windows.values, b.windows.values
    )


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Set torch's threads for the time of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_bitwise_equal_on_repetition(model: Model, cores: int, torch_threads: Callable[[int], None]) -> None:
    torch_threads(cores)
    settings = BASE.replace(crop_n_layers=1)
    first = propose(VIEW, settings, model)
    assert len(first) > 0
    assert _same(first, propose(VIEW, settings, model))
    assert torch.get_num_threads() == cores


@pytest.mark.parametrize("batch", [1, 5, 4096])
def test_another_batch_size_gives_the_same_masks(model: Model, batch: int) -> None:
    whole = select(propose(VIEW, BASE, model), BASE)
    other = select(propose(VIEW, BASE.replace(points_per_batch=batch), model), BASE)
    assert len(whole) == len(other) > 0
    exact = in_single_precision(VIEW, BASE, model)
    for k, row in enumerate(whole.rows.tolist()):
        a, b = whole.full(k), other.full(k)
        if (a & b).sum() / (a | b).sum() >= 0.999:
            continue
        # A small mask of which one pixel's logit lies on the threshold, within rounding: a tie.
        y0, x0, logits = exact.logits(row)
        at_stake = np.full(a.shape, np.inf, np.float32)
        at_stake[y0 : y0 + logits.shape[0], x0 : x0 + logits.shape[1]] = logits - BASE.mask_threshold
        assert np.abs(at_stake[a ^ b]).max() <= rounding_of(exact, row)


@pytest.mark.parametrize("changes", [{}, {"multimask_output": False}, {"use_m2m": True}], ids=str)
def test_the_way_of_a_gpu_gives_the_same_masks(
    model: Model, changes: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BASE.replace(crop_n_layers=1, **changes)
    expected = propose(VIEW, settings, model)
    batches, original = [], Upscaler.batch
    monkeypatch.setattr(asking, "is_cpu", lambda device: False)
    monkeypatch.setattr(Upscaler, "batch", lambda *args: batches.append(len(args[-1])) or original(*args))
    found = propose(VIEW, settings, model)
    assert len(found) == len(expected) > 0
    assert 1 < max(batches) <= 16
    np.testing.assert_allclose(found.predicted_iou, expected.predicted_iou, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.sort(found.area), np.sort(expected.area), atol=3)
    assert found.removed == expected.removed


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_half_precision_is_for_cuda_only(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = propose(VIEW, BASE, model)
    assert _same(propose(VIEW, BASE.replace(half_precision=True), model), expected)
    assert half_precision.is_half(BASE.replace(half_precision=True), torch.device("cuda"))
    assert not half_precision.is_half(BASE, torch.device("cuda"))
    keys: list[str] = []
    original = FeatureCache.get
    monkeypatch.setattr(crop_features, "is_half", lambda settings, device: settings.half_precision)
    monkeypatch.setattr(crop_features, "encode_in_half", lambda _, run: run())
    monkeypatch.setattr(
        FeatureCache, "get", lambda self, *args: keys.append(args[-1]) or original(self, *args)
    )
    for settings in (BASE, BASE.replace(half_precision=True)):
        propose(VIEW, settings, model)
    assert keys == ["", "half"]


def test_what_exceeds_the_memory_for_candidates_is_left_out_whatever_the_batch(model: Model) -> None:
    settings = BASE.replace(crop_n_layers=1, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    whole = propose(VIEW, settings, model)
    limit = int(whole.windows.counts.sum() // 3)
    found = []
    for batch in (3, 64):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(proposing, "most_bytes", lambda settings: limit)
            found.append(propose(VIEW, settings.replace(points_per_batch=batch), model))
    for some in found:
        assert 0 < len(some) < len(whole)
        assert some.windows.counts.sum() <= limit
        assert some.removed[BEYOND_MEMORY] == len(whole) - len(some)
        np.testing.assert_allclose(some.predicted_iou, whole.predicted_iou[: len(some)], atol=1e-5)
    assert len(found[0]) == len(found[1])


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
    monkeypatch.setattr("napari_sam2_automask.engine.proposal_run._REPORT", 0.0)
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
    monkeypatch.setattr("napari_sam2_automask.engine.proposal_run._REPORT", 0.0)
    whole = propose(VIEW, BASE, model)

    def stop(p: Progress) -> None:
        if p.stage == stage and p.done >= (0 if stage == "points" else 1):
            raise Cancelled

    with pytest.raises(Cancelled) as caught:
        propose(VIEW, BASE.replace(crop_n_layers=1), model, progress=stop)
    found = caught.value.candidates
    assert found is not None and not found.complete
    # A batch counts as a whole or not at all.
    assert found.prompts[0] == (0 if stage == "points" else 36)
    expected = whole.predicted_iou[: 0 if stage == "points" else None]
    np.testing.assert_allclose(found.predicted_iou, expected, rtol=0, atol=1e-5)
    assert sum(found.removed.values()) + len(found) == 3 * found.prompts[0]
    # Nothing stays behind in the network.
    assert not any(m._forward_pre_hooks for m in model.network.modules())
    assert not any("forward" in vars(m) for m in model.network.modules())
    assert (len(select(found, BASE.replace(crop_n_layers=1))) > 0) == (stage == "encoder")


def test_a_batch_that_was_finished_stays(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2_automask.engine.proposal_run._REPORT", 0.0)

    def stop(p: Progress) -> None:
        if p.stage == "points" and p.done >= 16:
            raise Cancelled

    with pytest.raises(Cancelled) as caught:
        propose(VIEW, BASE, model, progress=stop)
    found = caught.value.candidates
    assert found is not None and found.prompts == (16, 36)
    whole = propose(VIEW, BASE, model)
    x, y = (whole.points / np.array([200, 150]) * 6).astype(int).T
    assert np.array_equal(found.predicted_iou, whole.predicted_iou[y * 6 + x < 16])


ERRORS = [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(
    "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"
)]  # fmt: skip
# Every way into the model.
CALLS = [
    (crop_features, "encode_together"),
    (asking, "LowRankDecoder"),
    (asking.Asker, "_embed"),
    (LowRankDecoder, "_transform"),
    (Upscaler, "logits"),
    (asking.Asker, "_keep"),
    (MaskPrompts, "weights"),
    (PlainDecoder, "_decode"),
]


def _fail_at(call: int, error: Exception, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that one of its calls fails, counted from one."""
    calls = itertools.count(1)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            raise error
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [(*call, error) for call, error in zip(CALLS, itertools.cycle(ERRORS), strict=False)],
    ids=lambda o: getattr(o, "__name__", None) or (o if isinstance(o, str) else type(o).__name__),
)
@pytest.mark.parametrize(("call", "cores"), [(1, 1), (2, 2)])
def test_out_of_memory_changes_nothing(
    model: Model,
    owner: object,
    name: str,
    error: Exception,
    call: int,
    cores: int,
    monkeypatch: pytest.MonkeyPatch,
    torch_threads: Callable[[int], None],
) -> None:
    """Memory runs out once, in whichever call of the model, and the result is the same."""
    settings = BASE.replace(use_m2m=owner is MaskPrompts, points_per_side=6, crop_n_layers=call - 1)
    if owner is PlainDecoder:
        monkeypatch.setattr(asking, "fits", lambda network: False)
    torch_threads(cores)
    expected = propose(VIEW, settings, model)
    features_cache.clear()
    original, failed = getattr(owner, name), []
    monkeypatch.setattr(owner, name, _fail_at(call, error, original))
    monkeypatch.setattr(proposing, "release", lambda device: failed.append(device))
    found = propose(VIEW, settings, model)
    assert len(failed) == 1
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.predicted_iou, expected.predicted_iou, rtol=0, atol=1e-5)
    # Pixels whose logit is the threshold may differ with the batch.
    np.testing.assert_allclose(np.sort(found.area), np.sort(expected.area), atol=3)
    assert found.removed == expected.removed


@pytest.mark.parametrize(("owner", "name"), [CALLS[0], CALLS[3]], ids=lambda o: getattr(o, "__name__", o))
def test_a_gpu_without_enough_memory_leaves_it_to_the_cpu(
    owner: object, name: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network counts as one on a GPU, whose memory suffices for nothing; its copy does the work."""
    expected = propose(VIEW, BASE, model)
    features_cache.clear()
    original, copies = getattr(owner, name), []

    def only_on_cpu(*args: Any, **kwargs: Any) -> Any:
        if not copies:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(*args, **kwargs)

    real = proposing.copy_on_cpu
    monkeypatch.setattr(proposing, "is_cpu", lambda device: bool(copies))
    monkeypatch.setattr(proposing, "copy_on_cpu", lambda network: copies.append(real(network)) or copies[0])
    monkeypatch.setattr(owner, name, only_on_cpu)
    found = propose(VIEW, BASE, model)
    assert len(copies) == 1 and copies[0] is not model.network
    assert _same(found, expected)


@torch.inference_mode()
def test_half_precision_stays_near_single_precision(network: Model) -> None:
    """On a CPU, which rounds alike. Only a Hiera trunk has perceptrons that are worth it."""
    own = small_network(0)
    single = encode(own, VIEW, lambda: None)
    (half,) = half_precision.encode_in_half(own, lambda: [encode(own, VIEW, lambda: None)])
    again = encode(own, VIEW, lambda: None)
    for a, b, c in zip(*((x.image_embed, *x.high_res) for x in (single, half, again)), strict=True):
        assert b.dtype == torch.float32
        assert 0 < float((a - b).abs().max()) < 0.01 * float(a.abs().max())
        assert torch.equal(a, c)
    bundled = network.network
    (half,) = half_precision.encode_in_half(bundled, lambda: [encode(bundled, VIEW, lambda: None)])
    assert torch.equal(half.image_embed, encode(bundled, VIEW, lambda: None).image_embed)


@torch.inference_mode()
def test_what_half_precision_cannot_hold_is_computed_again() -> None:
    own = small_network(0)
    for block in own.image_encoder.trunk.blocks:
        block.mlp.layers[0].bias.fill_(1e6)  # beyond the largest number of half precision
    single = encode(own, VIEW, lambda: None)
    (found,) = half_precision.encode_in_half(own, lambda: [encode(own, VIEW, lambda: None)])
    assert torch.equal(found.image_embed, single.image_embed)


@pytest.mark.parametrize("fails", [False, True])
def test_crops_that_pass_the_encoder_together_give_the_same_masks(
    fails: bool, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: four crops in a pass; if memory does not suffice for that, each by itself."""
    settings = BASE.replace(crop_n_layers=1)
    expected = propose(VIEW, settings, model)
    features_cache.clear()
    original, passes = crop_features.encode_together, []

    def encode(network: Any, views: Any, tick: Any) -> Any:
        passes.append(len(views))
        if fails and len(views) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(network, views, tick)

    monkeypatch.setattr(crop_features, "encode_together", encode)
    monkeypatch.setattr(crop_features, "_TOGETHER", {"cpu": 4 * model.image_size**2})
    found = propose(VIEW, settings, model)
    assert passes == ([4, 1, 1, 1, 1, 1] if fails else [4, 1])
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.predicted_iou, expected.predicted_iou, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.sort(found.area), np.sort(expected.area), atol=3)
    passes.clear()
    again = propose(VIEW, settings, model)
    assert _same(again, found) and not passes, "features are kept"
    if not fails:
        propose(VIEW, settings.replace(points_per_side=4), model)
        assert not passes


def test_memory_that_never_suffices_is_said(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(LowRankDecoder, "_transform", fail)
    with pytest.raises(MemoryBudgetError, match="not enough memory"):
        propose(VIEW, BASE, model)


def test_a_run_that_cannot_fit_is_refused_before_it_starts(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda device: 1_000_000)
    with pytest.raises(MemoryBudgetError, match=r"needs about \d.* GB, but only 0.0 GB"):
        propose(VIEW, BASE, model, progress=_never)


def _never(p: Progress) -> None:
    raise AssertionError(p)


def test_the_same_image_is_encoded_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    original = crop_features.encode_together
    monkeypatch.setattr(crop_features, "encode_together", lambda *a: passes.append(1) or original(*a))
    features_cache.clear()
    first = propose(VIEW, BASE, model)
    again = propose(VIEW, BASE, model)
    assert len(passes) == 1 and _same(first, again)
    propose(VIEW, BASE.replace(points_per_side=3), model)
    assert len(passes) == 1
    other = VIEW.copy()
    other[0, 0, 0] ^= 1
    propose(other, BASE, model)
    assert len(passes) == 2
    model.network.no_mem_embed.add_(0.0)  # a change of the weights
    propose(VIEW, BASE, model)
    assert len(passes) == 3


def test_features_kept_have_a_limit(model: Model) -> None:
    cache = FeatureCache(limit=1)
    views = [np.full((8, 8, 3), i, np.uint8) for i in range(3)]
    computed = []

    def make(i: int):
        features = Features(torch.zeros(1, 4, 2, 2), ())
        return lambda: (computed.append(i), features)[1]

    for i in (0, 1, 2, 2, 0):
        cache.get(model.network, views[i], make(i))
    assert computed == [0, 1, 2, 0]


def test_estimates_are_learnt(model: Model) -> None:
    fresh = replace(model, name="never run")
    assert estimate(BASE, (150, 200), fresh) == {"encoder_passes": 1, "point_prompts": 36, "seconds": None}
    features_cache.clear()
    propose(VIEW, BASE, fresh)
    one = estimate(BASE, (150, 200), fresh)["seconds"]
    assert one is not None and one > 0
    more = estimate(BASE.replace(crop_n_layers=1), (150, 200), fresh)
    assert more["seconds"] == pytest.approx(5 * one)


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

"""Products by MKL and by oneDNN are the same, and everything works without either's help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from parity_kit import as_model, blobs, calibrate, small_network

from napari_sam2_automask.engine import propose
from napari_sam2_automask.engine.encoder import encode
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.tensors import products
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable

onednn_only = pytest.mark.skipif(not products.has_onednn(), reason="this torch has no MKL beside oneDNN")


def _use(monkeypatch: pytest.MonkeyPatch, onednn: bool) -> None:
    for room in (products, encode):
        monkeypatch.setattr(room, "by_onednn", lambda: onednn)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


_LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dense": lambda x: x,
    "transposed": lambda x: x.mT.contiguous().mT,
    "part of more": lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
    "every other": lambda x: x.repeat_interleave(2, -1)[..., ::2],
}


@pytest.mark.parametrize("onednn", [pytest.param(True, marks=onednn_only), False])
@pytest.mark.parametrize("prompts", [(), (3,)], ids=str)
@pytest.mark.parametrize("of_a", _LAYOUTS)
@pytest.mark.parametrize("of_b", _LAYOUTS)
def test_products_in_every_layout(
    monkeypatch: pytest.MonkeyPatch, onednn: bool, prompts: tuple[int, ...], of_a: str, of_b: str
) -> None:
    _use(monkeypatch, onednn)
    a, b = _LAYOUTS[of_a](_random(*prompts, 6, 16)), _LAYOUTS[of_b](_random(*prompts, 16, 40))
    right = (a.double() @ b.double()).float()
    torch.testing.assert_close(products.product(a, b), right)
    torch.testing.assert_close(products.product(a, b, torch.full_like(right, torch.nan)), right)
    to = _random(*right.shape)
    torch.testing.assert_close(products.add_product(to.clone(), a, b), to + right)


@onednn_only
@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers(monkeypatch: pytest.MonkeyPatch, bias: bool) -> None:
    _use(monkeypatch, True)
    layer = torch.nn.Linear(12, 20, bias=bias)
    x = _random(2, 5, 7, 12).transpose(1, 2)
    with torch.inference_mode():
        torch.testing.assert_close(products.linear(x, layer.weight, layer.bias), layer(x))


@onednn_only
def test_the_encoder_gives_its_layers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    network, view = small_network(0), blobs((64, 64))
    linears = [m for m in network.image_encoder.modules() if isinstance(m, torch.nn.Linear)]
    assert linears
    seen = []

    def tick() -> None:
        seen.append(sum("forward" in vars(layer) for layer in linears))

    with torch.inference_mode():
        _use(monkeypatch, False)
        plain = encode.encode(network, view, tick)
        assert not any(seen)
        _use(monkeypatch, True)
        suited = encode.encode(network, view, tick)
    assert seen[-1] == len(linears)
    assert not any("forward" in vars(layer) for layer in linears)
    torch.testing.assert_close(suited.image_embed, plain.image_embed)


@onednn_only
def test_the_same_masks_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    view, model = blobs((90, 120)), as_model(small_network(0))
    calibrate(model.network, view, points=6)
    found = []
    for onednn in (True, False):
        _use(monkeypatch, onednn)
        features_cache.clear()
        found.append(propose(view, AmgSettings(points_per_side=6, stability_score_thresh=0.5), model))
    assert len(found[0]) > 5
    assert np.array_equal(found[0].points, found[1].points)
    assert np.abs(found[0].boxes - found[1].boxes).max() <= 1
    np.testing.assert_allclose(found[0].predicted_iou, found[1].predicted_iou, atol=1e-5)


def test_another_processor_or_torch_leaves_all_to_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = products.by_onednn.__wrapped__
    monkeypatch.setattr(products, "has_onednn", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(products, "_maker", lambda: "vendor_id\t: AuthenticAMD")
    assert decide()
    monkeypatch.setattr(products, "_maker", lambda: "vendor_id\t: GenuineIntel")
    assert not decide()
    monkeypatch.setattr(products, "_maker", lambda: "AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD")
    assert decide()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not decide()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(products, "has_onednn", lambda: False)
    assert not decide()

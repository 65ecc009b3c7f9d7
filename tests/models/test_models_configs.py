"""Our Python configurations against the YAML files of the installed sam2 package."""

from __future__ import annotations

import functools
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from napari_sam2_automask.models import build_official, import_sam2
from napari_sam2_automask.models.networks.configs import CONFIGS, ModelConfig, build_network, get_config

import_sam2()

import sam2  # noqa: E402
from sam2.modeling.backbones.hieradet import Hiera  # noqa: E402
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder  # noqa: E402
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer  # noqa: E402
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder  # noqa: E402
from sam2.modeling.position_encoding import PositionEmbeddingSine  # noqa: E402
from sam2.modeling.sam.transformer import RoPEAttention  # noqa: E402
from sam2.modeling.sam2_base import SAM2Base  # noqa: E402

from napari_sam2_automask.models.networks.bundled import build_bundled  # noqa: E402
from napari_sam2_automask.models.networks.rope import CpuRoPEAttention  # noqa: E402

CLASSES = (
    Hiera, FpnNeck, ImageEncoder, MemoryAttention, MemoryAttentionLayer, CXBlock, Fuser, MaskDownSampler,
    MemoryEncoder, PositionEmbeddingSine, SAM2Base, RoPEAttention, CpuRoPEAttention,
)  # fmt: skip
POSTPROCESSING = {  # what build_sam2 adds to the YAML by default
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


@pytest.fixture
def _no_initialisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave weights as they are allocated: only names, shapes and arguments matter, and large is large."""
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: None)
    monkeypatch.setattr(torch.nn.Conv2d, "reset_parameters", lambda self: None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Record every construction of a sam2 module: its class and all its arguments, defaults included."""
    recorded: list[tuple[str, dict[str, Any]]] = []
    for cls in CLASSES:
        original = cls.__init__
        signature = inspect.signature(original)

        def recording(self, *args, _original=original, _signature=signature, _cls=cls, **kwargs):
            bound = _signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            plain = {}
            for name, value in bound.arguments.items():
                if name == "self" or isinstance(value, torch.nn.Module):
                    continue
                plain.update(value if name == "kwargs" else {name: _comparable(value)})
            recorded.append((_cls.__name__.removeprefix("Cpu"), plain))
            _original(self, *args, **kwargs)

        monkeypatch.setattr(cls, "__init__", functools.wraps(original)(recording))
    return recorded


def _comparable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _from_yaml(node: Any) -> Any:
    """Construct what a YAML node names: hydra's instantiate, without hydra."""
    if isinstance(node, dict):
        arguments = {name: _from_yaml(value) for name, value in node.items() if name != "_target_"}
        if "_target_" not in node:
            return arguments
        module, _, name = node["_target_"].rpartition(".")
        return getattr(importlib.import_module(module), name)(**arguments)
    return [_from_yaml(value) for value in node] if isinstance(node, list) else node


def _yaml_network(config: ModelConfig) -> SAM2Base:
    path = Path(sam2.__file__).parent / config.yaml_name
    node = OmegaConf.to_container(OmegaConf.load(path), resolve=True)["model"]
    return _from_yaml({**node, "sam_mask_decoder_extra_args": POSTPROCESSING})


def _sorted(calls: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, list[tuple[str, Any]]]]:
    return sorted(((name, sorted(plain.items())) for name, plain in calls), key=repr)


@pytest.mark.usefixtures("_no_initialisation")
@pytest.mark.parametrize("name", CONFIGS)
def test_same_arguments_and_weights_as_the_yaml(name: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    theirs = _yaml_network(CONFIGS[name])
    their_calls = list(calls)
    calls.clear()
    ours = build_network(CONFIGS[name])

    # The one argument in which we differ on purpose: no tables on the GPU.
    for recorded, warmup in ((calls, False), (their_calls, True)):
        for cls, arguments in recorded:
            if cls == "PositionEmbeddingSine":
                assert arguments.pop("warmup_cache") is warmup
    assert len(calls) > 10
    assert _sorted(calls) == _sorted(their_calls)
    assert {key: value.shape for key, value in ours.state_dict().items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }


def test_rope_attention_computes_what_the_stock_one_does() -> None:
    arguments = {"embedding_dim": 32, "num_heads": 1, "feat_sizes": [4, 6], "rope_theta": 100.0}
    torch.manual_seed(0)
    stock = RoPEAttention(**arguments)
    ours = CpuRoPEAttention(**arguments)
    ours.load_state_dict(stock.state_dict())
    tokens = torch.rand(1, 24, 32)
    assert torch.equal(ours.freqs_cis, stock.freqs_cis.cpu())
    with torch.inference_mode():
        assert torch.equal(ours(tokens, tokens, tokens), stock.cpu()(tokens, tokens, tokens))


def test_nothing_is_put_on_a_gpu_while_building(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    moved = []
    original = torch.Tensor.to
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, *args, **kw: moved.append(args) or original(self, "cpu")
    )
    RoPEAttention(embedding_dim=32, num_heads=1)
    assert moved == [("cuda",)]  # what stock sam2 does, so that this test is known to see it
    moved.clear()
    for network in (build_network(get_config("tiny")), build_bundled()):
        assert not [args for args in moved if "cuda" in str(args)]
        encodings = [module for module in network.modules() if isinstance(module, PositionEmbeddingSine)]
        assert encodings and not any(module.cache for module in encodings)


def test_build_official_is_reproducible_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first, same, other = build_official("tiny", 3), build_official("tiny", 3), build_official("tiny", 4)
    assert torch.equal(torch.rand(1), expected)
    weights = [model.network.state_dict()["maskmem_tpos_enc"] for model in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not first.network.training
    assert not any(parameter.requires_grad for parameter in first.network.parameters())


@pytest.mark.parametrize("before", ["nothing", "imported", "initialised"])
def test_importing_sam2_leaves_the_global_hydra_alone(before: str) -> None:
    prepare = {
        "nothing": "",
        "imported": "from hydra.core.global_hydra import GlobalHydra",
        "initialised": "import hydra; hydra.initialize_config_module('json', version_base='1.1')",
    }[before]
    code = f"""
import sys
{prepare}
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from omegaconf.basecontainer import BaseContainer
had = GlobalHydra.instance().hydra
version, resolvers = VersionBase.instance().getbase(), dict(BaseContainer._resolvers)
from napari_sam2_automask.models import build_official, import_sam2
import_sam2()
assert "sam2" in sys.modules
import sam2.modeling.sam2_base
assert GlobalHydra.instance().hydra is had
assert GlobalHydra.instance().is_initialized() is ({before!r} == "initialised")
assert VersionBase.instance().getbase() is version
assert BaseContainer._resolvers == resolvers
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_a_failing_import_of_sam2_is_told_and_leaves_hydra_alone() -> None:
    code = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "sam2":
            raise ImportError("no sam2 here")

sys.meta_path.insert(0, Blocker())
from hydra.core.global_hydra import GlobalHydra
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models import import_sam2
try:
    import_sam2()
except ModelError as error:
    assert "no sam2 here" in str(error) and "pip install sam2==1.1.0" in str(error), error
else:
    raise SystemExit("no error")
assert not GlobalHydra.instance().is_initialized()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr

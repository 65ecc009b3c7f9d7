"""Loading: what a file is told to be, what is refused, and what a loaded model is like."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models import (
    Model,
    ModelEntry,
    build_official,
    list_models,
    load_model,
    meta_generator,
    resolve_device,
    verify,
)
from napari_sam2_automask.models.catalogue.hashing import sha256_of
from napari_sam2_automask.models.catalogue.identity import sha256_of_model
from napari_sam2_automask.models.networks.building import untrained_network
from napari_sam2_automask.models.networks.configs import CONFIGS, build_network
from napari_sam2_automask.models.networks.recognise import recognise
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.settings.amg import AmgSettings

Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def tiny() -> Weights:
    return untrained_network(CONFIGS["sam2.1-tiny"], seed=5).state_dict()


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def same(model: Model, weights: Weights) -> bool:
    found = model.network.state_dict()
    return found.keys() == weights.keys() and all(torch.equal(found[key], weights[key]) for key in weights)


# ---- recognising ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_is_told_from_its_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: None)
    shapes = {key: tuple(value.shape) for key, value in build_network(CONFIGS[name]).state_dict().items()}
    config = recognise(shapes)
    assert config is not None and config.name == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("image_encoder.patch_embed.proj.weight", "SAM 1"),
        ("image_encoder.layers.0.blocks.0.conv1.c.weight", "MobileSAM"),
        ("vision_encoder.backbone.patch_embed.projection.weight", "transformers"),
        ("detector.backbone.vision_backbone.trunk.patch_embed.proj.weight", "SAM 3"),
        ("image_encoder.trunk.body.stem.conv.weight", "EdgeTAM"),
        ("encoder.conv1.weight", "'encoder.conv1.weight'"),
    ],
)
def test_other_architectures_are_called_by_their_names(tmp_path: Path, name: str, says: str) -> None:
    path = saved(tmp_path / "other.pt", {"model": {name: torch.zeros(2)}})
    with pytest.raises(ModelError, match=says) as caught:
        load_model(path)
    assert str(path) in str(caught.value) and "Choose" in str(caught.value)


def test_a_trunk_of_no_known_size_is_refused(tmp_path: Path, tiny: Weights) -> None:
    short = {key: value for key, value in tiny.items() if ".blocks.11." not in key}
    with pytest.raises(ModelError, match="11 blocks from 96 channels"):
        load_model(saved(tmp_path / "short.pt", {"model": short}))


def test_half_of_what_tells_2_1_from_2_0_is_refused(tmp_path: Path, tiny: Weights) -> None:
    mixed = {key: value for key, value in tiny.items() if key != "no_obj_embed_spatial"}
    with pytest.raises(ModelError, match=r"neither SAM 2\.0 nor 2\.1"):
        load_model(saved(tmp_path / "mixed.pt", {"model": mixed}))


# ---- formats -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["metas", "bare", "safetensors", "misnamed", "training", "old"])
def test_each_form_of_file_gives_the_same_weights(tmp_path: Path, tiny: Weights, form: str) -> None:
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pt")
    if form in ("safetensors", "misnamed"):
        save_file({key: value.contiguous() for key, value in tiny.items()}, path)
    elif form == "old":
        torch.save({"model": tiny}, path, _use_new_zipfile_serialization=False)
    elif form == "training":
        saved(path, {"model": tiny, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "epoch": 3})
    else:
        saved(path, {"model": tiny} if form == "metas" else tiny)
    model = load_model(str(path), device="cpu")
    assert same(model, tiny)
    assert (model.name, model.config, model.family) == (path.name, "sam2.1-tiny", "sam2")
    assert model.sha256 == sha256_of(path, lambda done: None)
    assert not model.network.training
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert model.image_size == 1024
    assert model.feature_sizes == ((256, 256), (128, 128), (64, 64))


def test_a_sam_2_0_file_is_loaded_as_2_0(tmp_path: Path) -> None:
    weights = untrained_network(CONFIGS["sam2-tiny"]).state_dict()
    model = load_model(saved(tmp_path / "sam2_hiera_tiny.pt", {"model": weights}))
    assert model.config == "sam2-tiny"
    assert same(model, weights)


def test_half_precision_is_widened(tmp_path: Path, tiny: Weights) -> None:
    half = {key: value.half() for key, value in tiny.items()}
    model = load_model(saved(tmp_path / "half.pt", {"model": half}))
    assert same(model, {key: value.float() for key, value in half.items()})


def test_loading_leaves_the_random_state_alone(tmp_path: Path, tiny: Weights) -> None:
    path = saved(tmp_path / "weights.pt", {"model": tiny})
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    load_model(path)
    assert torch.equal(torch.rand(3), expected)


# ---- what cannot be loaded -----------------------------------------------------------------------------


def _zip_with_code(path: Path, target: Path) -> None:
    torch.save({"model": _Payload(target)}, path)


def _old_zip_with_code(path: Path, target: Path) -> None:
    torch.save({"model": _Payload(target)}, path, _use_new_zipfile_serialization=False)


def _bare_pickle_with_code(path: Path, target: Path) -> None:
    path.write_bytes(pickle.dumps({"model": _Payload(target)}, protocol=2))


class _Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("override", [False, True], ids=["", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"])
@pytest.mark.parametrize("write", [_zip_with_code, _old_zip_with_code, _bare_pickle_with_code])
def test_code_in_a_pickle_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any, override: bool
) -> None:
    target, path = tmp_path / "owned", tmp_path / "evil.pt"
    write(path, target)
    if override:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ModelError, match=r"mkdir.*refused and nothing in it was run") as caught:
        load_model(path)
    assert not target.exists()
    assert "\n" not in str(caught.value)


def test_that_payload_would_have_run(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    pickle.loads(pickle.dumps(_Payload(target)))
    assert target.exists()


def _cut(path: Path, weights: Weights) -> None:
    saved(path, {"model": weights})
    os.truncate(path, path.stat().st_size // 2)


def _cut_safetensors(path: Path, weights: Weights) -> None:
    save_file({key: value.contiguous() for key, value in weights.items()}, path)
    os.truncate(path, path.stat().st_size // 2)


def _flipped(path: Path, weights: Weights) -> None:
    saved(path, {"model": weights})
    content = bytearray(path.read_bytes())
    content[-22:] = b"\0" * 22  # where a zip file says where its table of contents is
    path.write_bytes(content)


def _bytes(content: bytes) -> Any:
    return lambda path, weights: path.write_bytes(content)


def _content(make: Any) -> Any:
    return lambda path, weights: saved(path, make(weights))


BAD_FILES = [
    ("empty", _bytes(b""), "is empty"),
    ("web page", _bytes(b"\n<!DOCTYPE html><html>Not found</html>"), "web page"),
    ("XML error", _bytes(b'<?xml version="1.0"?><Error>AccessDenied</Error>'), "web page"),
    ("LFS pointer", _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"),
    ("newer pickle", _bytes(pickle.dumps({"model": Path()}, protocol=4)), "nothing in it was run"),
    ("text", _bytes(b"hello, this is no model at all"), "not a checkpoint"),
    ("image", _bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100), "not a checkpoint"),
    ("cut zip", _cut, "damaged, cut off"),
    ("changed zip", _flipped, "damaged, cut off"),
    ("cut pickle", _bytes(pickle.dumps({"model": {"a": 1}}, protocol=2)[:-8]), "damaged"),
    ("other pickle", _bytes(b"\x80\xff nonsense"), "damaged"),
    ("other zip", lambda path, weights: zipfile.ZipFile(path, "w").writestr("a.txt", "a"), "no checkpoint"),
    ("cut safetensors", _cut_safetensors, "damaged, cut off"),
    ("safetensors header", _bytes(b"\x10\0\0\0\0\0\0\0{not json at all}"), "damaged, cut off"),
    ("a list", _content(lambda weights: list(weights.values())[:2]), "no named weights"),
    ("a tensor", _content(lambda weights: weights["no_mem_embed"]), "no named weights"),
    ("numbers", _content(lambda weights: {"model": {"lr": 0.1}}), "'lr' in it is not a weight"),
    ("no weights", _content(lambda weights: {"model": {}}), "no weights"),
    ("missing", _content(lambda w: {k: w[k] for k in w if "iou_token" not in k}), "1 weights are missing"),
    ("too many", _content(lambda weights: {**weights, "adapter.weight": torch.zeros(1)}), "'adapter.weight'"),
    ("other shape", _content(lambda w: {**w, "no_mem_embed": torch.zeros(1, 1, 9)}), r"\(1, 1, 9\) instead"),
    ("not finite", _content(lambda w: {**w, "no_mem_embed": w["no_mem_embed"] / 0}), "not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "says"), [row[1:] for row in BAD_FILES], ids=[row[0] for row in BAD_FILES])
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, tiny: Weights, write: Any, says: str) -> None:
    path = tmp_path / "bad.pt"
    write(path, tiny)
    with pytest.raises(ModelError, match=says) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(f"{path} cannot be used: ")
    assert "\n" not in text and text.endswith(".")


@pytest.mark.parametrize("source", ["no/such/file.pt", "nothing.safetensors", Path("nowhere")])
def test_a_missing_file(source: str | Path) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        load_model(source)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no model 'huge'.*bundled.*sam2\.1-large"):
        load_model("huge")


def test_an_old_torch_may_not_read_pickles(
    tmp_path: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "weights.pt", {"model": tiny})
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(ModelError, match=r"PyTorch 2\.10 or newer"):
        load_model(path)


# ---- names and networks --------------------------------------------------------------------------------


def _entry(path: Path) -> ModelEntry:
    """Return an entry for a file that lies in the model folder already."""
    return ModelEntry(
        name="test-tiny", title="", purpose="", family="sam2", file_name=path.name,
        size=path.stat().st_size, sha256=sha256_of(path, lambda done: None),
        repo="someone/tiny", revision=None, licence="CC0-1.0",
    )  # fmt: skip


def test_a_registered_model_is_loaded_from_its_checked_file(tmp_path: Path, tiny: Weights) -> None:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    entry = _entry(saved(folder / "tiny.pt", {"model": tiny}))
    reports: list[Progress] = []
    model = load_model(entry, progress=reports.append)
    assert same(model, tiny)
    assert (model.name, model.sha256) == ("test-tiny", entry.sha256)
    assert reports and all(report.stage == "download" for report in reports)


def test_a_registered_models_damaged_file_is_never_opened(
    tmp_path: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    path = saved(folder / "tiny.pt", {"model": tiny})
    entry = _entry(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("napari_sam2_automask.models.catalogue.transfer._WAITS", ())
    monkeypatch.setattr(torch, "load", lambda *args, **kw: pytest.fail("opened before it was checked"))
    with pytest.raises(ModelError, match="could not be downloaded"):
        load_model(entry)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_the_hash_is_that_of_the_weights_that_are_used(tmp_path: Path, suffix: str) -> None:
    """A file that another of the same size and time took the place of is what it is now."""
    path, one, two = (tmp_path / f"{name}.{suffix}" for name in ("model", "one", "two"))
    weights = {}
    for seed, file in enumerate((one, two)):
        weights[file] = untrained_network(CONFIGS["sam2.1-tiny"], seed=seed).state_dict()
        _save(weights[file], file)
        os.utime(file, ns=(1, 1))
    assert one.stat().st_size == two.stat().st_size
    for file in (one, two):
        path.write_bytes(file.read_bytes())
        os.utime(path, ns=(1, 1))
        model = load_model(path)
        assert same(model, weights[file])
        assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest() == sha256_of_model(str(path))


def _save(weights: Weights, path: Path) -> None:
    if path.suffix == ".pt":
        torch.save({"model": weights}, path)
    else:
        save_file({name: value.contiguous() for name, value in weights.items()}, path)


def test_a_registered_file_that_is_swapped_while_it_is_loaded_is_not_used(
    tmp_path: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    path = saved(folder / "tiny.pt", {"model": tiny})
    entry, content = _entry(path), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    # As if somebody put the right file there for as long as the check takes.
    monkeypatch.setattr("napari_sam2_automask.models.loading.download", lambda *_: path)
    with pytest.raises(ModelError, match=r"was changed while it was loaded\. Load test-tiny again"):
        load_model(entry)


def test_what_is_too_large_for_any_model_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    with path.open("wb") as file:
        file.truncate(9_000_000_000)
    with pytest.raises(ModelError, match=r"cannot be read: it has 9,000,000,000 bytes, and no model"):
        load_model(path)


def test_loading_can_be_cancelled_while_a_file_is_checked(tmp_path: Path, tiny: Weights) -> None:
    def cancel(progress: Progress) -> None:
        raise Cancelled

    path = saved(tmp_path / "weights.pt", {"model": tiny})
    with pytest.raises(Cancelled):
        load_model(path, progress=cancel)
    load_model(path)
    with pytest.raises(Cancelled):  # also when it was loaded before
        load_model(path, progress=cancel)


def test_a_network_is_taken_as_it_is() -> None:
    network = build_network(CONFIGS["sam2.1-tiny"]).train()
    model = load_model(network)
    assert model.network is network and not network.training
    assert (model.name, model.family, model.sha256, model.device.type) == ("custom", "sam2", None, "cpu")


def test_networks_that_cannot_run_are_refused() -> None:
    with pytest.raises(ModelError, match="has to be a sam2 SAM2Base, not a Linear"):
        load_model(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"network\.float\(\)"):
        load_model(build_network(CONFIGS["sam2.1-tiny"]).half())


def test_the_description_of_a_model_is_json() -> None:
    description = build_official("tiny").description()
    assert json.loads(json.dumps(description)) == description
    assert description["device"] == "cpu" and "CPU" in description["device_description"]
    assert {"name", "family", "config", "sha256", "image_size"} <= description.keys()


def test_a_file_in_the_form_of_the_bundled_model(tmp_path: Path) -> None:
    from napari_sam2_automask.models.networks.bundled import build_bundled

    weights = {key: value.half().contiguous() for key, value in build_bundled().state_dict().items()}
    save_file(weights, tmp_path / "ours.safetensors")
    model = load_model(tmp_path / "ours.safetensors")
    assert (model.name, model.family, model.config) == ("ours.safetensors", "bundled", "bundled")
    assert same(model, {key: value.float() for key, value in weights.items()})
    del weights["sam_prompt_encoder.no_mask_embed.weight"]
    save_file(weights, tmp_path / "less.safetensors")
    with pytest.raises(ModelError, match="looks like bundled, but 1 weights are missing"):
        load_model(tmp_path / "less.safetensors")


@pytest.mark.skipif(not list_models()[0].target.is_file(), reason="the bundled model is not built yet")
def test_the_bundled_model_is_there_and_small() -> None:
    model = load_model()
    assert (model.name, model.family, model.config) == ("bundled", "bundled", "bundled")
    assert model.sha256 == verify("bundled")
    assert 0 < list_models()[0].bytes <= 12_000_000
    assert list_models()[0].status == "bundled"


# ---- devices -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu")])
def test_auto_takes_the_best_device(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: int, chosen: str
) -> None:
    from napari_sam2_automask.models.runtime import devices

    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    monkeypatch.setattr(devices, "_answers", lambda kind: True)
    assert resolve_device("auto").type == chosen


def test_auto_passes_over_a_gpu_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    def broken(*args: Any, **kw: Any) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch, "ones", broken)
    assert resolve_device("auto").type == "cpu"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "CPU"])
def test_an_unknown_device(device: str) -> None:
    with pytest.raises(ModelError, match=r"Unknown device.*auto, cuda, mps, cpu"):
        load_model("bundled", device=device)


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ModelError, match="no device 'cuda:1'"):
        resolve_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="no device 'cuda'"):
        resolve_device("cuda")


# ---- Meta's generator ----------------------------------------------------------------------------------


def test_metas_generator_gets_every_parameter() -> None:
    model = build_official("tiny")
    grids = (((0.25, 0.5), (0.75, 0.5)), ((0.5, 0.5),))
    settings = AmgSettings(
        points_per_side=None, point_grids=grids, points_per_batch=3, pred_iou_thresh=0.1,
        stability_score_thresh=0.2, stability_score_offset=0.3, mask_threshold=0.4, box_nms_thresh=0.5,
        crop_n_layers=1, crop_nms_thresh=0.6, crop_overlap_ratio=0.25, crop_n_points_downscale_factor=2,
        min_mask_region_area=7, output_mode="uncompressed_rle", use_m2m=True, multimask_output=False,
    )  # fmt: skip
    generator = meta_generator(model, settings)
    assert [grid.tolist() for grid in generator.point_grids] == [[list(p) for p in grid] for grid in grids]
    for name in set(AmgSettings.__dataclass_fields__) - {"points_per_side", "point_grids"}:
        if hasattr(generator, name):
            assert getattr(generator, name) == getattr(settings, name), name
    assert generator.predictor._bb_feat_sizes == [(256, 256), (128, 128), (64, 64)]


def test_metas_generator_runs_a_model_of_another_input_size() -> None:
    from napari_sam2_automask.models.networks.bundled import build_bundled

    network = build_bundled()
    model = load_model(network)
    side = model.image_size
    assert side != 1024  # else this says nothing
    settings = AmgSettings(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    generator = meta_generator(model, settings)
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    generator.generate(image)
    assert generator.predictor._bb_feat_sizes == [(side // s, side // s) for s in (4, 8, 16)]


# ---- nothing heavy before it is needed -----------------------------------------------------------------


def test_listing_models_loads_neither_torch_nor_sam2() -> None:
    code = """
import sys
import napari_sam2_automask.models as models
text = [(m.name, m.title, m.state, m.status, m.bytes, str(m.path), m.page) for m in models.list_models()]
assert len(text) == 5
models.download, models.verify, models.model_folder()
heavy = {"torch", "sam2", "hydra", "napari", "qtpy", "pandas", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_official_entries_are_complete() -> None:
    bundled, *official = list_models()
    assert (bundled.name, bundled.state, bundled.is_bundled) == ("bundled", "bundled", True)
    assert [entry.name for entry in official] == [
        "sam2.1-tiny",
        "sam2.1-small",
        "sam2.1-base+",
        "sam2.1-large",
    ]
    for entry in official:
        assert entry.sha256 is not None and len(bytes.fromhex(entry.sha256)) == 32
        assert entry.revision is None or len(bytes.fromhex(entry.revision)) == 20
        assert entry.state == "needs download"
        assert f"{entry.bytes / 1e6:.0f} MB" in entry.status
        assert entry.file_name in entry.page and entry.repo in entry.page
        assert entry.name in CONFIGS  # names of entries and of configurations agree
    assert len({entry.sha256 for entry in official}) == 4
    names = [name for entry in list_models() for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


def test_official_entries_agree_with_the_sam2_package() -> None:
    """The package's own table says which file of which repository goes with which configuration."""
    code = """
from napari_sam2_automask.models import list_models
from napari_sam2_automask.models.networks.configs import CONFIGS
from sam2.build_sam import HF_MODEL_ID_TO_FILENAMES
for entry in list_models()[1:]:
    assert HF_MODEL_ID_TO_FILENAMES[entry.repo] == (CONFIGS[entry.name].yaml_name, entry.file_name), entry
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr

"""What is kept of images counts for what it takes, and a process grows by that and little more."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from job_kit import fake_segment, run, save
from places import ROOT

from napari_sam2_automask.engine.encoder import cache as caching
from napari_sam2_automask.engine.encoder.cache import FeatureCache, features_cache
from napari_sam2_automask.engine.encoder.encode import Features, encode_together
from napari_sam2_automask.models import load_model

VIEW = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)


def features(whole=None):
    part = torch.zeros(1, 8, 4, 4) if whole is None else whole[:1]
    return Features(part, (torch.zeros(1, 1, 16, 16), torch.zeros(1, 2, 8, 8)))


def test_a_part_of_a_tensor_counts_for_all_that_it_keeps_alive():
    assert features().nbytes == 4 * (8 * 16 + 256 + 128)
    assert features(torch.zeros(100, 8, 4, 4)).nbytes == 4 * (100 * 8 * 16 + 256 + 128)
    shared = torch.zeros(3, 8, 4, 4)
    assert Features(shared[:1], (shared[1:2], shared[2:])).nbytes == 4 * 3 * 8 * 16


@pytest.mark.parametrize("together", [1, 3])
def test_the_encoder_keeps_nothing_else_alive(together):
    model = load_model("bundled", device="cpu")
    with torch.inference_mode():
        found = encode_together(model.network, [VIEW] * together, lambda: None)
    for one in found:
        tensors = [one.image_embed, *one.high_res, one.dense]
        assert one.nbytes == sum(t.numel() * t.element_size() for t in tensors)


def test_the_limit_is_one_of_bytes_that_are_kept_alive():
    kept = FeatureCache(limit=100_000)
    network = torch.nn.Linear(1, 1)
    network.device = torch.device("cpu")
    for k in range(5):
        kept.get(network, VIEW + k, lambda: features(torch.zeros(64, 8, 4, 4)))
    assert kept.nbytes == 2 * (64 * 8 * 16 * 4 + 1536)


def test_the_heap_is_trimmed_after_features_were_computed_and_not_else(monkeypatch):
    trims = []
    monkeypatch.setattr(caching, "trim_heap", lambda: trims.append(1))
    kept, network = FeatureCache(), torch.nn.Linear(1, 1)
    network.device = torch.device("cpu")
    for expected in (1, 1):
        with kept.settling():
            kept.get(network, VIEW, features)
        assert len(trims) == expected
    network.device = torch.device("meta")
    with kept.settling():
        kept.get(network, VIEW[1:], features)
    assert len(trims) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_grows_by_what_the_cache_counts():
    command = [sys.executable, ROOT / "benchmarks" / "speed" / "kept.py", "--points", "2"]
    command += ["--images", "24", "--every", "24"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    row = json.loads(done.stdout)
    assert row["counted"] == 24 * 4_456_448
    assert row["grown"] <= 1.1 * row["counted"]


def test_a_folder_leaves_the_features_of_its_last_image_at_most(tmp_path, monkeypatch):
    network = torch.nn.Linear(1, 1)
    network.device = torch.device("cpu")
    before = []

    def segment(image, settings, model, **more):
        before.append(features_cache.nbytes)
        for k in range(2):
            features_cache.get(network, VIEW + len(before) + 100 * k, features)
        return fake_segment(image, settings, model, **more)

    monkeypatch.setattr("napari_sam2_automask.batch.job_task.segment_loaded", segment)
    features_cache.clear()
    run([save(tmp_path / "in" / f"{k}.tif", k + 1) for k in range(4)], tmp_path / "out")
    assert before == [0] * 4 and features_cache.nbytes == 2 * features().nbytes
    features_cache.clear()

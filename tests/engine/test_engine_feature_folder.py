"""Features in a folder: found again in another process, never stale, within a limit."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from parity_kit import as_model, blobs, small_network
from places import KITS

from napari_sam2_automask.engine import crop_features, keep_features_in, propose
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIEW_SOURCE = "blobs((90, 120), seed=1, scale=0.15)"
VIEW = blobs((90, 120), seed=1, scale=0.15)
ALL = AmgSettings(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    features_cache.clear()
    keep_features_in(tmp_path / "kept")
    yield tmp_path / "kept"
    keep_features_in(None)
    features_cache.clear()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each pass of the encoder."""
    seen: list[int] = []
    original = crop_features.encode_together
    monkeypatch.setattr(crop_features, "encode_together", lambda *a: seen.append(1) or original(*a))
    return seen


def test_another_process_finds_the_features(folder: Path, passes: list[int]) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(KITS)!r})
from parity_kit import as_model, blobs, small_network
from napari_sam2_automask.engine import keep_features_in, propose
from napari_sam2_automask.settings import AmgSettings
keep_features_in({str(folder)!r})
propose({VIEW_SOURCE}, {ALL!r}, as_model(small_network(0)))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert len(list(folder.iterdir())) == 1
    kept = propose(VIEW, ALL, as_model(small_network(0)))
    assert not passes
    keep_features_in(None)
    features_cache.clear()
    fresh = propose(VIEW, ALL, as_model(small_network(0)))
    assert len(passes) == 1
    assert len(fresh) > 0
    np.testing.assert_allclose(kept.predicted_iou, fresh.predicted_iou, atol=1e-5)


def test_other_pixels_or_weights_are_encoded_anew(folder: Path, passes: list[int]) -> None:
    network = small_network(0)
    propose(VIEW, ALL, as_model(network))
    other = VIEW.copy()
    other[0, 0, 0] ^= 1
    propose(other, ALL, as_model(network))
    assert len(passes) == 2
    with torch.no_grad():
        network.no_mem_embed.add_(1e-6)
    propose(VIEW, ALL, as_model(network))
    assert len(passes) == 3
    features_cache.clear()
    propose(VIEW, ALL, as_model(network))
    assert len(passes) == 3
    assert len(list(folder.iterdir())) == 3


def test_a_damaged_file_is_replaced(folder: Path, passes: list[int]) -> None:
    network = small_network(0)
    propose(VIEW, ALL, as_model(network))
    [path] = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    features_cache.clear()
    propose(VIEW, ALL, as_model(network))
    assert len(passes) == 2
    assert len(path.read_bytes()) == len(whole)


def test_the_oldest_go_first(folder: Path, passes: list[int]) -> None:
    network = small_network(0)
    propose(VIEW, ALL, as_model(network))
    [first] = folder.iterdir()
    keep_features_in(folder, limit=2 * first.stat().st_size)
    for i in (1, 2):
        propose(np.roll(VIEW, i), ALL, as_model(network))
    assert len(list(folder.iterdir())) == 2
    assert not first.exists()


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, passes: list[int]) -> None:
    (tmp_path / "file").write_text("")
    features_cache.clear()
    keep_features_in(tmp_path / "file" / "below")
    try:
        assert propose(VIEW, ALL, as_model(small_network(0))).complete
    finally:
        keep_features_in(None)
    assert len(passes) == 1

"""What a learned model says of itself; needs no torch, so that windows can be opened before it is loaded."""

from __future__ import annotations

from napari_sam2_automask.models import Card
from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["learned_card"]


def learned_card(name: str, **more) -> Card:
    """Return what a learned model says of itself."""
    presets = {"coarse": AmgSettings(), "balanced": AmgSettings(points_per_side=4), "fine": AmgSettings()}
    said = {
        "name": name, "date": "2026-01-02", "base": "bundled", "base_sha256": "0" * 64,
        "learned_from": "1" * 64, "images": 1, "objects": 17, "colours": "gray", "seed": 0, "steps": 80,
        "threads": 1, "minutes": 1.0, "measure": "accuracy", "before": 0.25, "after": 0.5,
        "weights_sha256": "2" * 64, "presets": presets,
    }  # fmt: skip
    return Card(**(said | more))

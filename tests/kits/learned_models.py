"""Learned models that nobody learned, the bundled weights under a card; and what is learned in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from learned_cards import learned_card

from napari_sam2_automask.learning import Plan
from napari_sam2_automask.models import Model, load_model, own_path, save_model
from napari_sam2_automask.models.keeping import learned_model

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["QUICK_PLAN", "discs", "put_model"]

#: As little as there can be in a step, and a check after each of forty.
QUICK_PLAN = Plan(size=64, own=1, known=1, prompts=2, more_own=1, more_known=0, checks=40)


def discs() -> tuple[np.ndarray, np.ndarray]:
    """Return an image of nine discs, and its labels."""
    labels = np.zeros((96, 96), np.int32)
    y, x = np.mgrid[:96, :96]
    for i in range(9):
        labels[np.hypot(y - 16 - 32 * (i // 3), x - 16 - 32 * (i % 3)) < 11] = i + 1
    return np.where(labels > 0, 170, 40).astype(np.uint8), labels


def put_model(name: str, shift: float = 0.0, **more) -> tuple[Path, Model]:
    """Put a model among those of this computer, in the place of one of its name; return its file and it."""
    base = load_model("bundled", device="cpu").network.state_dict()
    weights = {key: value.to(torch.float16) for key, value in base.items()}
    weights["no_mem_embed"] = weights["no_mem_embed"] + shift
    model = learned_model(weights, learned_card(name, **more), torch.device("cpu"))
    return save_model(model, own_path(name)), model

"""What is asked of each window: points, boxes, and points corrected after a first mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam2_automask.learning.network.decode import masks_of
from napari_sam2_automask.learning.network.losses import mask_loss

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["BOX_CORNERS", "correct", "prompt_losses"]

BOX_CORNERS = (2, 3)
"""How SAM 2 labels the corners of a box where it takes them as points."""
CORRECTED = 1
"""Points of each window that are asked once more with a correction."""
BOX_WEIGHT, CORRECTION_WEIGHT = 0.5, 0.25
"""Weights of these losses beside that of single points; there are fewer such prompts."""


def prompt_losses(
    model: SAM2Base, features: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor], half: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of all prompts of a batch, and what to log about it."""
    origin, maps, outlines = batch["origin"], batch["maps"].int(), batch["outlines"]

    points, ids = batch["points"][..., :2][:, :, None], batch["points"][..., 2:].int()
    labels = torch.ones(points.shape[:3], dtype=torch.int, device=points.device)
    logits, iou = masks_of(model, features, points, labels, origin, half=half)
    single = mask_loss(logits, iou, maps, ids, outlines)

    corners = batch["boxes"][..., :4].reshape(len(maps), -1, 2, 2)
    labels = torch.tensor(BOX_CORNERS, dtype=torch.int, device=points.device).expand(corners.shape[:3])
    box_logits, box_iou = masks_of(model, features, corners, labels, origin, half=half)
    # A box says which of nested objects is meant, so that all masks show that one.
    each = torch.arange(len(maps), device=points.device)
    meant = maps[each, batch["box_level"]][:, None].expand(-1, 3, -1, -1)
    box_ids = batch["boxes"][..., 4:].int().expand(-1, -1, 3)
    box = mask_loss(box_logits, box_iou, meant, box_ids, outlines)

    first = logits[:, 0].detach().view(*ids.shape[:2], *logits.shape[2:])
    again, labels, again_ids = correct(first, points[:, :, 0], ids, maps[:, 1])
    meant = maps[:, 1:2].expand(-1, 3, -1, -1)
    corrected = mask_loss(
        *masks_of(model, features, again, labels, origin, half=half), meant, again_ids, outlines
    )
    total = single.total + BOX_WEIGHT * box.total + CORRECTION_WEIGHT * corrected.total
    log = {"mask": single.mask, "iou": single.iou, "best": single.best, "gap": single.gap}
    return total, log | {"box": box.best, "corrected": corrected.best}


@torch.no_grad()
def correct(
    logits: Tensor, points: Tensor, ids: Tensor, objects: Tensor, n: int = CORRECTED
) -> tuple[Tensor, Tensor, Tensor]:
    """Answer a first mask with a second point, where it was wrong.

    Parameters
    ----------
    logits : Tensor, shape (B, K, h, w)
        The first masks, at stride 4.
    points : Tensor, shape (B, K, 2)
        What was asked.
    ids : Tensor of int, shape (B, K, 3)
        What the points lie on; those on background are not corrected if there are others.
    objects : Tensor of int, shape (B, 4 h, 4 w)
        Label map.
    n : int
        How many of the K.

    Returns
    -------
    points : Tensor of float32, shape (B, n, 2, 2)
        The old point and the new one.
    labels : Tensor of int, shape (B, n, 2)
        1, and for the new one 1 where the mask lacked it or 0 where it was too much.
    ids : Tensor of int, shape (B, n, 3)
        The object, three times.
    """
    here = torch.arange(len(ids), device=ids.device)[:, None]
    which = torch.multinomial((ids[..., 1] > 0).float() + 1e-6, n)
    name = ids[here, which, 1]
    cells = objects[:, 2::4, 2::4]
    mine = (cells[:, None] == name[..., None, None]) & (name > 0)[..., None, None]
    wrong = (logits[here, which] > 0) != mine
    # A mask without a fault, and one that shows an object too small for any cell, get any point.
    chance = wrong.flatten(2).float() + 1e-6
    at = torch.multinomial(chance.flatten(0, 1), 1).view(name.shape)
    w = cells.shape[-1]
    y, x = at // w * 4 + 2, at % w * 4 + 2
    new = torch.stack([x, y], -1).to(points.dtype)
    said = mine.flatten(2).gather(2, at[..., None])[..., 0].int()
    pair = torch.stack([points[here, which], new], 2)
    return pair, torch.stack([torch.ones_like(said), said], -1), name[..., None].expand(-1, -1, 3)

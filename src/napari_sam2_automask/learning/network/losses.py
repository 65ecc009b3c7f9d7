"""Losses of the dense head and of the masks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

OUTLINE = 0.5
"""Weight of the cross-entropy along outlines beside that in the whole box."""

__all__ = ["DenseLoss", "MaskLoss", "dense_loss", "mask_loss"]


@dataclass(frozen=True, slots=True)
class DenseLoss:
    """Parts of the dense loss, each a mean over the batch."""

    here: Tensor
    offset: Tensor
    radius: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.here + 1.5 * self.offset + 0.1 * self.radius


def dense_loss(dense: Tensor, target: Tensor, negatives: Tensor) -> DenseLoss:
    """Loss of the trunk's dense prediction.

    Parameters
    ----------
    dense : Tensor of float32, shape (B, 4, h, w)
        Object logit, offset (y, x), log radius.
    target : Tensor of float32, shape (B, 5, h, w)
        As `dense_targets` makes them.
    negatives : Tensor of float32, shape (B,) or (B, h, w)
        How far unlabelled cells count.

    Returns
    -------
    DenseLoss
        The offset's error is relative to the object's size, so that large objects do not drown small ones.
    """
    here = target[:, 0]
    trust = negatives if negatives.ndim == 3 else negatives.view(-1, 1, 1)
    weight = torch.where(here > 0.5, torch.ones_like(here), trust.expand_as(here))
    bce = F.binary_cross_entropy_with_logits(dense[:, 0], here, reduction="none")
    bce = (bce * weight).sum() / (weight.sum() + 1)
    near = target[:, 4]
    inside = (near > 0).float().sum() + 1
    error = (dense[:, 1:3] - target[:, 1:3]).square().sum(1).add(1e-4).sqrt() * 32
    offset = (error * near).sum() / inside
    radius = ((dense[:, 3] - target[:, 3]).abs() * (near > 0)).sum() / inside
    return DenseLoss(bce, offset, radius)


@dataclass(frozen=True, slots=True)
class MaskLoss:
    """Losses of a batch of prompts, and what to log about them."""

    mask: Tensor
    iou: Tensor
    best: Tensor
    gap: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.mask + self.iou


def _box_points(maps: Tensor, ids: Tensor, image: Tensor, per_mask: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random positions in the widened box of each object, whether they are on it, and the boxes."""
    size = maps.shape[-1]
    mine = maps[image] == ids.view(-1, 1, 1)
    rows, cols = mine.any(2).float(), mine.any(1).float()
    step = torch.arange(size, device=maps.device, dtype=torch.float32)

    def span(a: Tensor) -> tuple[Tensor, Tensor]:
        low = torch.where(a > 0, step, torch.full_like(step, size)).amin(1)
        high = torch.where(a > 0, step, torch.full_like(step, -1)).amax(1) + 1
        margin = 3 + 0.15 * (high - low)
        return (low - margin).clamp(0, size), (high + margin).clamp(0, size)

    (y0, y1), (x0, x1) = span(rows), span(cols)
    box = torch.stack([x0, y0, x1, y1], 1)
    u = torch.rand(len(ids), per_mask, 2, device=maps.device)
    xy = box[:, None, :2] + u * (box[:, None, 2:] - box[:, None, :2])
    pixel = xy.long().clamp(0, size - 1)
    inside = torch.gather(mine.flatten(1), 1, pixel[..., 1] * size + pixel[..., 0])
    return xy, inside, box


@torch.no_grad()
def _outline_points(
    maps: Tensor, ids: Tensor, image: Tensor, per_mask: int, width: float = 2.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Random positions within a few pixels of each object's outline.

    Returns
    -------
    xy : Tensor of float32, shape (P, per_mask, 2)
    inside : Tensor of bool, shape (P, per_mask)
        Whether they are on the object.
    known : Tensor of bool, shape (P,)
        False where the object has no outline, because it fills the window.
    """
    size = maps.shape[-1]
    edge = torch.zeros_like(maps, dtype=torch.bool)
    across, down = maps[:, :, 1:] != maps[:, :, :-1], maps[:, 1:] != maps[:, :-1]
    edge[:, :, 1:] |= across
    edge[:, :, :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    xy = torch.zeros(len(ids), per_mask, 2, device=maps.device)
    known = torch.zeros(len(ids), dtype=torch.bool, device=maps.device)
    for b in range(len(maps)):
        mine = (image == b).nonzero()[:, 0]
        y, x = edge[b].nonzero(as_tuple=True)
        names, order = maps[b, y, x].sort()
        wanted = ids[mine].to(names.dtype)
        first, last = torch.searchsorted(names, wanted), torch.searchsorted(names, wanted, right=True)
        known[mine] = last > first
        pick = torch.rand(len(mine), per_mask, device=maps.device) * (last - first)[:, None]
        if len(order):
            where = order[(first[:, None] + pick.long()).clamp(max=len(order) - 1)]
            xy[mine] = torch.stack([x[where], y[where]], -1).float() + 0.5
    xy = (xy + torch.randn_like(xy) * width).clamp(0, size - 0.01)
    pixel = xy.long()
    inside = maps[image[:, None], pixel[..., 1], pixel[..., 0]] == ids[:, None]
    return xy, inside, known


@torch.no_grad()
def _nearest_quality(logits: Tensor, cells: Tensor, image: Tensor) -> Tensor:
    """IoU of masks with the object that each overlaps best, on the stride-4 grid; shape (P, 4)."""
    out = torch.zeros(logits.shape[:2], device=logits.device)
    for b in torch.unique(image):
        mine = image == b
        names = torch.unique(cells[b])
        objects = (cells[b].flatten()[:, None] == names[names > 0]).float()
        if not objects.shape[1]:
            continue
        mask = (logits[mine] > 0).float().flatten(2)
        inter = mask @ objects
        union = mask.sum(2, keepdim=True) + objects.sum(0) - inter
        out[mine] = (inter / union.clamp(min=1)).max(2).values
    return out


def _at(logits: Tensor, xy: Tensor) -> Tensor:
    """Logits (P, h, w) at positions (P, n, 2) in pixels of the window, of which a cell has four by four."""
    grid = xy / (4 * logits.shape[-1]) * 2 - 1
    sampled = F.grid_sample(logits[:, None], grid[:, None], align_corners=False, padding_mode="border")
    return sampled[:, 0, 0]


def mask_loss(
    logits: Tensor, iou: Tensor, maps: Tensor, ids: Tensor, outlines: Tensor, per_mask: int = 448
) -> MaskLoss:
    """Loss of four masks (the single one, then whole, object, part) for every prompt.

    Near the object the logits are compared with the truth at full resolution, at random positions in its box
    and, once more, close to its outline; elsewhere their sum counts. A background prompt teaches the
    predicted IoU only: that with whatever object the mask shows, mostly none.

    Parameters
    ----------
    logits : Tensor, shape (P, 4, h, w)
        At stride 4.
    iou : Tensor, shape (P, 4)
        Predicted.
    maps : Tensor of int, shape (B, 3, 4 h, 4 w)
        Labels of whole objects, objects and parts.
    ids : Tensor of int, shape (B, K, 3)
        What each prompt lies on in each of them, with P = B * K; 0 for background.
    outlines : Tensor, shape (B,)
        How far the outlines can be trusted.
    per_mask : int
        Random positions for each mask in its box; a quarter as many along its outline.
    """
    b, k, _ = ids.shape
    logits, iou = logits.float(), iou.float()
    h = logits.shape[-1]
    on = (ids[..., 1] > 0).flatten()
    owner = torch.arange(b, device=ids.device).repeat_interleave(k)
    image = owner[on]
    low = logits[on]
    nested = bool((maps[:, 0] != maps[:, 1]).any() or (maps[:, 2] != maps[:, 1]).any())
    names = (1, 0, 1, 2) if nested else (1, 1, 1, 1)
    cache: dict[int, tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]] = {}
    for level in set(names):
        level_ids = ids[..., level].flatten()[on]
        # A point on the object but on none of its parts: the part mask shows the object.
        level_ids = (
            torch.where(level_ids > 0, level_ids, ids[..., 1].flatten()[on]) if level != 1 else level_ids
        )
        cache[level] = (
            _box_points(maps[:, level], level_ids, image, per_mask),
            _outline_points(maps[:, level], level_ids, image, per_mask // 4),
        )
    each, true = [], []
    cells = torch.arange(h, device=ids.device) * 4 + 2.0
    for channel, level in enumerate(names):
        (xy, inside, box), (near, near_inside, known) = cache[level]
        one = low[:, channel]
        sampled = _at(one, torch.cat([xy, near], 1))
        at, at_outline = sampled[:, :per_mask], sampled[:, per_mask:]
        g = inside.float()
        area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) / per_mask
        in_x = (cells >= box[:, :1]) & (cells < box[:, 2:3])
        in_y = (cells >= box[:, 1:2]) & (cells < box[:, 3:4])
        outside = ~(in_y[:, :, None] & in_x[:, None, :])
        spill = (one.sigmoid() * outside).sum((1, 2)) * 16
        p = at.sigmoid()
        inter, total = (p * g).sum(1) * area, (p.sum(1) + g.sum(1)) * area + spill
        dice = 1 - (2 * inter + 8) / (total + 8)
        bce = F.binary_cross_entropy_with_logits(at, g, reduction="none").mean(1)
        sharp = F.binary_cross_entropy_with_logits(at_outline, near_inside.float(), reduction="none")
        outline = sharp.mean(1) * known
        # Cross-entropy of the rest of the window, counted against the size of the object's box.
        far = (F.softplus(one) * outside).sum((1, 2)) * 16 / (area * per_mask + 1000)
        spread = (F.softplus(one) * outside).mean((1, 2))
        each.append(dice + bce + OUTLINE * outline + 0.3 * far.clamp(max=8) + 0.05 * spread)
        with torch.no_grad():
            hit = at > 0
            both = (hit & inside).sum(1) * area
            union = (hit | inside).sum(1) * area + ((one > 0) & outside).sum((1, 2)) * 16
            true.append(both / union.clamp(min=1))
    loss, truth = torch.stack(each, 1), torch.stack(true, 1)
    trust = outlines[image]
    best = loss[:, 1:].min(1).values
    mask = ((0.4 * best + 0.4 * loss[:, 1:].mean(1) + 0.2 * loss[:, 0]) * trust).mean()
    target = torch.zeros_like(iou)
    target[on] = truth
    target[~on] = _nearest_quality(logits[~on], maps[:, 1, 2::4, 2::4], owner[~on])
    gap = (iou - target).abs()
    quality = F.smooth_l1_loss(iou, target, beta=0.1)
    return MaskLoss(mask, quality, truth[:, 1:].max(1).values.mean(), gap.mean())

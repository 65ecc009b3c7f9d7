"""Prompts for one object: points, a box, a scribble or a mask, checked, and as the decoder takes them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import interpolate

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.engine.points.grid import Crop

    Point = tuple[float, float]
    Box = tuple[float, float, float, float]

__all__ = ["SURE", "as_prompt", "embedded", "prompts_of"]

# The logit of a mask prompt inside and outside.
SURE = 6.0


def prompts_of(
    shape: tuple[int, int],
    points: Sequence[Point],
    labels: Sequence[bool] | None,
    box: Box | None,
    mask: Placed | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return y, x of all points, and what each is: 0 beside, 1 on the object, 2 and 3 corners of a box."""
    places = np.asarray(points, np.float64).reshape(-1, 2)
    positive = [True] * len(places) if labels is None else list(labels)
    if len(positive) != len(places):
        raise MendError(f"{len(positive)} labels are given for {len(places)} points: give one for each")
    kinds = [int(bool(one)) for one in positive]
    if box is not None:
        y0, x0, y1, x1 = (float(value) for value in box)
        if not (y1 > y0 and x1 > x0):
            raise MendError(f"the box {box} has no area: give y0, x0, y1, x1 with the smaller ones first")
        corners = np.clip([[y0, x0], [y1, x1]], -0.5, np.array(shape) - 0.5)
        places, kinds = np.concatenate([corners, places]), [2, 3, *kinds]
    if mask is None and not any(kinds):
        raise MendError("nothing says where the object is: give a point on it, a box or a mask")
    inside = np.isfinite(places).all() and (places >= -0.5).all() and (places <= np.array(shape) - 0.5).all()
    if not inside:
        raise MendError("a point lies outside the image: choose one in it")
    return places, np.array(kinds, np.int64)


def embedded(network: SAM2Base, crop: Crop, coords: NDArray[np.float64], kinds: NDArray[np.int64]) -> Tensor:
    """Embed points and the corners of a box, as SAM2ImagePredictor does."""
    x0, y0, *_ = crop.box
    (height, width), (above, left) = crop.shown, crop.before
    y = (coords[:, 0] + 0.5 - y0 + above) / height
    x = (coords[:, 1] + 0.5 - x0 + left) / width
    device = network.device
    places = torch.tensor(np.stack([x, y], 1)[None], dtype=torch.float32, device=device) * network.image_size
    labels = torch.tensor(kinds[None], dtype=torch.int, device=device)
    prompts = network.sam_prompt_encoder
    if not len(kinds):
        sparse: Tensor = torch.empty((1, 0, prompts.embed_dim), device=device)
        return sparse
    sparse = prompts._embed_points(places, labels, pad=True)
    return sparse


def as_prompt(network: SAM2Base, crop: Crop, mask: Placed) -> Tensor:
    """Return a mask as the decoder takes it in: logits of what the model is shown, (1, 1, 4 h, 4 w)."""
    x0, y0, x1, y1 = crop.box
    full = np.zeros((y1 - y0, x1 - x0), np.float32)
    common = mask.common(Placed(y0, x0, np.ones(full.shape, bool), full.size))
    if common is not None:
        full[common[1]] = mask.mask[common[0]]
    if crop.square:
        around = [(b, n - m - b) for b, n, m in zip(crop.before, crop.shown, crop.shape, strict=True)]
        full = np.pad(full, around, mode="symmetric")
    side = 4 * network.sam_image_embedding_size
    logits = torch.from_numpy((full * 2 - 1) * SURE)[None, None].to(network.device)
    return interpolate(logits, size=(side, side), mode="bilinear", align_corners=False, antialias=True)

"""One object asked for: points on it and beside it, a box, a scribble or a mask; the decoder alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import interpolate

from napari_sam2_automask.engine.decoder.plain import PlainDecoder
from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.encoder.encode import encode
from napari_sam2_automask.engine.points.fitted_grid import tiles
from napari_sam2_automask.engine.points.grid import Crop
from napari_sam2_automask.engine.tensors.host import to_host
from napari_sam2_automask.errors import MendError, SettingsError
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.image.view import check_model_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.models import Model

    Point = tuple[float, float]
    Box = tuple[float, float, float, float]

__all__ = ["Asked", "along", "ask"]

# The prompts, and the object around them, take up at most this share of what the model is shown.
_SHARE = 0.6
# The logit of a mask prompt inside and outside.
_SURE = 6.0
# A mask that is larger or smaller than usual by a factor of e**1.5 counts for 0.6 of its rating.
_BREADTH = 1.5
# Points that stand for a scribble at most.
_POINTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the model says an object is.

    Attributes
    ----------
    placed : Placed
        Its pixels in the image: the pieces that have a positive point, or the largest piece.
    score : float
        The model's predicted IoU.
    crop : (int, int, int, int)
        ``y0, x0, y1, x1``, end exclusive: the part of the image that the model was shown.
    """

    placed: Placed
    score: float
    crop: tuple[int, int, int, int]


def ask(
    view: NDArray[np.uint8],
    model: Model,
    points: Sequence[Point] = (),
    labels: Sequence[bool] | None = None,
    *,
    box: Box | None = None,
    mask: Placed | None = None,
    diameter: float = 0.0,
    threshold: float = 0.0,
    tick: Callable[[], None] = lambda: None,
) -> Asked:
    """Ask the model for one object.

    Its encoder runs only where the features of the part of the image are not kept yet, which they are after a
    run that was fitted to the same diameter.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it.
    model : Model
        The model, on its device.
    points : sequence of (float, float)
        y and x in pixels; whole numbers are the middles of pixels. See `along` for a scribble.
    labels : sequence of bool, optional
        For each point whether it is on the object; all are when left out.
    box : (float, float, float, float), optional
        ``y0, x0, y1, x1`` around the object, in pixels.
    mask : Placed, optional
        The object as it is so far.
    diameter : float
        Of a typical object in pixels, which decides how large a part of the image the model is shown, and
        which of three masks at a single point is taken. 0 for not known: the whole image is shown.
    threshold : float
        Logit above which a pixel belongs to the object.
    tick : callable
        Called between the layers of the encoder; may raise to stop.

    Returns
    -------
    Asked
        The object.

    Raises
    ------
    ImageError
        If `view` is no picture for the model.
    MendError
        If there is no prompt, one lies outside the image, or the model sees nothing there.
    ModelError
        If the model returns values that are not numbers.
    """
    check_model_view(view)
    coords, kinds = _prompts((view.shape[0], view.shape[1]), points, labels, box, mask)
    crop = _crop((view.shape[0], view.shape[1]), coords, mask, diameter)
    with torch.inference_mode(), features_cache.settling():
        network = model.network
        shown = crop.pixels(view)
        features = features_cache.get(network, shown, lambda: encode(network, shown, tick))
        single = len(coords) == 1 and mask is None
        decoder = PlainDecoder(network, features, multimask=single, chunk=1)
        sparse = _embed(network, crop, coords, kinds)
        dense = None if mask is None else _as_prompt(network, crop, mask)
        (decoded,) = decoder.decode(sparse, -np.inf, tick, dense)
        masks = to_host(_in_crop(decoded.logits, crop) > threshold)
    x0, y0, x1, y1 = crop.box
    own = coords[kinds == 1] - np.array([y0, x0])
    found = [_pieces(one, own) for one in masks]
    worth = [
        float(score) * _usual(int(np.count_nonzero(one)), diameter)
        for score, one in zip(decoded.predicted_iou, found, strict=True)
    ]
    best = int(np.argmax(worth))
    if not found[best].any():
        raise MendError("the model sees no object there: click on its middle, or draw a box around it")
    rows, columns = tight(found[best])
    placed = Placed.at(y0 + rows.start, x0 + columns.start, found[best][rows, columns])
    return Asked(placed, float(decoded.predicted_iou[best]), (y0, x0, y1, x1))


def along(stroke: Sequence[Point]) -> list[Point]:
    """Return a few points, evenly spaced along a scribble on an object.

    Parameters
    ----------
    stroke : sequence of (float, float)
        Its points y, x in pixels.
    """
    line = np.asarray(stroke, np.float64).reshape(-1, 2)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    if len(line) == 0 or lengths[-1] < 1:
        return [(float(y), float(x)) for y, x in line[:1]]
    count = int(np.clip(np.ceil(lengths[-1] / 4), 2, _POINTS))
    # Not at the very ends, which are often beside the object.
    at = (np.arange(count) + 0.5) / count * lengths[-1]
    y, x = (np.interp(at, lengths, values) for values in line.T)
    return list(zip(y.tolist(), x.tolist(), strict=True))


def _prompts(
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


def _crop(shape: tuple[int, int], coords: NDArray[np.float64], mask: Placed | None, diameter: float) -> Crop:
    """Return the smallest of the parts that a run shows the model in which the object has room."""
    whole = Crop(0, (0, 0, shape[1], shape[0]), np.zeros((0, 2), np.float32))
    corners = [coords] if mask is None else [coords, np.array(mask.extent, np.float64).reshape(2, 2)]
    low, high = np.concatenate(corners).min(0), np.concatenate(corners).max(0)
    needed = float((high - low).max())
    size = diameter
    while 0 < size < min(shape):
        try:
            parts = tiles(shape, size, 2)
        except SettingsError:  # very many very small ones
            parts = []
        size *= 2
        if not parts:
            continue
        crop = min(parts, key=lambda one: _distance(one, (low + high) / 2))
        x0, y0, x1, y1 = crop.box
        inside = (low >= (y0 - 0.5, x0 - 0.5)).all() and (high <= (y1 - 0.5, x1 - 0.5)).all()
        if inside and needed <= _SHARE * max(crop.shape):
            return crop
    return whole


def _distance(crop: Crop, middle: NDArray[np.float64]) -> float:
    x0, y0, x1, y1 = crop.box
    return float(np.hypot((y0 + y1 - 1) / 2 - middle[0], (x0 + x1 - 1) / 2 - middle[1]))


def _embed(network: SAM2Base, crop: Crop, coords: NDArray[np.float64], kinds: NDArray[np.int64]) -> Tensor:
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


def _as_prompt(network: SAM2Base, crop: Crop, mask: Placed) -> Tensor:
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
    logits = torch.from_numpy((full * 2 - 1) * _SURE)[None, None].to(network.device)
    return interpolate(logits, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def _in_crop(logits: Tensor, crop: Crop) -> Tensor:
    """Return logits (K, 4 h, 4 w) of what the model was shown in pixels of the crop."""
    full = interpolate(logits[None], size=crop.shown, mode="bilinear", align_corners=False)[0]
    (above, left), (rows, columns) = crop.before, crop.shape
    return full[:, above : above + rows, left : left + columns]


def _pieces(mask: NDArray[np.bool_], points: ArrayLike) -> NDArray[np.bool_]:
    """Return the pieces of a mask that have a point, or the largest one."""
    from scipy.ndimage import label

    numbers, count = label(mask, np.ones((3, 3), int))
    if count <= 1:
        return mask
    places = np.floor(np.asarray(points) + 0.5).astype(np.int64).reshape(-1, 2)
    there = numbers[places[:, 0].clip(0, mask.shape[0] - 1), places[:, 1].clip(0, mask.shape[1] - 1)]
    wanted = set(there[there > 0].tolist()) or {int(np.bincount(numbers.ravel())[1:].argmax()) + 1}
    kept: NDArray[np.bool_] = np.isin(numbers, list(wanted))
    return kept


def _usual(area: int, diameter: float) -> float:
    """Return how usual an area is, from 0 to 1; 1 where no diameter is known."""
    if diameter <= 0 or not area:
        return float(area > 0)
    off = np.log(area / (np.pi / 4 * diameter**2)) / _BREADTH
    return float(np.exp(-(off**2) / 2))

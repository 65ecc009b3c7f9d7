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
from napari_sam2_automask.engine.object_prompts import as_prompt, embedded, prompts_of
from napari_sam2_automask.engine.points.fitted_grid import tiles
from napari_sam2_automask.engine.points.grid import Crop
from napari_sam2_automask.engine.tensors.host import to_host
from napari_sam2_automask.errors import MendError, SettingsError
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.image.view import check_model_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from napari_sam2_automask.models import Model

    Point = tuple[float, float]
    Box = tuple[float, float, float, float]

__all__ = ["Asked", "ask"]

# The prompts, and the object around them, take up at most this share of what the model is shown.
_SHARE = 0.6
# A mask that is larger or smaller than usual by a factor of e**1.5 counts for 0.6 of its rating.
_BREADTH = 1.5
# An answer that is smaller than this share of the typical diameter is looked at once more, magnified.
_CLOSER = 0.8
# Nothing is said to be smaller than this share of it: a dot may stand for an object.
_LEAST = 0.25


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
        which of three masks at a single point is taken. The bundled model looks at a box or mask that is
        smaller, or an answer at points that is, in a smaller part. 0 for not known: the whole image is shown.
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
    shape = view.shape[0], view.shape[1]
    coords, kinds = prompts_of(shape, points, labels, box, mask)
    # A look at another part takes a SAM 2.1 model seconds, which sees four times as many pixels anyway.
    nearer = diameter > 0 and model.family == "bundled"
    if nearer:
        diameter = min(diameter, max(_size_told(box, mask), _LEAST * diameter))

    def looked(size: float) -> Asked | None:
        crop = _crop(shape, coords, mask, size)
        return _looked(crop.pixels(view), crop, model, coords, kinds, mask, size, threshold, tick)

    with torch.inference_mode(), features_cache.settling():
        found = looked(diameter)
        if nearer and found is not None and box is None and mask is None:
            size = max(_across(found.placed.area), _LEAST * diameter)
            if size < _CLOSER * diameter and (closer := looked(size)) and closer.score > found.score:
                found = closer
    if found is None:
        raise MendError("the model sees no object there: click on its middle, or draw a box around it")
    return found


def _looked(
    shown: NDArray[np.uint8],
    crop: Crop,
    model: Model,
    coords: NDArray[np.float64],
    kinds: NDArray[np.int64],
    mask: Placed | None,
    diameter: float,
    threshold: float,
    tick: Callable[[], None],
) -> Asked | None:
    """Ask for one object in what the model is shown of a crop; None where it sees none."""
    network = model.network
    features = features_cache.get(network, shown, lambda: encode(network, shown, tick))
    single = len(coords) == 1 and mask is None
    decoder = PlainDecoder(network, features, multimask=single, chunk=1)
    sparse = embedded(network, crop, coords, kinds)
    dense = None if mask is None else as_prompt(network, crop, mask)
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
        return None
    rows, columns = tight(found[best])
    placed = Placed.at(y0 + rows.start, x0 + columns.start, found[best][rows, columns])
    return Asked(placed, float(decoded.predicted_iou[best]), (y0, x0, y1, x1))


def _size_told(box: Box | None, mask: Placed | None) -> float:
    """Return how large the object is said to be, in pixels; infinity where nothing says it."""
    sizes = [] if box is None else [max(box[2] - box[0], box[3] - box[1])]
    if mask is not None and mask.area:
        sizes.append(_across(mask.area))
    return min(sizes, default=np.inf)


def _across(area: int) -> float:
    """Return the diameter of a disc of an area."""
    return float(2 * np.sqrt(area / np.pi))


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

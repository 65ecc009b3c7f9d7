"""Other renderings of what the model sees: what is faint in one can be plain in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["render"]

# Luminance of red, green and blue.
_LUMINANCE = (0.299, 0.587, 0.114)
# Gradients above this percentile are shown as the steepest.
_STEEPEST = 99.0
_CLIP = 0.02


def render(view: NDArray[np.uint8], renderings: str) -> list[NDArray[np.uint8]]:
    """Return the renderings of a view that a setting names.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it.
    renderings : str
        Names joined by ``+``: ``raw`` (the view itself), ``inverted``, ``local`` (local contrast: CLAHE),
        ``gamma`` (the square root, which lifts the dark) and ``gradient`` (luminance, steepness and direction
        of its slope as red, green and blue).

    Returns
    -------
    list of (Y, X, 3) uint8 arrays
        In the order named.
    """
    return [np.ascontiguousarray(_RENDERINGS[name](view)) for name in renderings.split("+")]


def _local(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from skimage.exposure import equalize_adapthist

    if (view == view[..., :1]).all():
        gray = equalize_adapthist(view[..., 0], clip_limit=_CLIP)
        return np.broadcast_to((255 * gray + 0.5).astype(np.uint8)[..., None], view.shape)
    equal: NDArray[np.uint8] = (255 * equalize_adapthist(view, clip_limit=_CLIP) + 0.5).astype(np.uint8)
    return equal


def _gamma(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    table: NDArray[np.uint8] = (255 * np.sqrt(np.arange(256) / 255) + 0.5).astype(np.uint8)
    return table[view]


def _gradient(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gray = (view @ np.array(_LUMINANCE, np.float32)) / 255
    if min(gray.shape) < 2:
        return view
    dy, dx = np.gradient(gray)
    steep = np.hypot(dy, dx)
    steep = np.clip(steep / max(float(np.percentile(steep, _STEEPEST)), 1e-6), 0, 1)
    direction = (np.arctan2(dy, dx) / np.pi + 1) / 2 * steep
    shown = np.stack([gray, steep, direction], -1)
    coloured: NDArray[np.uint8] = (255 * np.clip(shown, 0, 1)).astype(np.uint8)
    return coloured


_RENDERINGS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "raw": lambda view: view,
    "inverted": lambda view: 255 - view,
    "local": _local,
    "gamma": _gamma,
    "gradient": _gradient,
}

"""Scale bars and letters on an image, as figures have them: no objects, though they look like some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["write_on"]


def write_on(
    rng: np.random.Generator, image: NDArray[np.uint8], levels: list[NDArray[Any]]
) -> list[NDArray[Any]]:
    """Draw a scale bar, its length in words and now and then a panel letter.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where and how.
    image : ndarray of uint8, shape (Y, X) or (Y, X, 3)
        At least 128 pixels wide and high; changed in place.
    levels : list of ndarray of int, shape (Y, X)
        Label maps.

    Returns
    -------
    list of ndarray
        The label maps without what the ink covers.
    """
    height, width = image.shape[:2]
    value = int(rng.choice([0, 255]))
    ink = Image.new("L", (width, height))
    draw = ImageDraw.Draw(ink)
    x, y = int(width * rng.uniform(0.04, 0.45)), int(height * rng.uniform(0.85, 0.96))
    long, thick = int(width * rng.uniform(0.1, 0.36)), int(rng.integers(2, 9))
    draw.rectangle((x, y, x + long, y + thick), fill=255)
    font = ImageFont.load_default(float(rng.uniform(14, 40)))
    unit = str(rng.choice(["nm", "\u00b5m", "um", "mm"]))
    draw.text((x, y - 45), f"{rng.integers(1, 500)} {unit}", fill=255, font=font)
    if rng.random() < 0.6:
        draw.text((10, 5), str(rng.choice(list("abcdefghABCDEFGH"))), fill=255, font=font)
    mask = np.asarray(ink) > 127
    image[mask] = value
    return [np.where(mask, 0, level) for level in levels]

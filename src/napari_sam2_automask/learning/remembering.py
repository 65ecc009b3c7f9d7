"""What else is trained on, so that the model does not forget: samples of the package, and drawn images."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.learning.scenes.scenes import draw
from napari_sam2_automask.learning.windows.training_image import TrainingImage
from napari_sam2_automask.samples import samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["remembered"]

_SCENES = 24
"""Different scenes that are drawn; every second image is one of them, the others are samples."""


def remembered(number: int, seed: int) -> TrainingImage:
    """Return an image of what the bundled model knows.

    Parameters
    ----------
    number : int
        Which one; they repeat after a while.
    seed : int
        Of the drawn ones.
    """
    known = _known()
    if number % 2:
        return known[number // 2 % len(known)]
    return _scene(number // 2 % _SCENES, seed)


@lru_cache(maxsize=1)
def _known() -> tuple[TrainingImage, ...]:
    every = []
    for sample in samples():
        image = _gray_where_it_is(sample.image())
        every.append(TrainingImage(image, [sample.truth().astype(np.int32)], "sample", 1.0, sample.name))
    return tuple(every)


def _gray_where_it_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim == 3 and (image == image[..., :1]).all():
        return np.ascontiguousarray(image[..., 0])
    return image


@lru_cache(maxsize=2 * _SCENES)
def _scene(number: int, seed: int) -> TrainingImage:
    image, levels = draw(np.random.default_rng((seed, number)))
    return TrainingImage(image, [level.astype(np.int32) for level in levels], "scene", 1.0, f"scene {number}")

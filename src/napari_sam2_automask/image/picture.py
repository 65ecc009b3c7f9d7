"""One picture with what is known about it, and what the model sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.image.channels import Look, compose, mix
from napari_sam2_automask.image.view import to_model_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LoadedImage", "views_of"]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """One plane of an image file.

    Attributes
    ----------
    array : ndarray, shape (Y, X), (Y, X, 3) or (Y, X, 4), or (Y, X, C)
        The pixels as stored.
    rgb : bool
        Whether the last axis holds colours.
    plane : int or None
        The plane that was asked for.
    pixel_size : (float, float) or None
        Height and width of a pixel in `unit`, where the file tells.
    unit : str or None
        The unit of length.
    channels : {"mix", "pool"} or None
        What to do with the C channels on the array's last axis; None where there are none.
    looks : tuple of Look
        How a viewer shows the channels; empty for the usual colours.
    """

    array: NDArray[Any]
    rgb: bool
    plane: int | None = None
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    channels: str | None = None
    looks: tuple[Look, ...] = ()


def views_of(image: LoadedImage, limits: tuple[float, float] | None) -> list[NDArray[np.uint8]]:
    """Return what the model is to see: one picture, or one for each channel."""
    if image.channels is None:
        return [to_model_view(image.array, rgb=image.rgb, contrast_limits=limits)]
    channels = list(np.moveaxis(image.array, -1, 0))
    if image.looks and image.channels == "mix":
        return [compose(channels, image.looks)]
    if image.looks:
        return [
            to_model_view(channel, rgb=False, contrast_limits=look.contrast_limits)
            for channel, look in zip(channels, image.looks, strict=True)
        ]
    if image.channels == "mix":
        return [mix(channels, limits)]
    return [to_model_view(one, rgb=False, contrast_limits=limits) for one in channels]

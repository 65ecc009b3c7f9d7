"""Several channels to what the model sees: mixed in colours, or each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.image import to_model_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["mix"]

# As napari shows channels: one in gray, two in magenta and green, more in these and again from the first.
_TWO = ((1, 0, 1), (0, 1, 0))
_MORE = ((0, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))


def mix(
    channels: Sequence[NDArray[Any]], contrast_limits: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Add up channels, each in a colour of its own, as viewers show them.

    Parameters
    ----------
    channels : sequence of (Y, X) arrays
        Real values of any dtype.
    contrast_limits : (float, float), optional
        Shown as black and as full colour; percentiles of each channel when left out.

    Returns
    -------
    (Y, X, 3) uint8 array
        The sum, clipped at 255.

    Raises
    ------
    ImageError
        If a channel is no gray image.
    """
    if len(channels) == 1:
        return to_model_view(channels[0], rgb=False, contrast_limits=contrast_limits)
    colours = _TWO if len(channels) == 2 else _MORE
    total = np.zeros((*channels[0].shape, 3), np.uint16)
    for k, channel in enumerate(channels):
        gray = to_model_view(channel, rgb=False, contrast_limits=contrast_limits)
        total += gray * np.array(colours[k % len(colours)], np.uint16)
    return np.minimum(total, 255).astype(np.uint8)

"""One picture with what is known about it, and what the model sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.image.channels import Look, compose, measure_channels, mix
from napari_sam2_automask.image.intensity import colours_of
from napari_sam2_automask.image.view import to_model_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["LoadedImage"]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """One plane of an image file.

    Attributes
    ----------
    array : ndarray, shape (Y, X), (Y, X, 3) or (Y, X, 4), or (Y, X, C)
        The pixels as stored.
    rgb : bool or None
        Whether the last axis holds colours; None lets shape and dtype tell.
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
    names : tuple of str or None
        What the channels are called; ``c0``, ``c1`` and so on if None.
    """

    array: NDArray[Any]
    rgb: bool | None
    plane: int | None = None
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    channels: str | None = None
    looks: tuple[Look, ...] = ()
    names: tuple[str, ...] | None = None

    def views(self, limits: tuple[float, float] | None) -> list[NDArray[np.uint8]]:
        """Return what the model is to see: one picture (Y, X, 3), or one for each channel.

        Parameters
        ----------
        limits : (float, float) or None
            Values shown as black and white, where `looks` do not say it; percentiles if None.
        """
        if self.channels is None:
            return [to_model_view(self.array, rgb=self.rgb, contrast_limits=limits)]
        planes = list(np.moveaxis(self.array, -1, 0))
        if self.channels == "mix":
            return [compose(planes, self.looks) if self.looks else mix(planes, limits)]
        every = [look.contrast_limits for look in self.looks] or [limits] * len(planes)
        return [
            to_model_view(plane, rgb=False, contrast_limits=own)
            for plane, own in zip(planes, every, strict=True)
        ]

    @property
    def intensities(self) -> dict[str, NDArray[Any]]:
        """What was measured, (Y, X) each by name: channels, colours, or one without a name."""
        if self.channels is None:
            return colours_of(self.array, 2)
        planes = np.moveaxis(self.array, -1, 0)
        names = [f"c{k}" for k in range(len(planes))] if self.names is None else self.names
        return dict(zip(names, planes, strict=True))

    def measure(self, table: pd.DataFrame, labels: NDArray[Any], statistics: Sequence[str] = ()) -> None:
        """Add the mean intensity of each channel, if there are any, to a table of objects.

        Parameters
        ----------
        table : DataFrame
            From `paint`.
        labels : (Y, X) or (L, Y, X) array
            Where its objects are: the labels, or the levels.
        statistics : sequence of str
            Further statistics of each, see `intensity_columns`.
        """
        if self.channels is not None:
            planes = list(np.moveaxis(self.array, -1, 0))
            measure_channels(table, labels, planes, self.names, statistics)

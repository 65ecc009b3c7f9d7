"""Several channels to what the model sees: mixed in colours, or each by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.image.intensity import intensity_columns, mean_intensities
from napari_sam2_automask.image.view import to_model_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["BLENDINGS", "Look", "compose", "default_colours", "measure_channels", "mix"]

Colour = tuple[float, ...]

# As napari shows channels: one in gray, two in magenta and green, more in these and again from the first.
_TWO: tuple[Colour, ...] = ((1, 0, 1), (0, 1, 0))
_MORE: tuple[Colour, ...] = ((0, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))
_BLACK, _WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

#: How a layer may be laid on those below it.
BLENDINGS = ("additive", "translucent", "translucent_no_depth", "opaque", "minimum", "multiplicative")
# Channels are composed in blocks of about this many pixels: a huge image needs no copy in floats.
_BLOCK_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """How a viewer shows one channel.

    Attributes
    ----------
    contrast_limits : (float, float) or None
        The intensities shown as black and as full colour; percentiles of the channel when None.
    colours : sequence of colours
        Red, green, blue and perhaps alpha, 0 to 1: evenly spaced from black to white, linear in between.
    gamma, opacity : float
        As of a layer in napari.
    blending : str
        One of `BLENDINGS`.
    """

    contrast_limits: tuple[float, float] | None = None
    colours: Sequence[Colour] = (_BLACK, _WHITE)
    gamma: float = 1.0
    opacity: float = 1.0
    blending: str = "additive"

    @property
    def table(self) -> NDArray[np.float32]:
        """The colour and opacity of each of 256 grays, shape (256, 4)."""
        given = np.asarray([(*colour, 1.0)[:4] for colour in self.colours], np.float64)
        at = (np.arange(256) / 255) ** self.gamma
        places = np.linspace(0, 1, len(given))
        columns = [np.interp(at, places, column) for column in given.T]
        columns[3] = columns[3] * self.opacity
        return np.stack(columns, -1).astype(np.float32)


def default_colours(count: int) -> list[Colour]:
    """Return the colours in which napari shows `count` channels."""
    if count == 1:
        return [_WHITE]
    colours = _TWO if count == 2 else _MORE
    return [colours[k % len(colours)] for k in range(count)]


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
    colours = default_colours(len(channels))
    return compose(channels, [Look(contrast_limits, (_BLACK, colour)) for colour in colours])


def compose(channels: Sequence[NDArray[Any]], looks: Sequence[Look]) -> NDArray[np.uint8]:
    """Lay channels on each other as a viewer shows them.

    Parameters
    ----------
    channels : sequence of (Y, X) arrays
        Real values of any dtype, the lowest layer first.
    looks : sequence of Look
        One for each channel.

    Returns
    -------
    (Y, X, 3) uint8 array
        What is seen, on black.

    Raises
    ------
    ImageError
        If a channel is no gray image.
    SettingsError
        If a look's blending is unknown.
    """
    grays = [
        to_model_view(channel, rgb=False, contrast_limits=look.contrast_limits)[..., 0]
        for channel, look in zip(channels, looks, strict=True)
    ]
    tables = [look.table for look in looks]
    out = np.zeros((*grays[0].shape, 3), np.uint8)
    step = max(1, _BLOCK_PIXELS // grays[0].shape[1])
    for start in range(0, len(out), step):
        rows = slice(start, start + step)
        total = np.zeros((*grays[0][rows].shape, 3), np.float32)
        for k, (gray, table, look) in enumerate(zip(grays, tables, looks, strict=True)):
            total = _blend(total, table[gray[rows]], look.blending, lowest=k == 0)
        out[rows] = total * 255 + 0.5
    return out


def _blend(
    below: NDArray[np.float32], shown: NDArray[np.float32], blending: str, *, lowest: bool
) -> NDArray[np.float32]:
    """Lay a layer (Y, X, 4) on what is below it (Y, X, 3)."""
    if blending not in BLENDINGS:
        raise SettingsError(f"unknown blending {blending!r}: choose from {', '.join(BLENDINGS)}")
    colour, opacity = shown[..., :3], shown[..., 3:]
    if blending == "minimum":
        return colour if lowest else np.minimum(below, colour)
    if blending == "multiplicative" and not lowest:
        return below * colour
    if blending == "opaque" and not lowest:
        return colour
    if blending == "additive" or lowest:
        return np.minimum(below + colour * opacity, 1)
    return colour * opacity + below * (1 - opacity)


def measure_channels(
    table: pd.DataFrame,
    labels: NDArray[np.integer[Any]],
    channels: Sequence[NDArray[Any]],
    names: Sequence[str] | None = None,
    statistics: Sequence[str] = (),
) -> None:
    """Add a column of mean intensities for each channel to a table of objects, ``mean_intensity_<name>``.

    Parameters
    ----------
    table : DataFrame
        One row per object, its label in column ``index``; changed in place.
    labels : (Y, X) or (L, Y, X) int array
        The objects, each in one label image.
    channels : sequence of (Y, X) arrays
        The intensities as measured; of what is left out of a mean see `mean_intensities`.
    names : sequence of str, optional
        What to call the channels; ``c0``, ``c1`` and so on when left out.
    statistics : sequence of str
        Further columns for each channel, see `intensity_columns`.

    Raises
    ------
    ImageError
        If a channel has other rows and columns than the labels.
    """
    places = places_of(labels)
    called = [f"c{k}" for k in range(len(channels))] if names is None else list(names)
    means = mean_intensities(channels, labels, places)
    columns = {f"mean_intensity_{name}": found for name, found in zip(called, means, strict=True)}
    if statistics:
        columns |= intensity_columns(dict(zip(called, channels, strict=True)), labels, places, statistics)
    for name, values in columns.items():
        table[name] = table["index"].map(dict(zip(places, values, strict=True)))

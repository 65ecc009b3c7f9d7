"""From nuclei to cells: labels grown by a distance, and what lies in nucleus, ring and cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.image.intensity import intensity_columns
from napari_sam2_automask.settings.numbers import EXTENT

Integer = TypeVar("Integer", bound="np.integer[Any]")

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["cell_columns", "expand"]


def expand(
    labels: NDArray[Integer], distance: float, sides: Sequence[float] | None = None
) -> NDArray[Integer]:
    """Grow labels by a distance; what two of them would take goes to the nearer.

    Parameters
    ----------
    labels : (Y, X) int array
        The nuclei.
    distance : float
        How far, in pixels: in sides of a square pixel of the same area, where pixels are longer one way.
    sides : sequence of float, optional
        The height and width of a pixel, in any unit.

    Returns
    -------
    (Y, X) array of the labels' dtype
        The cells; a nucleus is part of its cell.

    Raises
    ------
    SettingsError
        If the distance is no number from 0.
    """
    from skimage.segmentation import expand_labels

    distance = EXTENT.check(distance, "distance")
    side = 1.0 if sides is None else math.sqrt(math.prod(sides))
    spacing = 1.0 if sides is None else tuple(one / side for one in sides)
    grown: NDArray[Integer] = expand_labels(  # type: ignore[no-untyped-call]
        labels, distance, spacing
    )
    return grown


def cell_columns(
    nuclei: NDArray[np.integer[Any]],
    cells: NDArray[np.integer[Any]],
    ids: Iterable[int],
    channels: Mapping[str, ArrayLike],
    statistics: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Measure the rings around nuclei, and the cells.

    Parameters
    ----------
    nuclei, cells : (Y, X) int arrays
        As `expand` takes and gives them.
    ids : iterable of int
        The objects.
    channels : mapping of str to (Y, X) array
        The intensities as measured, by name, see `intensity_columns`.
    statistics : sequence of str
        Which.

    Returns
    -------
    dict of str to (N,) array
        ``area_ring`` and ``area_cell`` (int64, pixels) and, for each column of intensity, the same in the
        ring and in the cell: ``intensity_mean_DAPI_ring`` and so on; NaN of a ring without a pixel.
    """
    wanted = list(ids)
    ring = np.where(nuclei == cells, 0, cells)
    columns: dict[str, NDArray[Any]] = {}
    for name, labels in (("ring", ring), ("cell", cells)):
        found = places_of(labels)
        places = {label: found.get(label, (slice(0, 0), slice(0, 0))) for label in wanted}
        area = [np.count_nonzero(labels[place] == label) for label, place in places.items()]
        columns[f"area_{name}"] = np.array(area, np.int64)
        measured = intensity_columns(channels, labels, places, statistics) if statistics else {}
        columns |= {f"{column}_{name}": values for column, values in measured.items()}
    return columns

"""From nuclei to cells: labels grown by a distance, and what lies in nucleus, ring and cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam2_automask.image.intensity import intensity_columns
from napari_sam2_automask.measures.measuring import boxes_of
from napari_sam2_automask.settings.measure_names import with_unit
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
    labels : (Y, X) or (P, Y, X) int array
        The nuclei; those of a stack are grown in each plane by itself.
    distance : float
        How far, in pixels: in sides of a square pixel of the same area, where pixels are longer one way.
    sides : sequence of float, optional
        The height and width of a pixel, in any unit.

    Returns
    -------
    array of the labels' shape and dtype
        The cells; a nucleus is part of its cell.

    Raises
    ------
    SettingsError
        If the distance is no number from 0.
    """
    from skimage.segmentation import expand_labels

    distance = EXTENT.check(distance, "distance")
    if labels.ndim > 2:
        return np.array([expand(plane, distance, sides) for plane in labels], labels.dtype).reshape(
            labels.shape
        )
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
    sides: Sequence[float] | None = None,
) -> dict[str, NDArray[Any]]:
    """Measure the rings around nuclei, and the cells.

    Parameters
    ----------
    nuclei, cells : (Y, X) or, of bodies, (Z, Y, X) int arrays
        As `expand` takes and gives them.
    ids : iterable of int
        The objects.
    channels : mapping of str to array of their shape
        The intensities as measured, by name, see `intensity_columns`.
    statistics : sequence of str
        Which.
    sides : sequence of float, optional
        The sides of a pixel or voxel in micrometres.

    Returns
    -------
    dict of str to (N,) array
        ``area_ring`` and ``area_cell``, of bodies ``voxels_ring`` and ``voxels_cell`` (int64), with `sides`
        also ``area_ring_um2``, or ``volume_ring_um3``, and so on (float64); and, for each column of
        intensity, the same in the ring and in the cell: ``intensity_mean_DAPI_ring`` and so on; NaN of a ring
        without a pixel.
    """
    wanted = list(ids)
    ring = np.where(nuclei == cells, 0, cells)
    columns: dict[str, NDArray[Any]] = {}
    for name, labels in (("ring", ring), ("cell", cells)):
        found, nowhere = boxes_of(labels), (slice(0, 0),) * labels.ndim
        places = {label: found.get(label, nowhere) for label in wanted}
        count = [np.count_nonzero(labels[place] == label) for label, place in places.items()]
        size = np.array(count, np.int64)
        columns["area_" + name if labels.ndim == 2 else "voxels_" + name] = size
        if sides is not None:
            what = "area" if labels.ndim == 2 else "volume"
            columns[with_unit(f"{what}_{name}", labels.ndim)] = size * math.prod(sides)
        measured = intensity_columns(channels, labels, places, statistics) if statistics else {}
        columns |= {f"{column}_{name}": values for column, values in measured.items()}
    return columns

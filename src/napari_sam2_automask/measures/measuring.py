"""All measures of the objects of a label image, or of bodies in a stack of them, as columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.image.intensity import colours_of, intensity_columns
from napari_sam2_automask.measures.shape import shape_of
from napari_sam2_automask.settings.measure_names import MEASURES, STATISTICS, check_measures, with_unit
from napari_sam2_automask.settings.numbers import LENGTH
from napari_sam2_automask.settings.units import in_micrometres

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Place = tuple[Any, ...]

__all__ = ["boxes_of", "measure", "shape_columns", "sides_in_micrometres"]


def measure(
    labels: NDArray[np.integer[Any]],
    measures: Sequence[str] = tuple(MEASURES),
    *,
    image: ArrayLike | Mapping[str, ArrayLike] | None = None,
    pixel_size: Sequence[float] | None = None,
    unit: str | None = None,
) -> pd.DataFrame:
    """Measure the objects of a label image, or the bodies of a stack of them.

    Parameters
    ----------
    labels : (Y, X) or (Z, Y, X) int array
        The objects; what is not above 0 is background.
    measures : sequence of str
        Which, see `MEASURES`; those without a meaning for such objects are left out.
    image : array_like or mapping of str to array_like, optional
        The intensities as measured, of the shape of the labels and perhaps colours last; several channels by
        name. Without it there are no measures of intensity.
    pixel_size : sequence of float, optional
        The height and width of a pixel, or the three sides of a voxel, in `unit`.
    unit : str, optional
        The unit of length. With both, lengths, areas and volumes are told in micrometres too, in columns that
        end in ``_um``, ``_um2`` and ``_um3``.

    Returns
    -------
    DataFrame
        A row for each object, in order of the labels, with the columns ``index`` (int64), ``area`` or of
        bodies ``voxels`` (int64), and float64 ones called like the measures; ``centroid`` gives one for each
        axis, ``centroid_y``, and ``centroid_y_um``; measures of intensity one for each channel, such as
        ``intensity_mean_DAPI``.

    Raises
    ------
    SettingsError
        If a measure is not known or a size is no positive number.
    ImageError
        If labels or image have another shape.
    """
    import pandas as pd

    labels = np.asarray(labels)
    if labels.ndim not in (2, 3) or labels.dtype.kind not in "iu":
        raise ImageError(f"labels are whole numbers of shape (Y, X) or (Z, Y, X), not {labels.dtype} of "
                         f"{labels.shape}: give such")  # fmt: skip
    if labels.dtype == np.uint64 and labels.max(initial=0) > np.iinfo(np.int64).max:
        raise ImageError(
            f"a label is {labels.max()}, the largest that can be told is 2^63 - 1: number them anew"
        )
    names = check_measures(list(measures))
    sides = sides_in_micrometres(pixel_size, unit, labels.ndim)
    places = boxes_of(labels)
    count = [np.count_nonzero(labels[place] == label) for label, place in places.items()]
    columns: dict[str, Any] = {
        "index": np.array(list(places), np.int64),
        "area" if labels.ndim == 2 else "voxels": np.array(count, np.int64),
        **shape_columns(labels, places, names, sides),
    }
    statistics = [name for name in names if name in STATISTICS]
    if image is not None and statistics:
        channels = image if isinstance(image, Mapping) else colours_of(image, labels.ndim)
        columns |= intensity_columns(channels, labels, places, statistics)
    return pd.DataFrame(columns)


def shape_columns(
    labels: NDArray[np.integer[Any]],
    places: Mapping[int, Place],
    measures: Sequence[str],
    sides: Sequence[float] | None,
) -> dict[str, NDArray[np.float64]]:
    """Return the columns of the measures of shape.

    Parameters
    ----------
    labels : (Y, X), (L, Y, X) or (Z, Y, X) int array
        The objects.
    places : mapping of int to tuple
        Where they lie, by label: slices, and of a label image among several its number before them.
    measures : sequence of str
        Which, see `MEASURES`; those of intensity are left out.
    sides : sequence of float or None
        The sides of a pixel or voxel in micrometres.

    Returns
    -------
    dict of str to (N,) float64 array
        In the order of `places`.
    """
    first: Place = next(iter(places.values()), ())
    flat = sum(isinstance(one, slice) for one in first) or labels.ndim
    infos = [MEASURES[name] for name in measures if not MEASURES[name].intensity]
    infos = [info for info in infos if info.columns(flat)]
    names = [info.name for info in infos if info.name != "centroid"]
    centres = np.empty((len(places), flat))
    found = np.empty((len(places), len(names), 2))
    for k, (label, place) in enumerate(places.items()):
        mask = labels[place] == label
        corner = [one.start for one in place if isinstance(one, slice)]
        centres[k] = [points.mean() + start for points, start in zip(mask.nonzero(), corner, strict=True)]
        if names:
            found[k] = shape_of(mask, names, sides)
    columns: dict[str, NDArray[np.float64]] = {}
    for info in infos:
        own = info.columns(flat)
        both = (
            (centres, centres * (sides or 1.0))
            if info.name == "centroid"
            else np.split(found[:, names.index(info.name)], 2, axis=1)
        )
        columns |= {name: both[0][:, axis].copy() for axis, name in enumerate(own)}
        if sides is not None and info.power:
            columns |= {with_unit(name, info.power): both[1][:, axis].copy() for axis, name in enumerate(own)}
    return columns


def sides_in_micrometres(
    size: Sequence[float] | None, unit: str | None, dimensions: int
) -> tuple[float, ...] | None:
    """Return the sides of a pixel or voxel in micrometres, if they are known in a unit of length."""
    if size is None:
        return None
    checked = LENGTH.check_all(size, "pixel_size", dimensions)
    sides = [in_micrometres((side,), unit) for side in checked]
    known = tuple(side for side in sides if side is not None)
    return known if len(known) == dimensions else None


def boxes_of(labels: NDArray[np.integer[Any]]) -> dict[int, Place]:
    """Return the box of each object (Y, X), or of each body (Z, Y, X), by label, rising."""
    if labels.ndim == 2:
        return places_of(labels)
    from scipy.ndimage import find_objects

    known, ranks = np.unique(labels, return_inverse=True)
    found = find_objects(ranks.reshape(labels.shape) + 1, len(known))
    return {int(label): box for label, box in zip(known, found, strict=True) if label > 0 and box is not None}

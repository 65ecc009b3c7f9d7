"""Objects for models that cannot say where they are: the bundled one looks, they draw the masks."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.engine.points.grid import ObjectPoints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.engine.points.grid import Crop
    from napari_sam2_automask.models import Model

__all__ = ["finder_on", "show_objects", "tells_objects"]


def tells_objects(model: Model) -> bool:
    """Tell whether a model has a dense head, which says where objects are."""
    return hasattr(model.network.image_encoder.trunk, "dense")


@lru_cache(maxsize=1)
def finder_on(device: str) -> Model:
    """Return the bundled model on a device, the same one every time."""
    from napari_sam2_automask.models import load_model

    return load_model("bundled", device=device)


def show_objects(
    crops: Sequence[Crop], tiles: Sequence[Crop], see: Callable[[Crop], ObjectPoints]
) -> list[Crop]:
    """Return crops with the objects that another model sees in its own tiles of the image.

    Parameters
    ----------
    crops : sequence of Crop
        Where a model is to be asked.
    tiles : sequence of Crop
        Where the other one looks: each object is in the own part of one of them.
    see : callable
        Returns what it sees in a tile.

    Returns
    -------
    list of Crop
        The crops, each with the objects whose centre lies in its own part.
    """
    seen = _pooled(tiles, [see(tile) for tile in tiles])
    return [replace(crop, seen=_part(seen, crop)) for crop in crops]


def _pooled(tiles: Sequence[Crop], seen: Sequence[ObjectPoints]) -> ObjectPoints:
    """Put what was seen in tiles together, in pixels of the image."""
    corners = [np.array(tile.box[:2], np.float32) for tile in tiles]
    firsts = np.cumsum([0, *(len(one.centres) for one in seen)])
    return ObjectPoints(
        np.concatenate([one.centres + corner for one, corner in zip(seen, corners, strict=True)]),
        np.concatenate([one.further + corner for one, corner in zip(seen, corners, strict=True)]),
        np.concatenate([one.owner + first for one, first in zip(seen, firsts, strict=False)]),
        np.concatenate([one.sparse + corner for one, corner in zip(seen, corners, strict=True)]),
    )


def _part(seen: ObjectPoints, crop: Crop) -> ObjectPoints:
    """Return the objects of an image that are a crop's own, in its pixels."""
    corner = np.array(crop.box[:2], np.float32)

    def here(points: NDArray[np.float32]) -> NDArray[np.bool_]:
        return crop.owns(points - corner)

    owned = here(seen.centres)
    # What lies beyond the crop cannot be asked in it.
    (height, width), further = crop.shape, seen.further - corner
    kept = owned[seen.owner] & (further >= 0).all(1) & (further < (width, height)).all(1)
    return ObjectPoints(
        seen.centres[owned] - corner,
        further[kept],
        (np.cumsum(owned) - 1)[seen.owner[kept]],
        seen.sparse[here(seen.sparse)] - corner,
    )

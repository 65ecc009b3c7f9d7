"""What a run gives back: the result of each plane, and all of them put together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.progress import ProgressCallback

    Index = tuple[int, ...]

__all__ = ["Outcome", "PlaneResult", "Segmenter", "TracksData", "digest"]


@dataclass(frozen=True, eq=False)
class PlaneResult:
    """The result of one plane.

    Attributes
    ----------
    labels : ndarray of unsigned int, shape (Y, X)
        0 is background.
    table : DataFrame
        One row per object, its label in column ``index``.
    record : dict
        How the plane was segmented, JSON-able.
    removed : mapping of str to int
        How many masks each filter removed.
    complete : bool
        False if the run was cancelled and this is what had been found.
    device : str
        The device that was used.
    live : LiveSelection or None
        What the settings can go on selecting from.
    """

    labels: NDArray[Any]
    table: pd.DataFrame
    record: dict[str, Any] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True
    device: str = ""
    live: LiveSelection | None = None


@dataclass(frozen=True, eq=False)
class TracksData:
    """What a Tracks layer takes: coordinates (N, 1 + axes), graph of parents, features (N,), place."""

    data: NDArray[Any]
    graph: dict[int, list[int]]
    features: dict[str, NDArray[Any]]
    transform: Mapping[str, Any]


class Segmenter(Protocol):
    """Segments one plane; the only thing that a test replaces."""

    def __call__(self, plane: NDArray[Any], request: Request, progress: ProgressCallback) -> PlaneResult:
        """Return the result of `plane`, (Y, X) or (Y, X, 3 or 4)."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a run, ready to be put into a layer.

    Attributes
    ----------
    data : ndarray of unsigned int
        Labels of the image's shape.
    table : DataFrame
        One row per object over all planes, ids unique.
    record : dict
        The record of the run.
    digests : dict of plane index to str
        :func:`digest` of each plane written.
    removed : dict of str to int
        How many masks each filter removed, over all planes.
    complete : bool
        Whether every requested plane is done.
    replaces : bool
        Whether `data` may replace the data of the previous layer: nobody has edited it.
    seconds : float
        Wall time.
    device : str
        The device that was used.
    live : LiveSelection or None
        Of a two-dimensional image: what the settings can go on selecting from.
    tracks : TracksData or None
        Of a stack linked in time.
    """

    data: NDArray[Any]
    table: pd.DataFrame
    record: dict[str, Any]
    digests: dict[Index, str]
    removed: dict[str, int]
    complete: bool
    replaces: bool
    seconds: float
    device: str = ""
    live: LiveSelection | None = None
    tracks: TracksData | None = None


def digest(plane: NDArray[Any]) -> str:
    """Return a hash of a label plane that does not depend on its dtype's width."""
    return hashlib.blake2b(np.ascontiguousarray(plane, dtype=np.uint32).data, digest_size=16).hexdigest()

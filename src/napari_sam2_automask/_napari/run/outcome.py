"""What a run gives back: the result of each plane, and all of them put together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Mends
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.stack.links import Links
    from napari_sam2_automask.stack.numbers import Numbers
    from napari_sam2_automask.stack.plane_store import PlaneStore

    Index = tuple[int, ...]
    Begun = tuple[tuple[Action, ...], int]
    Attach = Callable[[LiveSelection, Callable[[], NDArray[Any]]], None]

__all__ = ["Outcome", "PlaneResult", "PlanesFound", "Segmenter", "TracksData", "digest"]


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
        Of an image of two axes: what the settings can go on selecting from.
    candidates : Candidates or None
        Of a plane of a stack: the same, to be kept until the plane is shown.
    attach : callable or None
        Tells a selection from these candidates its picture, and lets it ask the model. Takes the selection,
        and what reads the plane, or the region of it.
    mends : Mends or None
        What was done to the objects of `live` already.
    begun : (tuple of Action, int) or None
        The same of a plane of a stack: the steps, and the largest label then.
    numbers : tuple of (int, int) or None
        Of a plane of a stack: its labels, and their numbers in the stack, if they have some already.
    """

    labels: NDArray[Any]
    table: pd.DataFrame
    record: dict[str, Any] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True
    device: str = ""
    live: LiveSelection | None = None
    candidates: Candidates | None = None
    attach: Attach | None = None
    mends: Mends | None = None
    begun: Begun | None = None
    numbers: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, eq=False)
class PlanesFound:
    """What the settings can go on selecting from in the planes of a stack.

    Attributes
    ----------
    store : PlaneStore
        Their candidates.
    numbers : Numbers
        Which number in the stack each label of a plane has.
    attach : callable or None
        See `PlaneResult`; takes the index of a plane and the selection.
    links : Links or None
        Of planes that were linked.
    begun : mapping of plane index to (steps, int)
        What was done in planes already, see `PlaneResult`.
    """

    store: PlaneStore
    numbers: Numbers
    attach: Callable[[Index, LiveSelection], None] | None = None
    links: Links | None = None
    begun: Mapping[Index, Begun] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TracksData:
    """What a Tracks layer takes: coordinates (N, 1 + axes), graph of parents, features (N,), place."""

    data: NDArray[Any]
    graph: dict[int, list[int]]
    features: dict[str, NDArray[Any]]
    transform: Mapping[str, Any]


class Segmenter(Protocol):
    """Segments one plane, and lets a model be asked there; the only thing that a test replaces."""

    def __call__(self, plane: NDArray[Any], request: Request, progress: ProgressCallback) -> PlaneResult:
        """Return the result of `plane`, (Y, X) or (Y, X, 3 or 4)."""

    def attach(self, request: Request, live: LiveSelection, read: Callable[[], NDArray[Any]]) -> None:
        """Tell a selection its picture, and let it ask the model there; loads nothing yet."""


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
    planes : PlanesFound or None
        Of a stack: what the settings can go on selecting from in each plane.
    mends : Mends or None
        Of labels that were there before: they are what was done to `live` first.
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
    planes: PlanesFound | None = None
    mends: Mends | None = None


def digest(plane: NDArray[Any]) -> str:
    """Return a hash of a label plane that does not depend on its dtype's width."""
    return hashlib.blake2b(np.ascontiguousarray(plane, dtype=np.uint32).data, digest_size=16).hexdigest()

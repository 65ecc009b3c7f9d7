"""One annotated image to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["TrainingImage"]


@dataclass(slots=True)
class TrainingImage:
    """One annotated image.

    Attributes
    ----------
    image : ndarray of uint8, shape (Y, X) or (Y, X, 3)
        Gray images are kept with one channel.
    levels : list of ndarray of int, shape (Y, X)
        Instance labels, coarsest first: whole objects, objects, parts. Usually there is one level only.
    kind : str
        What images of one kind have in common: a name by which shares of a training are given.
    negatives : float
        How far an unlabelled pixel can be trusted to be background: 1 where every object is annotated.
    group : str
        Images of one group come from one field or session and must not be split.
    name : str
        Of its file.
    outlines : float
        How far the outlines that there are can be trusted: less where overlapping objects were flattened.
    complete : ndarray of bool, shape (Y, X), optional
        Where unlabelled pixels can be trusted so far; all over the image if None.
    weights : mapping of int to float
        How much objects count, by label; 1 for those it does not name.
    alike : bool
        Whether what is segmented later looks like this image, so that its windows vary little.
    diameter : float
        Median diameter of discs of the objects' areas, in pixels.
    """

    image: NDArray[np.uint8]
    levels: list[NDArray[np.int32]]
    kind: str
    negatives: float
    group: str
    name: str = ""
    outlines: float = 1.0
    complete: NDArray[np.bool_] | None = None
    weights: Mapping[int, float] = field(default_factory=dict)
    alike: bool = False
    diameter: float = field(default=0.0)

    def __post_init__(self) -> None:
        areas = np.bincount(self.objects.ravel())[1:]
        areas = areas[areas > 0]
        self.diameter = float(2 * np.sqrt(np.median(areas) / np.pi)) if areas.size else 30.0

    @property
    def objects(self) -> NDArray[np.int32]:
        """The level of objects, between wholes and parts."""
        return self.levels[min(1, len(self.levels) - 1)]

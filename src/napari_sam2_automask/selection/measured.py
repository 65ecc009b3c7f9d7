"""What filters by measures look up: the measures of candidates, computed when they are first asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.image.intensity import intensity_columns
from napari_sam2_automask.measures.shape import shape_of
from napari_sam2_automask.settings.filters import FILTERS, is_of_intensity
from napari_sam2_automask.settings.measure_names import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.image.picture import LoadedImage

__all__ = ["filterable", "know_picture", "measure_some", "measured"]


class _Measured:
    """The measures of some candidates."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = ref(candidates)
        self._values: dict[tuple[str, float], NDArray[np.float64]] = {}
        self._known: dict[tuple[str, float], NDArray[np.bool_]] = {}
        self._sides: tuple[float, float] | None = None
        self.picture: LoadedImage | None = None

    def know(self, picture: LoadedImage) -> None:
        """Measure in this picture from now on."""
        known, size = self.picture, picture.pixel_size
        # Only the ratio of the sides counts: filters of lengths are in pixels.
        sides = None if size is None or size[0] == size[1] or picture.unit is None else size
        if known is not None and known.array is picture.array and sides == self._sides:
            return
        self.picture, self._sides = picture, sides
        self._values.clear()
        self._known.clear()

    def __call__(self, names: Sequence[str], threshold: float, rows: NDArray[np.int64]) -> None:
        """Measure some rows by some names, those that are not known yet."""
        candidates = self._candidates()
        assert candidates is not None, "the candidates outlive their measures"
        for name in names:
            key = name, threshold
            if key not in self._values:
                self._values[key] = np.full(len(candidates), np.nan)
                self._known[key] = np.zeros(len(candidates), bool)
            missing = rows[~self._known[key][rows]]
            for row in missing.tolist():
                y0, x0, mask = candidates.mask(row, threshold)
                self._values[key][row] = self._one(name, y0, x0, mask)
            self._known[key][missing] = True

    def missing(self, name: str, threshold: float, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some rows that are not measured yet."""
        known = self._known.get((name, threshold))
        return rows if known is None else rows[~known[rows]]

    def values(self, name: str, threshold: float) -> NDArray[np.float64]:
        """Return a measure of all rows, (N,); NaN of those that were not measured."""
        return self._values[name, threshold]

    def _one(self, name: str, y0: int, x0: int, mask: NDArray[np.bool_]) -> float:
        if not mask.any():
            return math.nan
        if not is_of_intensity(name):
            return shape_of(mask, (name,), self._sides)[0][0]
        if self.picture is None:
            raise CandidatesError(
                f"a filter by {name} needs the image as it was measured, which these candidates do not have: "
                "segment the image anew, or leave the filter out"
            )
        statistic = max((one for one in STATISTICS if name.startswith(one)), key=len)
        channels, wanted = self.picture.intensities, name[len(statistic) + 1 :]
        if wanted not in channels:
            told = ", ".join(f"{statistic}_{one}" if one else statistic for one in channels)
            raise CandidatesError(f"there is no {name} of this image: choose from {told}")
        window = slice(y0, y0 + mask.shape[0]), slice(x0, x0 + mask.shape[1])
        place = {1: (slice(None), slice(None))}
        found = intensity_columns({"": channels[wanted][window]}, mask.view(np.uint8), place, [statistic])
        return float(found[statistic][0])


_KNOWN: WeakKeyDictionary[Candidates, _Measured] = WeakKeyDictionary()


def know_picture(candidates: Candidates, picture: LoadedImage) -> None:
    """Tell in which picture candidates were found, for filters by intensity and true shapes."""
    _of(candidates).know(picture)


def measured(
    candidates: Candidates, name: str, threshold: float, alive: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return a measure of candidates, (N,) float64.

    Parameters
    ----------
    candidates : Candidates
        The candidates.
    name : str
        A measure, see `FILTERS`; lengths are in pixels.
    threshold : float
        The mask threshold.
    alive : (N,) bool array
        Those that are to be measured at least; others may be NaN.

    Raises
    ------
    CandidatesError
        If it is a measure of intensity, and the image is not known or has no such channel.
    """
    found = _of(candidates)
    found((name,), threshold, np.flatnonzero(alive))
    return found.values(name, threshold)


def filterable(candidates: Candidates) -> tuple[str, ...]:
    """Return the names of all measures that candidates can be filtered by, those of each channel too."""
    picture = _of(candidates).picture
    channels = () if picture is None else tuple(picture.intensities)
    return (*FILTERS, *(f"{one}_{name}" if name else one for one in STATISTICS for name in channels))


def measure_some(
    candidates: Candidates, name: str, threshold: float, alive: NDArray[np.bool_], most: int
) -> int:
    """Measure at most so many candidates of those that are not measured yet; return how many are left.

    Parameters and errors are those of `measured`.
    """
    found = _of(candidates)
    missing = found.missing(name, threshold, np.flatnonzero(alive))
    found((name,), threshold, missing[:most])
    return max(0, len(missing) - most)


def _of(candidates: Candidates) -> _Measured:
    found = _KNOWN.get(candidates)
    if found is None:
        found = _KNOWN[candidates] = _Measured(candidates)
    return found

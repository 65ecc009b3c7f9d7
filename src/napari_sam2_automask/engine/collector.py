"""Collects candidates crop by crop and turns them into arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.candidates.candidates import BEYOND_MEMORY, Candidates, Floor
from napari_sam2_automask.candidates.logit_windows import STORED, LogitWindows, halve
from napari_sam2_automask.geometry.placed import tight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.engine.decoder.mask_measures import Measures, Resizer
    from napari_sam2_automask.engine.points.grid import Crop
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Found", "Store", "cut_window"]


def cut_window(logits: NDArray[np.float32], above: float) -> tuple[tuple[int, int], NDArray[np.float32]]:
    """Cut logits to those above a level and their neighbours, which their pixels are interpolated from.

    Parameters
    ----------
    logits : (h, w) float32 array
        Low-resolution logits, at least one of them above the level.
    above : float
        The level.

    Returns
    -------
    origin : (int, int)
        Row and column of the window's first sample.
    window : (rows, columns) float32 array
        A copy.
    """
    rows, columns = tight(logits > above)
    y, x = max(rows.start - 1, 0), max(columns.start - 1, 0)
    return (y, x), logits[y : rows.stop + 1, x : columns.stop + 1].copy()


class Found(NamedTuple):
    """One candidate; places are in image pixels, but for the window's origin in the crop's logits."""

    predicted_iou: float
    stability: float
    box: NDArray[np.int64]
    area: int
    point: NDArray[np.float32]
    crop: int
    origin: tuple[int, int]
    window: NDArray[np.float16]
    repairs: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Memory of the logits in bytes."""
        return self.window.nbytes + self.repairs.nbytes


@dataclass(slots=True, eq=False)
class Store:
    """Candidates as they are found.

    Attributes
    ----------
    lowest : float
        Logits above this are kept.
    limit : int or None
        Bytes of logits to keep; beyond them the best rated candidates stay, in whatever pieces they come.
    found : list
        What was found, in the order of the prompts.
    removed : dict
        How many masks each filter removed.
    """

    lowest: float
    limit: int | None = None
    found: list[Found] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)
    _bytes: int = 0
    # The best rating that did not fit; what is found later and rated no better does not fit either.
    _refused: float = -np.inf

    def remove(self, name: str, count: int) -> None:
        """Count masks that a filter removed."""
        self.removed[name] = self.removed.get(name, 0) + count

    def extend(self, other: Store) -> None:
        """Take over what another store collected."""
        for name, count in other.removed.items():
            self.remove(name, count)
        fitting = [one for one in other.found if one.predicted_iou > self._refused]
        if len(fitting) < len(other.found):
            self.remove(BEYOND_MEMORY, len(other.found) - len(fitting))
        self.found += fitting
        self._bytes += sum(one.nbytes for one in fitting)
        # An eighth more for the time being: sorting takes longer the more there is.
        if self.limit is not None and self._bytes > self.limit + self.limit // 8:
            self._trim(self.limit)

    def add(
        self,
        crop: Crop,
        points: NDArray[np.float32],
        iou: NDArray[np.float32],
        measures: Measures,
        logits: NDArray[np.float32],
        keep: NDArray[np.bool_],
        resizer: Resizer,
    ) -> None:
        """Keep some of the masks of some prompts.

        Parameters
        ----------
        crop : Crop
            Where they were found.
        points : (K, 2) float32 array
            Their prompts, in pixels of the crop.
        iou : (K,) array
            Predicted IoU.
        measures : Measures
            Areas, stability and boxes of the K masks.
        logits : (kept, h, w) array
            Logits of those to keep.
        keep : (K,) bool array
            Which to keep.
        resizer : Resizer
            What measured them.
        """
        kept = np.flatnonzero(keep)
        offset = np.array([crop.box[0], crop.box[1]])
        boxes = measures.boxes + np.tile(offset, 2)
        stability, area = measures.stability.tolist(), measures.area.tolist()
        rating = iou.tolist()
        cut = [cut_window(one, self.lowest) for one in logits]
        origins = [origin for origin, _ in cut]
        windows, repairs = halve([window for _, window in cut], origins, resizer.axes, resizer.threshold)
        rows_first = offset[::-1].astype(np.int32)
        self.found += [
            Found(
                rating[i],
                stability[i],
                boxes[i],
                area[i],
                points[i] + offset.astype(np.float32),
                crop.index,
                origins[k],
                windows[k],
                repairs[k] + rows_first,
            )
            for k, i in enumerate(kept)
        ]

    def candidates(
        self,
        shape: tuple[int, int],
        crops: list[Crop],
        grid: tuple[int, int],
        settings: AmgSettings,
        floor: Floor,
        model: Mapping[str, Any],
        prompts: tuple[int, int],
        object_diameter: float = 0.0,
        disagreement: float = 0.0,
    ) -> Candidates:
        """Sort what was kept by predicted IoU, stably, and put it into arrays."""
        if self.limit is not None and self._bytes > self.limit:
            self._trim(self.limit)
        found = self._sorted()
        sizes = [one.window.shape for one in found]
        values = [one.window.ravel() for one in found]
        repairs = [np.insert(one.repairs, 0, k, axis=1) for k, one in enumerate(found) if len(one.repairs)]
        offsets = np.concatenate([[0], np.cumsum([len(v) for v in values], dtype=np.int64)])
        return Candidates(
            shape=shape,
            predicted_iou=np.array([one.predicted_iou for one in found], np.float32),
            stability_score=np.array([one.stability for one in found], np.float32),
            points=np.array([one.point for one in found], np.float32).reshape(-1, 2),
            boxes=np.array([one.box for one in found], np.int64).reshape(-1, 4),
            area=np.array([one.area for one in found], np.int64),
            crop_index=np.array([one.crop for one in found], np.int32),
            crop_boxes=np.array([crop.box for crop in crops], np.int64).reshape(-1, 4),
            windows=LogitWindows(
                grid=grid,
                origins=np.array([one.origin for one in found], np.int32).reshape(-1, 2),
                sizes=np.array(sizes, np.int32).reshape(-1, 2),
                offsets=offsets.astype(np.int64),
                values=np.concatenate(values) if values else np.zeros(0, STORED),
                lowest=self.lowest,
                repairs=np.concatenate([np.zeros((0, 3), np.int32), *repairs]).astype(np.int32),
            ),
            settings=settings,
            floor=floor,
            model=dict(model),
            complete=prompts[0] == prompts[1],
            removed=dict(self.removed),
            prompts=prompts,
            object_diameter=object_diameter,
            disagreement=disagreement,
        )

    def _sorted(self) -> list[Found]:
        """Return what was found, best predicted IoU first, equal ones in the order of the prompts."""
        scores = np.array([one.predicted_iou for one in self.found], np.float32)
        return [self.found[i] for i in np.argsort(-scores, kind="stable")]

    def _trim(self, limit: int) -> None:
        """Keep the best rated, up to the first that does not fit; the same whenever this is done."""
        found = self._sorted()
        ends = np.cumsum([one.nbytes for one in found])
        count = int(np.searchsorted(ends, limit, side="right"))
        self.remove(BEYOND_MEMORY, len(found) - count)
        self._refused = max(self._refused, found[count].predicted_iou)
        self.found, self._bytes = found[:count], int(ends[count - 1]) if count else 0

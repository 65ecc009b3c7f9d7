"""Collects candidates crop by crop and turns them into arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates import Candidates, Floor, LogitWindows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam2_automask.engine.grid import Crop
    from napari_sam2_automask.engine.lowres import Measures
    from napari_sam2_automask.settings import AmgSettings

__all__ = ["Store", "cut_window"]


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
    used = logits > above
    rows, columns = np.flatnonzero(used.any(1)), np.flatnonzero(used.any(0))
    y, x = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
    return (y, x), logits[y : int(rows[-1]) + 2, x : int(columns[-1]) + 2].copy()


@dataclass(slots=True, eq=False)
class Store:
    """Candidates as they are found.

    Attributes
    ----------
    lowest : float
        Logits above this are kept.
    scores : list of (float, float)
        Predicted IoU and stability.
    removed : dict
        How many masks each filter removed.
    """

    lowest: float
    scores: list[tuple[float, float]] = field(default_factory=list)
    boxes: list[NDArray[np.int64]] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)
    crops: list[int] = field(default_factory=list)
    origins: list[tuple[int, int]] = field(default_factory=list)
    windows: list[NDArray[np.float32]] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)

    def remove(self, name: str, count: int) -> None:
        """Count masks that a filter removed."""
        self.removed[name] = self.removed.get(name, 0) + count

    def extend(self, other: Store) -> None:
        """Take over what another store collected."""
        for name, count in other.removed.items():
            self.remove(name, count)
        self.scores += other.scores
        self.boxes += other.boxes
        self.areas += other.areas
        self.points += other.points
        self.crops += other.crops
        self.origins += other.origins
        self.windows += other.windows

    def add(
        self,
        crop: Crop,
        points: NDArray[np.float32],
        iou: Tensor,
        measures: Measures,
        logits: Tensor,
        keep: Tensor,
    ) -> None:
        """Keep some of the masks of one prompt.

        Parameters
        ----------
        crop : Crop
            Where they were found.
        points : (K, 2) float32 array
            Their prompts, in pixels of the crop.
        iou : (K,) Tensor
            Predicted IoU.
        measures : Measures
            Areas, stability and boxes of the K masks.
        logits : (K, h, w) Tensor
            Their logits.
        keep : (K,) bool Tensor
            Which to keep.
        """
        offset = np.array([crop.box[0], crop.box[1]])
        boxes = measures.boxes.cpu().numpy() + np.tile(offset, 2)
        stability, area = measures.stability.tolist(), measures.area.tolist()
        rating = iou.tolist()
        for i in keep.nonzero()[:, 0].tolist():
            origin, window = cut_window(logits[i].cpu().numpy(), self.lowest)
            self.scores.append((rating[i], stability[i]))
            self.boxes.append(boxes[i])
            self.areas.append(area[i])
            self.points.append(points[i] + offset.astype(np.float32))
            self.crops.append(crop.index)
            self.origins.append(origin)
            self.windows.append(window)

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
    ) -> Candidates:
        """Sort what was kept by predicted IoU, stably, and put it into arrays."""
        scores = np.array(self.scores, np.float32).reshape(-1, 2)
        order = np.argsort(-scores[:, 0], kind="stable")
        windows = [self.windows[i] for i in order]
        sizes = np.array([w.shape for w in windows], np.int32).reshape(-1, 2)
        offsets = np.concatenate([[0], np.cumsum([w.size for w in windows], dtype=np.int64)]).astype(np.int64)
        values = np.concatenate([w.ravel() for w in windows]) if windows else np.zeros(0, np.float32)
        return Candidates(
            shape=shape,
            predicted_iou=scores[order, 0],
            stability_score=scores[order, 1],
            points=np.array(self.points, np.float32).reshape(-1, 2)[order],
            boxes=np.array(self.boxes, np.int64).reshape(-1, 4)[order],
            area=np.array(self.areas, np.int64)[order],
            crop_index=np.array(self.crops, np.int32)[order],
            crop_boxes=np.array([crop.box for crop in crops], np.int64).reshape(-1, 4),
            windows=LogitWindows(
                grid=grid,
                origins=np.array(self.origins, np.int32).reshape(-1, 2)[order],
                sizes=sizes,
                offsets=offsets,
                values=values,
                lowest=self.lowest,
            ),
            settings=settings,
            floor=floor,
            model=dict(model),
            complete=prompts[0] == prompts[1],
            removed=dict(self.removed),
            prompts=prompts,
            object_diameter=object_diameter,
        )

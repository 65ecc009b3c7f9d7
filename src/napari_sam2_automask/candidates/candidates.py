"""Candidates: every mask that a proposal kept, with its scores, as the selection reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates.logit_windows import STORED, LogitWindows
from napari_sam2_automask.errors import NewRunError
from napari_sam2_automask.geometry.bilinear import Axis, resize_window
from napari_sam2_automask.geometry.placed import tight
from napari_sam2_automask.settings.numbers import SCORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["BEYOND_MEMORY", "Candidates", "Floor", "LogitWindows", "left_out_text", "most_bytes"]

#: Under this name `Candidates.removed` counts what did not fit into `candidate_memory`.
BEYOND_MEMORY = "beyond memory"

#: How far thresholds can be lowered after a proposal that leaves room for it.
ROOM = 0.2


def most_bytes(settings: AmgSettings) -> int:
    """Return how many bytes of logits may be kept at these settings."""
    return settings.candidate_memory * 1_000_000


def left_out_text(removed: Mapping[str, int]) -> str:
    """Say how many masks did not fit into the memory for candidates; nothing where all did.

    Parameters
    ----------
    removed : mapping of str to int
        How many masks each filter removed.
    """
    count = removed.get(BEYOND_MEMORY, 0)
    if not count:
        return ""
    return f"{count:,} masks did not fit into candidate_memory and were left out: raise it to keep them"


@dataclass(frozen=True, slots=True)
class Floor:
    """The lowest scores a candidate may have to be kept by a proposal.

    Thresholds at or above the floor can be changed afterwards without asking the model again.

    Attributes
    ----------
    pred_iou, stability : float
        Candidates need a predicted IoU above the first (no test at 0) and a stability score of at least
        the second (no test at 0).

    Raises
    ------
    SettingsError
        If one is no number from 0 to 1.
    """

    pred_iou: float = 0.0
    stability: float = 0.0

    def __post_init__(self) -> None:
        for name in ("pred_iou", "stability"):
            object.__setattr__(self, name, SCORE.check(getattr(self, name), f"the floor of {name}"))

    @classmethod
    def given(cls, floor: Any) -> Floor | None:
        """Return a floor, or the one that a pair of numbers is; None for None; else a SettingsError."""
        if floor is None or isinstance(floor, cls):
            return floor
        return cls(*SCORE.check_all(floor, "floor", 2))

    @classmethod
    def of(cls, settings: AmgSettings) -> Floor:
        """Return the floor that keeps what these settings keep, and nothing more."""
        return cls(*settings.lowest_scores)

    @classmethod
    def with_room(cls, settings: AmgSettings) -> Floor:
        """Return the floor that lets thresholds be lowered by `ROOM` afterwards."""
        lower = cls(
            round(max(0.0, settings.pred_iou_thresh - ROOM), 4),
            round(max(0.0, settings.stability_score_thresh - ROOM), 4),
        )
        return lower.below(settings)

    def below(self, settings: AmgSettings) -> Floor:
        """Return the lower of this floor and the settings' own thresholds."""
        pred_iou, stability = settings.lowest_scores
        return Floor(min(self.pred_iou, pred_iou), min(self.stability, stability))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Candidates:
    """What a proposal found in one image: overlapping masks above the floor, best predicted IoU first.

    The label of a candidate is its row plus one, so that it keeps its number whatever the selection.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the image.
    predicted_iou, stability_score : (N,) float32 arrays
        The two scores; the rows are sorted by the first, descending.
    points : (N, 2) float32 array
        The x, y of the prompt in image pixels.
    boxes : (N, 4) int64 array
        ``x0, y0, x1, y1`` in image pixels, end inclusive.
    area : (N,) int64 array
        Pixels of the mask.
    crop_index : (N,) int32 array
        The row of `crop_boxes` that the candidate was found in.
    crop_boxes : (M, 4) int64 array
        ``x0, y0, x1, y1`` of every crop, end exclusive; the first is the whole image.
    windows : LogitWindows
        What the masks are made of.
    settings : AmgSettings
        The settings of the proposal.
    floor : Floor
        The lowest scores kept.
    model : Mapping
        Description of the model, JSON-able.
    complete : bool
        False when the proposal was cancelled.
    removed : Mapping of str to int
        How many masks each filter of the proposal removed.
    prompts : (int, int)
        Point prompts asked and point prompts planned.
    object_diameter : float
        What points and magnification were fitted to, in pixels; 0 if they were not.
    disagreement : float
        Median distance of the centres that neighbouring places on objects name, in cells of 1/128 of what the
        model is shown; 0 if the model names none. See `napari_sam2_automask.selection.familiarity`.
    brightness : (N,) float32 array or None
        Mean gray level of what the model saw within the mask, 0 to 255; None where it was not measured.
    """

    shape: tuple[int, int]
    predicted_iou: NDArray[np.float32]
    stability_score: NDArray[np.float32]
    points: NDArray[np.float32]
    boxes: NDArray[np.int64]
    area: NDArray[np.int64]
    crop_index: NDArray[np.int32]
    crop_boxes: NDArray[np.int64]
    windows: LogitWindows
    settings: AmgSettings
    floor: Floor
    model: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True
    removed: Mapping[str, int] = field(default_factory=dict)
    prompts: tuple[int, int] = (0, 0)
    object_diameter: float = 0.0
    disagreement: float = 0.0
    brightness: NDArray[np.float32] | None = None

    @classmethod
    def none(
        cls, shape: tuple[int, int], settings: AmgSettings, floor: Floor, object_diameter: float = 0.0
    ) -> Candidates:
        """Return no candidates of an image, where no model was asked for any.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the image.
        settings : AmgSettings
            The settings in force.
        floor : Floor
            The lowest scores that a proposal would keep.
        object_diameter : float
            How wide objects are in pixels; 0 where that is not to count.
        """
        windows = LogitWindows(
            grid=(1, 1),
            origins=np.zeros((0, 2), np.int32),
            sizes=np.zeros((0, 2), np.int32),
            offsets=np.zeros(1, np.int64),
            values=np.zeros(0, STORED),
            lowest=-np.inf,
        )
        scores = np.zeros(0, np.float32)
        return cls(
            shape=shape,
            predicted_iou=scores,
            stability_score=scores,
            points=np.zeros((0, 2), np.float32),
            boxes=np.zeros((0, 4), np.int64),
            area=np.zeros(0, np.int64),
            crop_index=np.zeros(0, np.int32),
            crop_boxes=np.array([[0, 0, shape[1], shape[0]]]),
            windows=windows,
            settings=settings,
            floor=floor,
            object_diameter=object_diameter,
        )

    def __len__(self) -> int:
        return len(self.predicted_iou)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        columns = (
            self.predicted_iou,
            self.stability_score,
            self.points,
            self.boxes,
            self.area,
            self.crop_index,
        )
        measured = 0 if self.brightness is None else self.brightness.nbytes
        return sum(array.nbytes for array in columns) + measured + self.windows.nbytes

    def mask(self, i: int, threshold: float | None = None) -> tuple[int, int, NDArray[np.bool_]]:
        """Return a candidate's mask inside its box.

        Parameters
        ----------
        i : int
            Row of the candidate.
        threshold : float, optional
            Logit above which a pixel belongs to the mask; the proposal's ``mask_threshold`` if None.

        Returns
        -------
        y0, x0 : int
            Image row and column of the array's first pixel.
        mask : (h, w) bool array
            The mask; without any pixel, of shape (0, 0), if no logit is above `threshold`.

        Raises
        ------
        NewRunError
            If `threshold` is lower than the logits that were stored.
        """
        own = self.settings.mask_threshold
        level = own if threshold is None else threshold
        if level < self.windows.lowest:
            raise NewRunError(
                f"masks at threshold {level:g} need logits that were not stored (above "
                f"{self.windows.lowest:g} only): propose again with mask_threshold={level:g}",
                "mask_threshold",
            )
        if level != own:
            y, x, logits = self.logits(i)
            mask = logits > np.float32(level)
            rows, columns = tight(mask)
            return y + rows.start, x + columns.start, mask[rows, columns]
        x0, y0, x1, y1 = (int(v) for v in self.boxes[i])
        y, x, logits = self.logits(i, (y0, x0, y1 + 1, x1 + 1))
        return y, x, logits > np.float32(level)

    def logits(
        self, i: int, pixels: tuple[int, int, int, int] | None = None
    ) -> tuple[int, int, NDArray[np.float32]]:
        """Return a candidate's logits in image pixels.

        Parameters
        ----------
        i : int
            Row of the candidate.
        pixels : (int, int, int, int), optional
            ``y0, x0, y1, x1`` in image pixels, end exclusive, inside what is stored; all of it if None.

        Returns
        -------
        y0, x0 : int
            Image row and column of the array's first pixel.
        logits : (h, w) float32 array
            The logits; everything outside is at most ``windows.lowest``.
        """
        cx0, cy0, cx1, cy1 = (int(v) for v in self.crop_boxes[self.crop_index[i]])
        rows, columns = _axis(self.windows.grid[0], cy1 - cy0), _axis(self.windows.grid[1], cx1 - cx0)
        oy, ox = (int(v) for v in self.windows.origins[i])
        if pixels is None:
            h, w = (int(v) for v in self.windows.sizes[i])
            (y0, y1), (x0, x1) = rows.inside(oy, oy + h), columns.inside(ox, ox + w)
        else:
            y0, x0, y1, x1 = pixels[0] - cy0, pixels[1] - cx0, pixels[2] - cy0, pixels[3] - cx0
        resized = resize_window(self.windows.window(i), (oy, ox), (rows, columns), (y0, x0, y1, x1))
        corner = cy0 + y0, cx0 + x0
        self.windows.repair(i, resized, corner, np.float32(self.settings.mask_threshold))
        return *corner, resized


@lru_cache(maxsize=64)
def _axis(n_in: int, n_out: int) -> Axis:
    return Axis.make(n_in, n_out)

"""Area, stability and box of a mask from its low-resolution logits.

An image pixel is a weighted mean of the four logits around it. Where all four lie on one side of a
threshold, so does every pixel between them, and counting needs no pixel. Pixels are made only in cells that
straddle a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_sam2_automask.engine.tensors.host import to_device, to_host
from napari_sam2_automask.geometry.bilinear import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Measures", "Resizer"]

# A weighted mean may leave the range of its four values by a few units in the last place.
_MARGIN = 1e-5
# Pixels evaluated at a time; bounds the memory where scales are large or logits are noisy.
_PIXELS = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """What a mask looks like in image pixels, without its pixels.

    Attributes
    ----------
    area : (K,) int64 array
        Pixels above the mask threshold.
    intersection, union : (K,) int64 arrays
        Pixels above the mask threshold plus and minus the stability offset.
    boxes : (K, 4) int64 array
        ``x0, y0, x1, y1`` above the mask threshold, end inclusive; zeros for an empty mask.
    """

    area: NDArray[np.int64]
    intersection: NDArray[np.int64]
    union: NDArray[np.int64]
    boxes: NDArray[np.int64]

    @property
    def stability(self) -> NDArray[np.float32]:
        """Intersection over union; NaN where both are empty."""
        with np.errstate(invalid="ignore"):
            ratio: NDArray[np.float32] = np.divide(
                self.intersection.astype(np.float32), self.union.astype(np.float32)
            )
        return ratio


@dataclass(frozen=True, slots=True, eq=False)
class _Survey:
    """Masks as far as whole cells go.

    Attributes
    ----------
    logits : (K, h, w) Tensor
        The masks.
    origin : (int, int)
        Row and column of the first cell looked at.
    mixed : (K, rows, columns) bool Tensor
        Cells whose pixels have to be made.
    counts : list of three (K,) int64 Tensors
        Pixels above each level in the other cells.
    boxes : (K, 4) int64 Tensor
        Boxes of the other cells.
    """

    logits: Tensor
    origin: tuple[int, int]
    mixed: Tensor
    counts: list[Tensor]
    boxes: Tensor


class Resizer:
    """Measures masks whose logits of one size belong to crops of one size.

    Parameters
    ----------
    logit_size, crop_size : (int, int)
        Rows and columns of the logits and of the crop.
    threshold, offset : float
        Mask threshold and stability offset.
    device : torch.device
        Of the logits.

    Attributes
    ----------
    axes : (Axis, Axis)
        Of rows and columns.
    """

    def __init__(
        self,
        logit_size: tuple[int, int],
        crop_size: tuple[int, int],
        threshold: float,
        offset: float,
        device: torch.device,
    ) -> None:
        self.axes = Axis.make(logit_size[0], crop_size[0]), Axis.make(logit_size[1], crop_size[1])
        self.threshold = threshold
        self._crop_size = crop_size
        self._levels = threshold + offset, threshold, threshold - offset
        self._starts = [to_device(axis.starts, device) for axis in self.axes]
        self._counts = [to_device(axis.counts, device) for axis in self.axes]
        self._weights = [to_device(axis.weight, device) for axis in self.axes]
        self._most = [int(axis.counts.max()) for axis in self.axes]
        self._has_pixels = (self._counts[0] > 0)[:, None] & (self._counts[1] > 0)

    def measure(self, *logits: Tensor) -> Measures:
        """Measure masks.

        Parameters
        ----------
        *logits : (K, h, w) float32 Tensors
            Low-resolution logits, in as many arrays as they come in; a GPU is waited for twice in all.

        Returns
        -------
        Measures
            Of all masks in order. Equal to those of the resized logits but for pixels within rounding of a
            threshold.
        """
        surveys = [self._survey(part) for part in logits]
        found = [
            self._measured(survey, cells)
            for survey, cells in zip(surveys, self._mixed_cells(surveys), strict=True)
        ]
        table = to_host(torch.cat(found))
        return Measures(table[:, 0], table[:, 1], table[:, 2], table[:, 3:])

    def _survey(self, logits: Tensor) -> _Survey:
        """Count whole cells, and find the others."""
        rows, columns = self._window(logits)
        corners = _corners(logits[:, rows, columns])
        low = torch.minimum(torch.minimum(*corners[:2]), torch.minimum(*corners[2:]))
        high = torch.maximum(torch.maximum(*corners[:2]), torch.maximum(*corners[2:]))
        margin = torch.maximum(low.abs(), high.abs()).mul_(_MARGIN).add_(1e-12)
        has_pixels = self._has_pixels[rows, columns]
        full = (low - margin > self._levels[0]) & has_pixels
        mixed = (high + margin > self._levels[2]) & has_pixels & ~full
        inside = self._count(full, rows, columns)
        counts = [inside.clone(), inside.clone(), inside]
        return _Survey(
            logits, (rows.start, columns.start), mixed, counts, self._box_of_cells(full, rows, columns)
        )

    def _mixed_cells(self, surveys: list[_Survey]) -> list[tuple[Tensor, ...]]:
        """Return mask, row and column of the cells whose pixels have to be made."""
        if surveys[0].mixed.device.type != "cuda":
            return [survey.mixed.nonzero(as_tuple=True) for survey in surveys]
        # Places can be asked for without waiting once it is known how many there are.
        counts = to_host(torch.stack([survey.mixed.sum() for survey in surveys]))
        return [_places(survey.mixed, int(n)) for survey, n in zip(surveys, counts, strict=True)]

    def _measured(self, survey: _Survey, cells: tuple[Tensor, ...]) -> Tensor:
        """Add the pixels of mixed cells; area, intersection, union and box, (K, 7)."""
        counts, boxes = survey.counts, survey.boxes
        mask, row, column = cells
        step = max(1, _PIXELS // (self._most[0] * self._most[1]))
        for start in range(0, len(mask), step):
            part = slice(start, start + step)
            placed = mask[part], row[part] + survey.origin[0], column[part] + survey.origin[1]
            self._add_cells(survey.logits, placed, counts, boxes)
        boxes = boxes.masked_fill_((counts[1] == 0)[:, None], 0)
        return torch.cat([torch.stack([counts[1], counts[0], counts[2]], 1), boxes], 1)

    def _window(self, logits: Tensor) -> tuple[slice, slice]:
        """Return rows and columns outside which no pixel can be above any level.

        All there are on a GPU, which would have to wait for the answer.
        """
        height, width = logits.shape[1:]
        if logits.device.type != "cpu" or not logits.numel():
            return slice(0, height), slice(0, width)
        lowest, highest = logits.aminmax()
        margin = _MARGIN * max(abs(float(lowest)), abs(float(highest))) + 1e-12
        used = logits.amax(0) > self._levels[2] - margin
        return _around(used.any(1)), _around(used.any(0))

    def _count(self, cells: Tensor, rows: slice, columns: slice) -> Tensor:
        by_row = (cells * self._counts[1][columns]).sum(-1)
        total: Tensor = (by_row * self._counts[0][rows]).sum(-1)
        return total

    def _box_of_cells(self, cells: Tensor, rows: slice, columns: slice) -> Tensor:
        """Box of whole cells; where there is none, a box that any pixel enlarges."""
        edges = []
        for axis, part in enumerate((rows, columns)):
            starts, pixels = self._starts[axis][part.start : part.stop + 1], self._crop_size[axis]
            used = cells.any(2 - axis)
            first = torch.where(used, starts[:-1], pixels).amin(1)
            last = torch.where(used, starts[1:] - 1, -1).amax(1)
            edges.append((first, last))
        (y0, y1), (x0, x1) = edges
        return torch.stack([x0, y0, x1, y1], 1)

    def _add_cells(
        self, logits: Tensor, cells: tuple[Tensor, Tensor, Tensor], counts: list[Tensor], boxes: Tensor
    ) -> None:
        """Make the pixels of some cells, and add them to counts and boxes."""
        mask, row, column = cells
        below, beside = (
            (place + 1).clamp(max=side - 1)
            for place, side in zip((row, column), logits.shape[1:], strict=True)
        )
        a, b, c, d = (
            logits[mask, y, x][:, None, None]
            for y, x in ((row, column), (row, beside), (below, column), (below, beside))
        )
        y, y_in, lower = self._pixels(0, row)
        x, x_in, right = self._pixels(1, column)
        lower, right = lower[:, :, None], right[:, None, :]
        upper, left = 1 - lower, 1 - right
        values = (a * left + b * right) * upper + (c * left + d * right) * lower
        values.masked_fill_(~(y_in[:, :, None] & x_in[:, None, :]), -torch.inf)
        for level, count in zip(self._levels, counts, strict=True):
            count.index_add_(0, mask, (values > level).sum((1, 2)))
        above = values > self._levels[1]
        rows, columns = above.any(2), above.any(1)
        x0 = torch.where(columns, x, self._crop_size[1]).amin(1)
        y0 = torch.where(rows, y, self._crop_size[0]).amin(1)
        x1, y1 = torch.where(columns, x, -1).amax(1), torch.where(rows, y, -1).amax(1)
        index = mask[:, None].expand(-1, 2)
        boxes[:, :2].scatter_reduce_(0, index, torch.stack([x0, y0], 1), "amin")
        boxes[:, 2:].scatter_reduce_(0, index, torch.stack([x1, y1], 1), "amax")

    def _pixels(self, axis: int, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels of cells along an axis: coordinate, whether it is in the cell, weight of the far sample."""
        counts, weights = self._counts[axis], self._weights[axis]
        offset = torch.arange(self._most[axis], device=cell.device)
        pixel = self._starts[axis][cell][:, None] + offset
        return pixel, offset < counts[cell][:, None], weights[pixel.clamp(max=len(weights) - 1)]


def _places(true: Tensor, count: int) -> tuple[Tensor, ...]:
    """Return the indices of what is True in a (K, rows, columns) Tensor, known to be `count` places."""
    flat = true.flatten().cumsum(0, dtype=torch.int32)
    nth = torch.arange(1, count + 1, dtype=torch.int32, device=true.device)
    places = torch.searchsorted(flat, nth)
    # Not torch.unravel_index, which sends the shape to the device and waits for that.
    _, rows, columns = true.shape
    within = places % (rows * columns)
    return places // (rows * columns), within // columns, within % columns


def _around(used: Tensor) -> slice:
    """Return the positions from the first to the last that is True, and one more on either side."""
    positions = used.nonzero()
    if not len(positions):
        return slice(0, 1)
    return slice(max(int(positions[0]) - 1, 0), min(int(positions[-1]) + 2, len(used)))


def _corners(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return each cell's four samples, those past the edge repeated, each (K, h, w)."""
    right = torch.cat([logits[:, :, 1:], logits[:, :, -1:]], 2)
    below = torch.cat([logits[:, 1:], logits[:, -1:]], 1)
    return logits, right, below, torch.cat([right[:, 1:], right[:, -1:]], 1)

"""Area, stability and box of a mask from its low-resolution logits.

An image pixel is a weighted mean of the four logits around it. Where all four lie on one side of a
threshold, so does every pixel between them, and counting needs no pixel. Pixels are made only in cells that
straddle a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_sam2_automask.bilinear import Axis

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
    area : (K,) int64 Tensor
        Pixels above the mask threshold.
    intersection, union : (K,) int64 Tensors
        Pixels above the mask threshold plus and minus the stability offset.
    boxes : (K, 4) int64 Tensor
        ``x0, y0, x1, y1`` above the mask threshold, end inclusive; zeros for an empty mask.
    """

    area: Tensor
    intersection: Tensor
    union: Tensor
    boxes: Tensor

    def cpu(self) -> Measures:
        """Return a copy on the CPU, or this one where it is there."""
        return Measures(self.area.cpu(), self.intersection.cpu(), self.union.cpu(), self.boxes.cpu())

    @property
    def stability(self) -> Tensor:
        """Intersection over union as float32; NaN where both are empty."""
        return self.intersection / self.union


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
        self._starts = [torch.from_numpy(axis.starts).to(device) for axis in self.axes]
        self._counts = [torch.from_numpy(axis.counts).to(device) for axis in self.axes]
        self._weights = [torch.from_numpy(axis.weight).to(device) for axis in self.axes]
        self._most = [int(axis.counts.max()) for axis in self.axes]
        self._has_pixels = (self._counts[0] > 0)[:, None] & (self._counts[1] > 0)

    def measure(self, logits: Tensor) -> Measures:
        """Measure masks.

        Parameters
        ----------
        logits : (K, h, w) float32 Tensor
            Low-resolution logits.

        Returns
        -------
        Measures
            Equal to those of the resized logits but for pixels within rounding of a threshold.
        """
        rows, columns = self._window(logits)
        corners = _corners(logits[:, rows, columns])
        low = torch.minimum(torch.minimum(*corners[:2]), torch.minimum(*corners[2:]))
        high = torch.maximum(torch.maximum(*corners[:2]), torch.maximum(*corners[2:]))
        margin = torch.maximum(low.abs(), high.abs()).mul_(_MARGIN).add_(1e-12)
        has_pixels = self._has_pixels[rows, columns]
        full = (low - margin > self._levels[0]) & has_pixels
        some = (high + margin > self._levels[2]) & has_pixels & ~full
        inside = self._count(full, rows, columns)
        counts = [inside.clone(), inside.clone(), inside]
        boxes = self._box_of_cells(full, rows, columns)
        mask, row, column = some.nonzero(as_tuple=True)
        step = max(1, _PIXELS // (self._most[0] * self._most[1]))
        for start in range(0, len(mask), step):
            part = slice(start, start + step)
            cells = mask[part], row[part], column[part]
            placed = cells[0], cells[1] + rows.start, cells[2] + columns.start
            self._add_cells(placed, [corner[cells] for corner in corners], counts, boxes)
        empty = counts[1] == 0
        return Measures(counts[1], counts[0], counts[2], boxes.masked_fill_(empty[:, None], 0))

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
        self, cells: tuple[Tensor, Tensor, Tensor], corners: list[Tensor], counts: list[Tensor], boxes: Tensor
    ) -> None:
        """Make the pixels of some cells, and add them to counts and boxes."""
        mask, row, column = cells
        y, y_in, lower = self._pixels(0, row)
        x, x_in, right = self._pixels(1, column)
        a, b, c, d = (corner[:, None, None] for corner in corners)
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

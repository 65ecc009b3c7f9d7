"""A mask as text: its box and COCO's compressed run lengths inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.mask_decoding import MaskDecoder, MaskError
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.geometry.run_lengths import compressed_rle
from napari_sam2_automask.record.entries import Count, Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RleMask"]


class RleMask(BaseModel):
    """A mask that can be written into JSON.

    Attributes
    ----------
    y0, x0 : int
        Image row and column of the box's first pixel.
    size : (int, int)
        Rows and columns of the box.
    counts : str
        COCO's compressed run lengths in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    y0: Count
    x0: Count
    size: tuple[Count, Count]
    counts: Text

    @classmethod
    def of(cls, mask: NDArray[np.bool_], y0: int = 0, x0: int = 0) -> Self:
        """Return a mask (h, w) bool whose first pixel lies at `y0`, `x0` of the image."""
        rows, columns = tight(mask)
        inner = mask[rows, columns]
        if not inner.size:
            raise MendError("the mask has no pixel: give one of the object's pixels at least")
        rle = compressed_rle(0, 0, inner, (inner.shape[0], inner.shape[1]))
        counts = rle["counts"]
        return cls(y0=y0 + rows.start, x0=x0 + columns.start, size=inner.shape, counts=counts)

    def placed(self, shape: tuple[int, int]) -> Placed:
        """Return the pixels.

        Raises
        ------
        MendError
            If they are damaged, or do not lie in an image of `shape` (Y, X).
        """
        try:
            found = MaskDecoder()({"size": list(self.size), "counts": self.counts}, self.size)
        except MaskError as error:
            raise MendError(f"a mask is damaged: it is {error}") from error
        moved = Placed(found.y0 + self.y0, found.x0 + self.x0, found.mask, found.area)
        if moved.extent[2] > shape[0] or moved.extent[3] > shape[1]:
            raise MendError(
                f"a mask reaches to row {moved.extent[2]} and column {moved.extent[3]}, but the image has "
                f"{shape[0]} x {shape[1]}: give a mask of this image"
            )
        return moved

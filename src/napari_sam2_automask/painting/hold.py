"""What a person decided in a label image: pixels that are held, and candidates that do not come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.geometry.placed import iou

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed

__all__ = ["Hold"]

# A mask of which more than the first share lies on held pixels is one of the objects that lay or lie there;
# of one beyond the second too little is left.
_MOST, _ALL = 0.5, 0.9
# Two masks of at least this IoU are the same object.
_SAME = 0.7


class Hold:
    """Pixels and numbers that a person decided about.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.

    Attributes
    ----------
    pixels : (Y, X) int32 array
        n where locked object n lies, -n on the ground of what object n was before it was removed or made
        smaller, and 0 where the masks that the settings choose are painted.
    origin : dict of int to int
        For each object that is locked or gone the number of the candidate that it came from; 0 for none.
        None of these candidates is painted.
    former : dict of int to Placed
        For objects that went while others hid much of them: the whole masks, by number.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.pixels: NDArray[np.int32] = np.zeros(shape, np.int32)
        self.origin: dict[int, int] = {}
        self.former: dict[int, Placed] = {}

    def is_far(self, placed: Placed) -> bool:
        """Tell whether a mask is no matter of what is held: never barred, whatever else is chosen."""
        return not self.pixels[placed.window].any() and not self._went(placed)

    def bars(self, placed: Placed, ghosts: Iterable[Placed]) -> bool:
        """Tell whether a mask must not be painted, because another object lies or lay there.

        Parameters
        ----------
        placed : Placed
            The mask.
        ghosts : iterable of Placed
            Masks that are chosen and not painted, since they are of objects that are locked or gone. The mask
            was chosen beside them: if it is not nearly the same, it is another object, and may lie there.
        """
        held = self.pixels[placed.window]
        if held.any():
            under = held != 0
            under &= placed.mask
            count = int(np.count_nonzero(under))
            if count > _ALL * placed.area:
                return True
            if count > _MOST * placed.area:
                for ghost in ghosts:
                    common = placed.common(ghost)
                    if common is not None and iou(placed, ghost) < _SAME:
                        under[common[0]] &= ~ghost.mask[common[1]]
                if np.count_nonzero(under) > _MOST * placed.area:
                    return True
        return self._went(placed)

    def _went(self, placed: Placed) -> bool:
        return any(iou(placed, whole) >= _SAME for whole in self.former.values())

    def numbers(self) -> set[int]:
        """Return the numbers that masks must not have: of objects locked or gone, and of their candidates."""
        return {*self.origin, *self.origin.values()} - {0}

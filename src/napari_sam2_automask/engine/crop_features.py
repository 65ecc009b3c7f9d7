"""Image features of a run's crops: kept ones where there are, several in one pass where that is quicker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask.engine.encoder.cache import features_cache
from napari_sam2_automask.engine.encoder.encode import encode_together
from napari_sam2_automask.engine.encoder.half_precision import encode_in_half, is_half

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.engine.cost import Pace
    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.engine.points.grid import Crop
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["CropFeatures"]

# Pixels of model input that pass through the encoder together. A GPU waits for the next operation while small
# inputs pass one by one; on a CPU several at a time were no quicker.
_TOGETHER = {"cuda": 4 * 1024**2}

_Box = tuple[int, int, int, int]


class CropFeatures:
    """Encodes the crops of a run in their order.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image.
    crops : sequence of Crop
        All that will be asked for, in this order.
    settings : AmgSettings
        Says whether to encode in half precision.
    pace : Pace
        Where passes are measured.
    tick : callable
        Called between the layers of the encoder; may raise to stop.
    """

    def __init__(
        self,
        view: NDArray[np.uint8],
        crops: Sequence[Crop],
        settings: AmgSettings,
        pace: Pace,
        tick: Callable[[], None],
    ) -> None:
        self._view, self._settings, self._pace, self._tick = view, settings, pace, tick
        self._boxes = [crop.box for crop in crops]
        self._ahead: dict[_Box, Features] = {}
        self._alone = False

    def of(self, network: SAM2Base, box: _Box) -> Features:
        """Return the features of a crop, x0, y0, x1, y1, on the network's device."""
        how = "half" if is_half(self._settings, network.device) else ""
        return features_cache.get(network, self._pixels(box), lambda: self._next(network, box, how), how)

    def one_by_one(self) -> None:
        """Encode no crop together with others any more, for instance because memory ran out."""
        self._alone = True
        self._ahead.clear()

    def _pixels(self, box: _Box) -> NDArray[np.uint8]:
        x0, y0, x1, y1 = box
        return self._view[y0:y1, x0:x1]

    def _next(self, network: SAM2Base, box: _Box, how: str) -> Features:
        if box not in self._ahead:
            boxes = self._group(network, box)
            views = [self._pixels(one) for one in boxes]

            def run() -> list[Features]:
                return encode_together(network, views, self._tick)

            with self._pace.encoding(len(boxes)):
                found = encode_in_half(network, run) if how else run()
            self._ahead = dict(zip(boxes, found, strict=True))
        return self._ahead.pop(box)

    def _group(self, network: SAM2Base, box: _Box) -> list[_Box]:
        """Return the crops that pass together with one: always the same ones, whatever is known already.

        How many pass together can change the last bits of their features.
        """
        most = _TOGETHER.get(network.device.type, 0) // network.image_size**2
        if self._alone or most < 2 or box not in self._boxes:
            return [box]
        first = self._boxes.index(box) // most * most
        return self._boxes[first : first + most]

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
        self._crops = list(crops)
        self._ahead: dict[int, Features] = {}
        self._alone = False

    def of(self, network: SAM2Base, crop: Crop) -> Features:
        """Return the features of a crop, on the network's device."""
        how = "half" if is_half(self._settings, network.device) else ""
        return features_cache.get(
            network, crop.pixels(self._view), lambda: self._next(network, crop, how), how
        )

    def one_by_one(self) -> None:
        """Encode no crop together with others any more, for instance because memory ran out."""
        self._alone = True
        self._ahead.clear()

    def _next(self, network: SAM2Base, crop: Crop, how: str) -> Features:
        if id(crop) not in self._ahead:
            crops = self._group(network, crop)
            views = [one.pixels(self._view) for one in crops]

            def run() -> list[Features]:
                return encode_together(network, views, self._tick)

            with self._pace.encoding(len(crops)):
                found = encode_in_half(network, run) if how else run()
            self._ahead = dict(zip(map(id, crops), found, strict=True))
        return self._ahead.pop(id(crop))

    def _group(self, network: SAM2Base, crop: Crop) -> list[Crop]:
        """Return the crops that pass together with one: always the same ones, whatever is known already.

        How many pass together can change the last bits of their features.
        """
        most = _TOGETHER.get(network.device.type, 0) // network.image_size**2
        if self._alone or most < 2 or crop not in self._crops:
            return [crop]
        first = self._crops.index(crop) // most * most
        return self._crops[first : first + most]

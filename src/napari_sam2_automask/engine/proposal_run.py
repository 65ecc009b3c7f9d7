"""Propose: ask the model at points of a grid or at objects seen, and keep each mask worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam2_automask.candidates.candidates import Candidates, Floor, most_bytes
from napari_sam2_automask.engine.collector import Store
from napari_sam2_automask.engine.cost import pace_of
from napari_sam2_automask.engine.crop_features import CropFeatures
from napari_sam2_automask.engine.lanes import in_order
from napari_sam2_automask.engine.memory import (
    check_budget,
    copy_on_cpu,
    fits_memory,
    is_cpu,
    is_out_of_memory,
    release,
)
from napari_sam2_automask.engine.object_rounds import Rounds
from napari_sam2_automask.engine.points.agreement import Agreement
from napari_sam2_automask.engine.points.fitting import object_points
from napari_sam2_automask.engine.points.objects import see_objects
from napari_sam2_automask.engine.prompting import Answer, Asker
from napari_sam2_automask.errors import MemoryBudgetError
from napari_sam2_automask.progress import Cancelled, Progress, ProgressCallback, Throttled

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.engine.collector import Found
    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.engine.points.grid import Crop, ObjectPoints
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Proposal"]

# Prompts whose tokens are worked on together on a CPU: enough for efficient products, few enough for the
# cache and for a quick answer to a cancel.
_CPU_BATCH = 16
# Batches under way at a time on a GPU, so that it has work while the results of one are looked at.
_LANES = {"cuda": 2}
# Batches of the settings that are asked as one where a quarter of the free memory allows it: starting an
# operation takes the host longer than its work takes a GPU, and a batch is waited for four times in any case.
_AS_ONE = {"cuda": 4}
_SHARE = 0.25
_TOO_SMALL = (
    "there is not enough memory even for one point at a time: close other programs, "
    "choose a smaller model or run on the CPU"
)
# Seconds between two reports of progress.
_REPORT = 0.05
# Crops in which objects are looked for before the first of them is asked, so that prompts are counted ahead;
# no more than whose features are kept.
_LOOKED_AT = 32


class Proposal:
    """One run of the model over the crops of an image.

    Parameters
    ----------
    view, settings, model, progress, floor
        As for `propose`.
    crops : list of Crop
        What to ask and where.
    diameter : float
        What the crops were fitted to, in pixels; 0 if they were not.
    agreement : Agreement, optional
        As for `propose`.
    """

    def __init__(
        self,
        view: NDArray[np.uint8],
        settings: AmgSettings,
        model: Model,
        progress: ProgressCallback,
        floor: Floor | None,
        crops: list[Crop],
        diameter: float = 0.0,
        agreement: Agreement | None = None,
    ) -> None:
        self._view, self._settings, self._model = view, settings, model
        self._shape = view.shape[0], view.shape[1]
        self._network = model.network
        self._crops, self._diameter = crops, diameter
        self._floor = Floor.of(settings) if floor is None else floor.below(settings)
        lowest = settings.mask_threshold - settings.stability_score_offset
        self._store = Store(lowest, most_bytes(settings))
        self._total = 0 if settings.at_objects else sum(len(crop.points) for crop in self._crops)
        self._done = 0
        self._found = 0
        self._background = 0
        self._agreement = Agreement() if agreement is None else agreement
        self._pace = pace_of(model, settings)
        self._choose_batch()
        self._reporter = Throttled(progress, _REPORT, Progress("encoder", 0, len(self._crops)))
        self._features_of = CropFeatures(view, crops, settings, self._pace, self._reporter.tick)
        side = 4 * self._network.sam_image_embedding_size
        self._grid = side, side
        self._asker: tuple[Features, tuple[int, int], Asker] | None = None

    def run(self) -> Candidates:
        """Ask everything; what was found until then travels on a `Cancelled`."""
        try:
            if self._settings.at_objects:
                self._ask_objects()
            else:
                for crop in self._crops:
                    self._reporter.report(Progress("encoder", crop.index, len(self._crops)))
                    self._ask(crop)
            self._reporter.tell(Progress("points", self._done, self._total))
        except Cancelled as cancelled:
            cancelled.candidates = self._result()
            raise
        return self._result()

    def look(self, crop: Crop) -> Features:
        """Encode a part of the image."""
        return self._features(crop)

    def see(self, crop: Crop) -> ObjectPoints:
        """Return where to ask for the objects of a crop, of which the model's dense head tells."""
        self._reporter.report(Progress("encoder", crop.index, len(self._crops)))
        dense = self._features(crop).dense
        assert dense is not None
        said = dense[0].float().cpu().numpy()
        self._agreement.add(said, crop)
        return see_objects(said, crop, self._settings.points_per_diameter)

    def _result(self) -> Candidates:
        masks = self._settings.masks_per_point
        self._store.removed["predicted IoU"] = masks * (self._done - self._background) - self._found
        if self._background:
            self._store.removed["no object near the point"] = masks * self._background
        return self._store.candidates(
            self._shape,
            self._crops,
            self._grid,
            self._settings,
            self._floor,
            self._model.description(),
            (self._done, self._total),
            self._diameter,
            self._agreement.disagreement,
        )

    def _ask(self, crop: Crop) -> None:
        """Ask the grid of a crop."""
        features = self._features(crop)
        if features.dense is not None:
            self._agreement.add(features.dense[0].float().cpu().numpy(), crop)
        points = object_points(crop.points, crop, features) if self._settings.fitted else crop.points
        self._background += len(crop.points) - len(points)
        self._ask_points(crop, features, points, len(crop.points) - len(points))

    def _ask_objects(self) -> None:
        """Ask all crops at the objects seen in them, round by round."""
        for start in range(0, len(self._crops), _LOOKED_AT):
            crops = self._crops[start : start + _LOOKED_AT]
            seen = [self.see(crop) if crop.seen is None else crop.seen for crop in crops]
            planned = sum(map(len, seen))
            # The crops that were not looked at yet count as much as these.
            left = len(self._crops) - start - len(crops)
            self._total = self._done + planned + planned * left // len(crops)
            for crop, objects in zip(crops, seen, strict=True):
                features = self._features(crop)
                rounds = Rounds(objects, crop, self._grid, self._settings)
                for points, needless in rounds:
                    self._total -= needless
                    rounds.found(self._ask_points(crop, features, points))

    def _ask_points(
        self, crop: Crop, features: Features, points: NDArray[np.float32], left_out: int = 0
    ) -> list[Found]:
        """Ask some points of a crop, keep what passes the filters, and return it."""
        found: list[Found] = []
        before, self._done = self._done, self._done + left_out
        # What is left out takes no time: it is told in step with what is asked, so that counts run with time.
        share = (len(points) + left_out) / max(1, len(points))
        self._tell(before)
        size, cores = self._batch, self._cores
        start = 0
        with self._pace.asking(len(points)):
            while start < len(points):
                try:
                    for answer in self._answers(crop, features, points[start:], size, cores):
                        self._found += answer.found
                        found += answer.store.found
                        self._store.extend(answer.store)
                        start += answer.asked
                        self._done += answer.asked
                        self._tell(before + round(share * start))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    self._asker = None
                    release(self._device)
                    if size == cores == 1:
                        self._move_to_cpu(error)
                        features = self._features(crop)
                        size, cores = self._batch, self._cores
                    else:
                        size, cores = max(1, size // 2), 1
        self._tell(before + len(points) + left_out)
        return found

    def _answers(
        self, crop: Crop, features: Features, points: NDArray[np.float32], size: int, cores: int
    ) -> Iterator[Answer]:
        """Ask points batch by batch; a batch counts as a whole or not at all."""
        asker = self._asker_of(crop, features, size)
        batches = (points[i : i + size] for i in range(0, len(points), size))
        return in_order(asker.ask, batches, cores, self._reporter.tick)

    def _asker_of(self, crop: Crop, features: Features, size: int) -> Asker:
        """Return what asks a crop, the same one in all of its rounds."""
        if self._asker is None or self._asker[0] is not features or self._asker[1] != (crop.index, size):
            asker = Asker(self._network, self._settings, self._floor, crop, self._shape, features, size)
            self._asker = features, (crop.index, size), asker
        return self._asker[2]

    def _features(self, crop: Crop) -> Features:
        for attempt in range(3):
            try:
                return self._features_of.of(self._network, crop)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._features_of.one_by_one()
                release(self._device)
                if attempt:
                    self._move_to_cpu(error)
        raise MemoryBudgetError(_TOO_SMALL)

    def _move_to_cpu(self, error: Exception) -> None:
        """Go on with a copy of the network on the CPU, which has more memory than a GPU.

        Raises
        ------
        MemoryBudgetError
            If the network is there already, or does not fit.
        """
        if is_cpu(self._device):
            raise MemoryBudgetError(_TOO_SMALL) from error
        self._features_of.one_by_one()  # what was encoded ahead is on the GPU
        self._network = copy_on_cpu(self._network)
        self._choose_batch()

    def _choose_batch(self) -> None:
        """Choose how many prompts and cores at a time, as far as memory allows.

        Raises
        ------
        MemoryBudgetError
            If it does not allow one prompt.
        """
        check_budget(self._network, 1)
        size = self._settings.points_per_batch
        on_cpu = is_cpu(self._device)
        self._batch = min(size, _CPU_BATCH) if on_cpu else size * _AS_ONE.get(self._device.type, 1)
        self._cores = torch.get_num_threads() if on_cpu else _LANES.get(self._device.type, 1)
        while self._batch > size and not fits_memory(self._network, self._batch * self._cores, _SHARE):
            self._batch //= 2
        while self._cores > 1 and not fits_memory(self._network, self._batch * self._cores):
            self._cores -= 1

    @property
    def _device(self) -> torch.device:
        device: torch.device = self._network.device
        return device

    def _tell(self, done: int) -> None:
        self._reporter.report(Progress("points", done, self._total))

"""Propose: ask the model about every point of the grid, and keep each mask worth keeping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_sam2_automask.candidates import Candidates, Floor
from napari_sam2_automask.engine.cache import features_cache
from napari_sam2_automask.engine.decoder import LowRankDecoder, fits
from napari_sam2_automask.engine.encode import Features, encode
from napari_sam2_automask.engine.estimating import pace_of
from napari_sam2_automask.engine.fitting import (
    diameter_of_candidates,
    diameter_of_dense,
    object_points,
    tiles,
)
from napari_sam2_automask.engine.grid import Crop, iter_crops
from napari_sam2_automask.engine.lowres import Resizer
from napari_sam2_automask.engine.memory import check_budget, is_out_of_memory
from napari_sam2_automask.engine.plain import Decoded, PlainDecoder
from napari_sam2_automask.engine.store import Store
from napari_sam2_automask.errors import ImageError, MemoryBudgetError
from napari_sam2_automask.progress import Cancelled, Progress, ProgressCallback, no_progress
from napari_sam2_automask.settings import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_sam2_automask.models import Model

__all__ = ["propose"]

# Prompts whose tokens are worked on together on a CPU: enough for efficient products, few enough for the
# cache and for a quick answer to a cancel.
_CPU_BATCH = 16
# Masks measured at a time.
_MEASURED = 64
_TOO_SMALL = (
    "there is not enough memory even for one point at a time: close other programs, "
    "choose a smaller model or run on the CPU"
)
# The first pass of a model that cannot say itself how large objects are.
_FIRST_PASS = AmgSettings(points_per_side=16)
# Seconds between two reports of progress.
_REPORT = 0.05


def propose(
    view: NDArray[np.uint8],
    settings: AmgSettings,
    model: Model,
    *,
    progress: ProgressCallback = no_progress,
    floor: Floor | None = None,
) -> Candidates:
    """Find every mask above the floor, in the image and in its crops.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it, red, green, blue.
    settings : AmgSettings
        Grid, crops, mask threshold and stability offset; thresholds as far as `floor` does not say otherwise.
    model : Model
        The model, on its device.
    progress : callable
        Told every twentieth of a second about encoder passes and point prompts done; may raise
        :class:`Cancelled` to stop.
    floor : Floor, optional
        Keeps more candidates than `settings` would, so that thresholds can be lowered afterwards.

    Returns
    -------
    Candidates
        Sorted by predicted IoU; possibly none.

    Raises
    ------
    Cancelled
        If `progress` raised it, with the candidates found so far.
    ImageError
        If `view` is not a (Y, X, 3) uint8 array with at least one pixel.
    MemoryBudgetError
        If memory does not suffice; said before anything starts where that can be told.
    ModelError
        If the model returns values that are not numbers.
    """
    if view.ndim != 3 or view.shape[2] != 3 or view.dtype != np.uint8 or 0 in view.shape:
        raise ImageError(
            f"an image for the model must have the shape (rows, columns, 3) and type uint8, not "
            f"{view.shape} and {view.dtype}: make it with to_model_view"
        )
    with torch.inference_mode():
        if not settings.fitted:
            crops = list(iter_crops((view.shape[0], view.shape[1]), settings))
            return _Proposal(view, settings, model, progress, floor, crops).run()
        diameter = settings.object_diameter or _estimate(view, settings, model, progress)
        return _Proposal(view, settings, model, progress, floor, *_fitted(view, settings, diameter)).run()


def _fitted(view: NDArray[np.uint8], settings: AmgSettings, diameter: float) -> tuple[list[Crop], float]:
    """Return the crops for objects of a diameter; the plain grid where none is known."""
    shape = view.shape[0], view.shape[1]
    if not diameter:
        return list(iter_crops(shape, settings)), 0.0
    return tiles(shape, diameter, settings.points_per_diameter), diameter


def _estimate(
    view: NDArray[np.uint8], settings: AmgSettings, model: Model, progress: ProgressCallback
) -> float:
    """Estimate the diameter of typical objects in pixels; 0 if none is seen."""
    shape = view.shape[0], view.shape[1]
    first = _Proposal(view, _FIRST_PASS, model, progress, None, list(iter_crops(shape, _FIRST_PASS)))
    try:
        if hasattr(model.network.image_encoder.trunk, "dense"):
            return diameter_of_dense(shape, first.look, model.image_size)
        return diameter_of_candidates(first.run())
    except Cancelled as cancelled:
        cancelled.candidates = None  # those of the first pass are not what was asked for
        raise


@dataclass(slots=True)
class _Reporter:
    """Passes progress on, not more often than anyone can see."""

    progress: ProgressCallback
    state: Progress
    last: float = -math.inf

    def tick(self) -> None:
        now = monotonic()
        if now - self.last >= _REPORT:
            self.progress(self.state)
            self.last = monotonic()

    def report(self, stage: str, done: int, total: int) -> None:
        self.state = Progress(stage, done, total)
        self.tick()


class _Proposal:
    """One run of :func:`propose`."""

    def __init__(
        self,
        view: NDArray[np.uint8],
        settings: AmgSettings,
        model: Model,
        progress: ProgressCallback,
        floor: Floor | None,
        crops: list[Crop],
        diameter: float = 0.0,
    ) -> None:
        self._view, self._settings, self._model = view, settings, model
        self._shape = view.shape[0], view.shape[1]
        self._network = model.network
        self._crops, self._diameter = crops, diameter
        self._floor = Floor.of(settings) if floor is None else floor.below(settings)
        self._store = Store(lowest=settings.mask_threshold - settings.stability_score_offset)
        self._total = sum(len(crop.points) for crop in self._crops)
        self._done = 0
        self._found = 0
        self._background = 0
        on_cpu = model.device.type == "cpu"
        self._batch = min(settings.points_per_batch, _CPU_BATCH) if on_cpu else settings.points_per_batch
        self._pace = pace_of(model, settings)
        check_budget(self._network, 1)
        self._reporter = _Reporter(progress, Progress("encoder", 0, len(self._crops)))
        side = 4 * self._network.sam_image_embedding_size
        self._grid = side, side

    def run(self) -> Candidates:
        try:
            for crop in self._crops:
                self._reporter.report("encoder", crop.index, len(self._crops))
                self._ask(crop, self._features(crop))
            self._reporter.progress(Progress("points", self._done, self._total))
        except Cancelled as cancelled:
            cancelled.candidates = self._result()
            raise
        return self._result()

    def look(self, box: tuple[int, int, int, int]) -> Features:
        """Encode a part of the image, given as x0, y0, x1, y1."""
        return self._features(Crop(0, box, np.zeros((0, 2), np.float32)))

    def _result(self) -> Candidates:
        masks = 3 if self._settings.multimask_output else 1
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
        )

    def _ask(self, crop: Crop, features: Features) -> None:
        """Ask all points of a crop and keep what passes the filters."""
        settings, device = self._settings, features.image_embed.device
        resizer = Resizer(
            self._grid, crop.shape, settings.mask_threshold, settings.stability_score_offset, device
        )
        wanted = object_points(crop.points, crop, features) if settings.fitted else crop.points
        self._background += len(crop.points) - len(wanted)
        self._advance(len(crop.points) - len(wanted))
        size = self._batch
        decode = self._decoder(features, size)
        start = 0
        while start < len(wanted):
            points = wanted[start : start + size]
            mark = self._store.mark(), self._found, self._done
            try:
                with self._pace.asking(len(points)):
                    for decoded in decode(self._embed(points, crop)):
                        self._keep(crop, points, decoded, resizer)
            except BaseException as error:
                # A batch counts as a whole or not at all.
                self._store.rewind(mark[0])
                self._found, self._done = mark[1:]
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise MemoryBudgetError(_TOO_SMALL) from error
                size = max(1, size // 2)
                features_cache.clear()
                decode = self._decoder(features, size)
                continue
            start += size

    def _features(self, crop: Crop) -> Features:
        x0, y0, x1, y1 = crop.box
        view = self._view[y0:y1, x0:x1]

        def compute() -> Features:
            with self._pace.encoding():
                return encode(self._network, view, self._reporter.tick)

        try:
            return features_cache.get(self._network, view, compute)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        features_cache.clear()
        try:
            return compute()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryBudgetError(_TOO_SMALL) from error

    def _embed(self, points: NDArray[np.float32], crop: Crop) -> Tensor:
        """Embed point prompts, in the arithmetic of SAM2Transforms.transform_coords."""
        height, width = crop.shape
        coords = torch.from_numpy(points).to(self._model.device)
        coords = torch.stack([coords[:, 0] / width, coords[:, 1] / height], 1) * self._network.image_size
        labels = torch.ones((len(points), 1), dtype=torch.int, device=coords.device)
        sparse: Tensor = self._network.sam_prompt_encoder._embed_points(coords[:, None], labels, pad=True)
        return sparse

    def _decoder(self, features: Features, size: int) -> Callable[[Tensor], Iterator[Decoded]]:
        """Return what turns embedded points into masks."""
        network, settings = self._network, self._settings
        lowest = self._floor.pred_iou if self._floor.pred_iou > 0 else -math.inf
        multimask = settings.multimask_output
        chunk = 1 if features.image_embed.device.type == "cpu" else size
        first: LowRankDecoder | PlainDecoder
        if fits(network):
            first = LowRankDecoder(network, features, multimask=multimask, chunk=chunk)
        else:
            first = PlainDecoder(network, features, multimask=multimask, chunk=min(size, 4 * chunk))
        if not settings.use_m2m:
            return lambda sparse: first.decode(sparse, lowest, self._advance)
        again = PlainDecoder(network, features, multimask=False, chunk=min(size, 4 * chunk))

        def refine(sparse: Tensor) -> Iterator[Decoded]:
            for decoded in first.decode(sparse, -math.inf, self._advance):
                masks = decoded.logits.clamp(-32.0, 32.0)[:, None]
                for better in again.decode(sparse[decoded.prompt], lowest, self._wait, masks):
                    yield Decoded(decoded.prompt[better.prompt], better.predicted_iou, better.logits)

        return refine

    def _advance(self, prompts: int) -> None:
        self._done += prompts
        self._reporter.report("points", self._done, self._total)

    def _wait(self, prompts: int) -> None:
        self._reporter.tick()

    def _keep(self, crop: Crop, points: NDArray[np.float32], decoded: Decoded, resizer: Resizer) -> None:
        """Measure masks and keep those that are stable and not cut off by the crop."""
        for start in range(0, len(decoded.logits), _MEASURED):
            part = slice(start, start + _MEASURED)
            logits, iou, prompt = decoded.logits[part], decoded.predicted_iou[part], decoded.prompt[part]
            self._found += len(logits)
            measures = resizer.measure(logits)
            keep = measures.area > 0
            self._store.remove("empty", int(len(keep) - keep.sum()))
            if self._floor.stability > 0:
                stable = measures.stability >= self._floor.stability
                self._store.remove("stability", int((keep & ~stable).sum()))
                keep &= stable
            cut = _near_crop_edge(measures.boxes, crop, self._shape)
            self._store.remove("crop edge", int((keep & cut).sum()))
            self._store.add(crop, points[prompt.cpu().numpy()], iou, measures, logits, keep & ~cut)
            self._reporter.tick()


def _near_crop_edge(boxes: Tensor, crop: Crop, shape: tuple[int, int]) -> Tensor:
    """Tell which boxes lie at an edge of the crop that is not one of the image, (K,) bool."""
    edges = torch.tensor(crop.box, dtype=torch.float32, device=boxes.device)
    image = torch.tensor([0, 0, shape[1], shape[0]], dtype=torch.float32, device=boxes.device)
    placed = (boxes + edges[[0, 1, 0, 1]].long()).float()
    near = (placed - edges).abs() <= crop.edge
    at_image_edge = (placed - image).abs() <= crop.edge
    return (near & ~at_image_edge).any(1)

"""Asking the points of one crop: a batch of prompts in, the masks worth keeping out."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import local
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from napari_sam2_automask.engine.collector import Store
from napari_sam2_automask.engine.decoder.low_rank import LowRankDecoder, fits
from napari_sam2_automask.engine.decoder.mask_measures import Resizer
from napari_sam2_automask.engine.decoder.mask_prompts import MaskPrompts, fits_masks
from napari_sam2_automask.engine.decoder.plain import Decoded, PlainDecoder
from napari_sam2_automask.engine.memory import is_cpu
from napari_sam2_automask.engine.tensors.host import take, to_device, to_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.candidates.candidates import Floor
    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.engine.points.grid import Crop
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Answer", "Asker"]

# Masks measured at a time on a GPU, and refined, unless more come in one piece.
_MEASURED = 96
# Masks refined at a time on a CPU.
_REFINED = 16
# Prompts that the stock decoder works on at a time on a CPU: a cancel should not wait for more.
_CPU_PLAIN = 2


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What some prompts found.

    Attributes
    ----------
    asked, found : int
        Prompts, and masks above the floor of predicted IoU.
    store : Store
        The masks that passed the other filters as well, and how many each filter removed.
    """

    asked: int
    found: int
    store: Store


class Asker:
    """Asks points of one crop; from several threads at once if need be.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode.
    settings : AmgSettings
        What to ask for.
    floor : Floor
        Lowest scores to keep.
    crop : Crop
        The crop.
    shape : (int, int)
        Rows and columns of the image.
    features : Features
        Of the crop.
    size : int
        The most prompts asked at a time.
    """

    def __init__(
        self,
        network: SAM2Base,
        settings: AmgSettings,
        floor: Floor,
        crop: Crop,
        shape: tuple[int, int],
        features: Features,
        size: int,
    ) -> None:
        device = features.image_embed.device
        side = 4 * network.sam_image_embedding_size
        offset = settings.stability_score_offset
        self._network, self._settings, self._floor = network, settings, floor
        self._crop, self._shape, self._device = crop, shape, device
        self._resizer = Resizer((side, side), crop.shape, settings.mask_threshold, offset, device)
        on_cpu, multimask = is_cpu(device), settings.multimask_output
        plain = min(size, _CPU_PLAIN if on_cpu else settings.points_per_batch)
        self._first = (
            LowRankDecoder(network, features, multimask=multimask, whole=not on_cpu)
            if fits(network)
            else PlainDecoder(network, features, multimask=multimask, chunk=plain)
        )
        self._again: LowRankDecoder | PlainDecoder | None = None
        if settings.use_m2m and fits(network) and fits_masks(network):
            masks = MaskPrompts(network)
            self._again = LowRankDecoder(network, features, multimask=False, whole=not on_cpu, masks=masks)
        elif settings.use_m2m:
            self._again = PlainDecoder(network, features, multimask=False, chunk=plain)
        self._local = local()
        if device.type == "cuda":
            self._made = torch.cuda.current_stream(device).record_event()

    def ask(self, points: NDArray[np.float32], tick: Callable[[], None]) -> Answer:
        """Ask some points.

        Parameters
        ----------
        points : (P, 2) float32 array
            The x, y of the prompts in pixels of the crop.
        tick : callable
            Called often; may raise to stop.

        Returns
        -------
        Answer
            Its store depends on nothing that was asked before.
        """
        store = Store(lowest=self._settings.mask_threshold - self._settings.stability_score_offset)
        found = 0
        with self._lane():
            decoded = self._decode(self._embed(points), tick)
            # Masks are measured as they come, unless a GPU would have to be waited for each time.
            decoded = map(self._of_crop, decoded) if self._crop.square else decoded
            for some in (
                ([one] for one in decoded) if is_cpu(self._device) else [list(_joined(decoded, _MEASURED))]
            ):
                tick()
                self._keep(points, some, store)
                found += sum(len(one.logits) for one in some)
        return Answer(len(points), found, store)

    @contextmanager
    def _lane(self) -> Iterator[None]:
        """Give each thread a CUDA stream of its own, so that it waits for its own work only."""
        if self._device.type != "cuda":
            yield
            return
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            # The tables were made on another one.
            self._local.stream.wait_event(self._made)
        with torch.cuda.stream(self._local.stream):
            yield

    def _embed(self, points: NDArray[np.float32]) -> Tensor:
        """Embed point prompts, in the arithmetic of SAM2Transforms.transform_coords."""
        (height, width), (above, left) = self._crop.shown, self._crop.before
        coords = to_device(points, self._device)
        if self._crop.square:
            coords = coords + torch.tensor([left, above], device=self._device)
        coords = torch.stack([coords[:, 0] / width, coords[:, 1] / height], 1) * self._network.image_size
        labels = torch.ones((len(points), 1), dtype=torch.int, device=coords.device)
        sparse: Tensor = self._network.sam_prompt_encoder._embed_points(coords[:, None], labels, pad=True)
        return sparse

    def _decode(self, sparse: Tensor, tick: Callable[[], None]) -> Iterator[Decoded]:
        """Turn embedded points into masks; refine them where that is asked for."""
        lowest = self._floor.pred_iou if self._floor.pred_iou > 0 else -math.inf
        if self._again is None:
            yield from self._first.decode(sparse, lowest, tick)
            return
        most = _REFINED if is_cpu(self._device) else _MEASURED
        for decoded in _joined(self._first.decode(sparse, -math.inf, tick), most):
            masks = decoded.logits.clamp(-32.0, 32.0)[:, None]
            for better in self._again.decode(take(sparse, decoded.prompt), lowest, tick, masks):
                yield Decoded(decoded.prompt[better.prompt], better.predicted_iou, better.logits)

    def _of_crop(self, decoded: Decoded) -> Decoded:
        """Return what lies in the crop of masks of the square that the model was shown, in as many logits."""
        (height, width), (above, left) = self._crop.shown, self._crop.before
        logits = decoded.logits
        places = [
            (2 * (first + (torch.arange(n, device=logits.device) + 0.5) * (length / n)) / whole - 1)
            for first, length, whole, n in zip(
                (above, left), self._crop.shape, (height, width), logits.shape[1:], strict=True
            )
        ]
        y, x = torch.meshgrid(*places, indexing="ij")
        grid = torch.stack([x, y], -1).expand(len(logits), -1, -1, -1)
        inside = grid_sample(logits[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
        return replace(decoded, logits=inside)

    def _keep(self, points: NDArray[np.float32], decoded: Sequence[Decoded], store: Store) -> None:
        """Measure masks and keep those that are stable and not cut off by the crop."""
        if not any(len(one.logits) for one in decoded):
            return
        measures = self._resizer.measure(*(one.logits for one in decoded))
        keep = measures.area > 0
        store.remove("empty", int(len(keep) - keep.sum()))
        if self._floor.stability > 0:
            stable = measures.stability >= np.float32(self._floor.stability)
            store.remove("stability", int((keep & ~stable).sum()))
            keep &= stable
        cut = _near_crop_edge(measures.boxes, self._crop, self._shape)
        store.remove("crop edge", int((keep & cut).sum()))
        keep &= ~cut
        kept = np.split(keep, np.cumsum([len(one.logits) for one in decoded])[:-1])
        logits = [take(one.logits, np.flatnonzero(own)) for one, own in zip(decoded, kept, strict=True)]
        prompts = points[np.concatenate([one.prompt for one in decoded])]
        rating = np.concatenate([one.predicted_iou for one in decoded])
        store.add(self._crop, prompts, rating, measures, to_host(torch.cat(logits)), keep, self._resizer)


def _joined(decoded: Iterable[Decoded], most: int) -> Iterator[Decoded]:
    """Join answers up to a number of masks, unless more come in one piece: few operations are quicker."""
    group: list[Decoded] = []
    for one in decoded:
        if group and sum(len(other.logits) for other in group) + len(one.logits) > most:
            yield _in_one(group)
            group = []
        group.append(one)
    if group:
        yield _in_one(group)


def _in_one(group: Sequence[Decoded]) -> Decoded:
    return Decoded(
        np.concatenate([one.prompt for one in group]),
        np.concatenate([one.predicted_iou for one in group]),
        torch.cat([one.logits for one in group]),
    )


def _near_crop_edge(boxes: NDArray[np.int64], crop: Crop, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which boxes lie at an edge of the crop that is not one of the image, (K,) bool."""
    edges = np.array(crop.box, np.float32)
    placed = (boxes + np.tile(crop.box[:2], 2)).astype(np.float32)
    near = np.abs(placed - edges) <= crop.edge
    at_image_edge = np.abs(placed - np.array([0, 0, shape[1], shape[0]], np.float32)) <= crop.edge
    cut: NDArray[np.bool_] = (near & ~at_image_edge).any(1)
    return cut

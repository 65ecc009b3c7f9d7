"""From what the mask decoder's transformer says to the masks above a floor of predicted IoU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_sam2_automask.engine.decoder.plain import Decoded, above
from napari_sam2_automask.engine.decoder.upscaling import Asked, Upscaler
from napari_sam2_automask.engine.tensors.host import take, to_device, to_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from sam2.modeling.sam.mask_decoder import MaskDecoder

    from napari_sam2_automask.engine.decoder.image_side import State
    from napari_sam2_automask.engine.tensors.workspace import Workspace

__all__ = ["Heads", "MaskReader"]

# Prompts upscaled at a time: masks are large, and a cancel should not wait for a whole batch.
_UPSCALED = 8
_UPSCALED_GPU = 16


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What the transformer says of B prompts with K masks each.

    Attributes
    ----------
    state : State
        The image tokens.
    rows : (B, R + H T, C) Tensor
        What the state mixes.
    hyper : (B, K, c2) Tensor
        What the mask tokens look for.
    rating : (B, K) array
        Predicted IoU.
    """

    state: State
    rows: Tensor
    hyper: Tensor
    rating: NDArray[Any]

    def asked(self, i: int, masks: NDArray[Any]) -> Asked:
        """Return some masks of one prompt."""
        scale, mixed = ([tile[i] for tile in tiles] for tiles in (self.state.scale, self.state.mixed))
        return Asked(scale, mixed, self.rows[i], self.hyper[i, torch.from_numpy(masks)])


class MaskReader:
    """Upscales masks that are rated above a floor.

    Parameters
    ----------
    decoder : MaskDecoder
        For the rule that chooses between a single mask and the best of three.
    upscaler : Upscaler
        Of the image.
    single : bool
        Give each prompt one mask by that rule: the first of four if it is stable, else the best of the rest.
    whole : bool
        Upscale many prompts at once, as a GPU likes it.
    """

    def __init__(self, decoder: MaskDecoder, upscaler: Upscaler, *, single: bool, whole: bool) -> None:
        self._decoder, self._upscaler = decoder, upscaler
        self._single, self._whole = single, whole

    def read(
        self, heads: Heads, floor: float, work: Workspace, tick: Callable[[], None]
    ) -> Iterator[Decoded]:
        """Yield masks in the order of their prompts.

        Parameters
        ----------
        heads : Heads
            What there is.
        floor : float
            Predicted IoU that a mask must exceed; ``-inf`` keeps all.
        work : Workspace
            Memory of this thread.
        tick : callable
            Called often; may raise to stop.

        Yields
        ------
        Decoded
            Masks of one prompt, or on a GPU of some.
        """
        keep = above(heads.rating, floor)
        wanted = np.flatnonzero(keep.any(1))
        if not len(wanted):
            return
        size = _UPSCALED_GPU if self._whole else _UPSCALED
        groups = np.split(wanted, range(size, len(wanted), size))
        if self._single:
            singles = (
                self._together(heads, groups, tick)
                if self._whole
                else self._one_by_one(heads, groups, work, tick)
            )
            for found in singles:
                kept = np.flatnonzero(found.predicted_iou > floor)
                if len(kept):
                    yield Decoded(found.prompt[kept], found.predicted_iou[kept], take(found.logits, kept))
        elif self._whole:
            for group in groups:
                tick()
                logits = self._upscaled(heads, group)
                which = np.flatnonzero(keep[group])
                rating = heads.rating[group].flat[which]
                yield Decoded(group[which // keep.shape[1]], rating, take(logits.flatten(0, 1), which))
        else:
            for group in groups:
                tick()
                asked = [heads.asked(i, np.flatnonzero(keep[i])) for i in group]
                for i, logits in zip(group, self._upscaler.logits(asked, work), strict=True):
                    yield Decoded(np.full(len(logits), i), heads.rating[i, keep[i]], logits)

    def _upscaled(self, heads: Heads, group: NDArray[np.int64]) -> Tensor:
        """Return all masks of some prompts, (G, K, 4 h, 4 w)."""
        prompts = to_device(group, heads.hyper.device)
        return self._upscaler.batch(heads.state, heads.rows, heads.hyper, prompts)

    def _one_by_one(
        self, heads: Heads, groups: list[NDArray[np.int64]], work: Workspace, tick: Callable[[], None]
    ) -> Iterator[Decoded]:
        """Choose between the two masks of each prompt that may be its single one."""
        for group in groups:
            tick()
            best = _best(heads, group)
            asked = [heads.asked(i, np.array([0, k])) for i, k in zip(group, best, strict=True)]
            for i, k, both in zip(group, best, self._upscaler.logits(asked, work), strict=True):
                first = bool(self._is_stable(both[None, :1]))
                rating = heads.rating[i, [0 if first else k]]
                yield Decoded(np.array([i]), rating, both[:1] if first else both[1:])

    def _together(
        self, heads: Heads, groups: list[NDArray[np.int64]], tick: Callable[[], None]
    ) -> Iterator[Decoded]:
        """Choose for all prompts, and wait once for what was chosen."""
        chosen, found = [], []
        for group in groups:
            tick()
            logits = self._upscaled(heads, group)
            best = to_device(_best(heads, group), logits.device)
            chosen.append(torch.where(self._is_stable(logits[:, :1])[:, 0], 0, best))
            # A copy, so that the others can go.
            found.append(logits[torch.arange(len(group), device=logits.device), chosen[-1]])
        which = np.split(to_host(torch.cat(chosen)), np.cumsum([len(group) for group in groups])[:-1])
        for group, own, logits in zip(groups, which, found, strict=True):
            yield Decoded(group, heads.rating[group, own], logits)

    def _is_stable(self, logits: Tensor) -> Tensor:
        """Tell of masks (G, 1, 4 h, 4 w) whether the stock decoder would take them, (G, 1)."""
        scores: Tensor = self._decoder._get_stability_scores(logits)
        stable: Tensor = scores >= self._decoder.dynamic_multimask_stability_thresh
        return stable


def _best(heads: Heads, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the best rated mask of each prompt but the first."""
    best: NDArray[np.int64] = 1 + heads.rating[group, 1:].argmax(1)
    return best

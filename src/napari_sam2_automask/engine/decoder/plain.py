"""The mask decoder as sam2 has it, in small batches: for mask prompts and for unusual decoders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.engine.encoder.encode import not_finite
from napari_sam2_automask.engine.tensors.host import take, to_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.engine.encoder.encode import Features

__all__ = ["Decoded", "PlainDecoder", "above"]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Masks of some prompts, those above the floor of predicted IoU only.

    Attributes
    ----------
    prompt : (K,) int64 array
        Which prompt of the batch each mask answers.
    predicted_iou : (K,) array
        The model's own rating.
    logits : (K, 4 h, 4 w) float32 Tensor
        Low-resolution mask logits.
    """

    prompt: NDArray[np.int64]
    predicted_iou: NDArray[Any]
    logits: Tensor


def above(rating: NDArray[Any], floor: float) -> NDArray[np.bool_]:
    """Tell which masks are rated above a floor; ``-inf`` lets all pass."""
    keep: NDArray[np.bool_] = rating > floor if math.isfinite(floor) else np.ones(rating.shape, bool)
    return keep


class PlainDecoder:
    """Calls the network's own mask decoder.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode.
    features : Features
        Of the image.
    multimask : bool
        Three masks for each prompt instead of one.
    chunk : int
        The most prompts decoded at a time.
    """

    def __init__(self, network: SAM2Base, features: Features, *, multimask: bool, chunk: int) -> None:
        self._network = network
        self._features = features
        self._multimask = multimask
        self._chunk = chunk
        self._position = network.sam_prompt_encoder.get_dense_pe()

    def decode(
        self, sparse: Tensor, floor: float, tick: Callable[[], None], masks: Tensor | None = None
    ) -> Iterator[Decoded]:
        """Yield the masks of prompts whose predicted IoU is above `floor`.

        Parameters
        ----------
        sparse : (B, tokens, C) Tensor
            Embedded point prompts.
        floor : float
            Predicted IoU that a mask must exceed; ``-inf`` keeps all.
        tick : callable
            Called between batches; may raise to stop.
        masks : (B, 1, 4 h, 4 w) Tensor, optional
            Mask prompts.

        Yields
        ------
        Decoded
            Prompts in order.
        """
        for start in range(0, len(sparse), self._chunk):
            part = slice(start, start + self._chunk)
            logits, iou = self._decode(sparse[part], None if masks is None else masks[part])
            rating = to_host(iou)
            if not np.isfinite(rating).all():
                raise not_finite("mask decoder")
            keep = above(rating, floor)
            which = np.flatnonzero(keep)
            tick()
            yield Decoded(which // keep.shape[1] + start, rating[keep], take(logits.flatten(0, 1), which))

    def _decode(self, sparse: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor]:
        prompts = self._network.sam_prompt_encoder
        if masks is None:
            dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(
                len(sparse), -1, *prompts.image_embedding_size
            )
        else:
            dense = prompts._embed_masks(masks)
        logits, iou, _, _ = self._network.sam_mask_decoder(
            image_embeddings=self._features.image_embed,
            image_pe=self._position,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=self._multimask,
            repeat_image=len(sparse) > 1,
            high_res_features=list(self._features.high_res),
        )
        return logits.float(), iou

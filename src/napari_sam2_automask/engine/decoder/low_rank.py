"""The mask decoder of SAM 2, exact and several times cheaper, for points and for masks with points.

Same function of the same weights as ``sam2.modeling.sam.mask_decoder.MaskDecoder``, in another order of
operations:

* the image tokens of the first layer are the same for all prompts and are projected once for each image;
* what a prompt adds to the image tokens has rank (heads x prompt tokens), what a mask adds has rank 16, and
  neither is multiplied out; the layer norms' variances come from Gram matrices;
* only tokens that are read afterwards attend in the final attention;
* predicted IoU comes first, and only masks above the floor are upscaled;
* transposed convolutions are matrix products that keep the four pixels of a cell side by side, so that
  nothing is transposed before the last step.

The prompts' tokens are worked on in a batch; the image side is worked on in tiles of image tokens and, on a
CPU, prompt by prompt, so that its working set stays in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import local
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_sam2_automask.engine.decoder.attention_heads import centred, join, split, value_rows
from napari_sam2_automask.engine.decoder.image_side import ImageSide, State
from napari_sam2_automask.engine.decoder.mask_head import Heads, MaskReader
from napari_sam2_automask.engine.decoder.tables import make_tables
from napari_sam2_automask.engine.decoder.upscaling import Upscaler
from napari_sam2_automask.engine.encoder.encode import not_finite
from napari_sam2_automask.engine.tensors.host import to_device, to_host
from napari_sam2_automask.engine.tensors.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam.transformer import Attention, TwoWayAttentionBlock
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.engine.decoder.mask_prompts import MaskPrompts
    from napari_sam2_automask.engine.decoder.plain import Decoded
    from napari_sam2_automask.engine.encoder.encode import Features

__all__ = ["LowRankDecoder", "fits"]

# Image tokens upscaled at a time on a CPU, about: what they need fits into the second-level cache.
_TILE = 512
# Such tiles worked on at a time by the attention over image tokens, whose arrays are smaller.
_TILES = 4


def fits(network: SAM2Base) -> bool:
    """Tell whether :class:`LowRankDecoder` knows this network's mask decoder."""
    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam.transformer import TwoWayTransformer

    decoder = network.sam_mask_decoder
    return (
        type(decoder) is MaskDecoder
        and type(decoder.transformer) is TwoWayTransformer
        and len(decoder.transformer.layers) == 2
    )


class LowRankDecoder:
    """Decodes prompts on one image.

    B is the number of prompts, T their tokens, H heads, d channels of a head, C all channels, M the rows of
    mask prompts, 0 without these, and R = M + H T.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode, one that :func:`fits`.
    features : Features
        Of the image.
    multimask : bool
        Three masks for each prompt instead of one.
    whole : bool
        Work on all prompts and image tokens and on many masks at once, as a GPU likes it, not in tiles.
    masks : MaskPrompts, optional
        Every prompt has a mask, too.
    """

    def __init__(
        self,
        network: SAM2Base,
        features: Features,
        *,
        multimask: bool,
        whole: bool = False,
        masks: MaskPrompts | None = None,
    ) -> None:
        decoder: MaskDecoder = network.sam_mask_decoder
        prompts = network.sam_prompt_encoder
        dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1) if masks is None else masks.constant
        rows = features.image_embed.new_empty(0, decoder.transformer_dim) if masks is None else masks.rows
        self._decoder, self._masks = decoder, masks
        tables = make_tables(decoder, features, dense, prompts.get_dense_pe(), rows)
        width = int(features.image_embed.shape[-1])
        tile = tables.size if whole else max(_TILE // width, 1) * width
        self._image = ImageSide(decoder, tables.tiles(_TILES * tile), together=whole)
        shift = decoder.transformer.layers[1].norm4.bias
        upscaler = Upscaler(decoder, features, tables.last, shift, tile)
        self._local, self._like = local(), tables.last
        single = not multimask and decoder.dynamic_multimask_via_stability
        self._reader = MaskReader(decoder, upscaler, single=single, whole=whole)
        every = range(decoder.num_mask_tokens)
        self._mask_ids = list(every[1:] if multimask else every if single else every[:1])
        iou_token = 1 if decoder.pred_obj_scores else 0
        read = np.array([iou_token, *(iou_token + 1 + i for i in self._mask_ids)])
        # On the device, where a list would be sent with a wait each time.
        self._read = to_device(read, tables.last.device)
        self._first, self._second = decoder.transformer.layers
        self._final: Attention = decoder.transformer.final_attn_token_to_image

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
            Called often; may raise to stop.
        masks : (B, 1, 4 h, 4 w) Tensor, optional
            Logits of the mask prompts, if that is what it was made for.

        Yields
        ------
        Decoded
            Prompts in order.
        """
        given = None
        if self._masks is not None and masks is not None:
            given = _Given(self._masks.rows, self._image.split(self._masks.weights(masks)))
        hidden, state, rows = self._transform(self._tokens(sparse), given, tick)
        iou = self._decoder.iou_prediction_head(hidden[:, 0])[:, self._mask_ids[0] : self._mask_ids[-1] + 1]
        mlps = self._decoder.output_hypernetworks_mlps
        hyper = torch.stack([mlps[i](hidden[:, 1 + k]) for k, i in enumerate(self._mask_ids)], 1)
        # In one piece: a GPU is waited for once.
        told = to_host(torch.cat([iou.flatten(), hidden.isfinite().all().to(iou.dtype)[None]]))
        if not told[-1]:
            raise not_finite("mask decoder")
        heads = Heads(state, rows, hyper, told[:-1].reshape(iou.shape))
        yield from self._reader.read(heads, floor, self._work, tick)

    @property
    def _work(self) -> Workspace:
        """Each thread has its own."""
        if not hasattr(self._local, "work"):
            self._local.work = Workspace(self._like)
        work: Workspace = self._local.work
        return work

    def _tokens(self, sparse: Tensor) -> Tensor:
        """Put the output tokens before the prompts' tokens, (B, T, C)."""
        decoder = self._decoder
        output = [decoder.iou_token.weight, decoder.mask_tokens.weight]
        if decoder.pred_obj_scores:
            output.insert(0, decoder.obj_score_token.weight)
        return torch.cat([torch.cat(output).expand(len(sparse), -1, -1), sparse], 1)

    def _transform(
        self, tokens: Tensor, given: _Given | None, tick: Callable[[], None]
    ) -> tuple[Tensor, State, Tensor]:
        """Run the two-way transformer.

        Returns
        -------
        hidden : (B, F, C) Tensor
            The tokens that are read: predicted IoU, then masks.
        state : State
            The image tokens, until the next call on this thread.
        rows : (B, R + H T, C) Tensor
            What the state mixes.
        """
        queries = self._look0(tokens, given, tick)
        state, queries, rows, v0 = self._mix0_look1(queries, tokens, given, tick)
        return self._mix1_look2(state, queries, tokens, rows, v0, tick)

    def _look0(self, tokens: Tensor, given: _Given | None, tick: Callable[[], None]) -> Tensor:
        """First layer, up to the prompt tokens' perceptron."""
        layer = self._first
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(tokens, tokens, tokens)
        else:
            queries = tokens + layer.self_attn(tokens + tokens, tokens + tokens, tokens)
        queries = layer.norm1(queries)
        attention = layer.cross_attn_token_to_image
        q = _scaled_queries(attention, queries + tokens)
        if given is None:
            (values,) = self._image.look0(q, None, self._work, tick)
            return _add_seen(layer, queries, values)
        rows = given.rows.expand(len(q), -1, -1)
        mixed_in = given.weights, _against(q, rows, attention.k_proj.weight)
        seen = self._image.look0(q, mixed_in, self._work, tick)
        return _add_seen(layer, queries, _both_values(attention, seen, rows))

    def _mix0_look1(
        self, queries: Tensor, tokens: Tensor, given: _Given | None, tick: Callable[[], None]
    ) -> tuple[State, Tensor, Tensor, Tensor]:
        """First layer's image tokens; second layer, up to the prompt tokens' perceptron.

        Returns
        -------
        state : State
            The image tokens after the first layer.
        queries : (B, T, C) Tensor
            The prompt tokens.
        rows : (B, R, C) Tensor
            What the state mixes.
        v : (B, H, T, d) Tensor
            The values that those of the prompt tokens were made of.
        """
        mixing, layer, shift = self._first.cross_attn_image_to_token, self._second, self._first.norm4.bias
        k, v = _keys_and_values(mixing, queries + tokens, queries)
        rows = centred(value_rows(mixing, v, mixing.out_proj.bias))
        mixed_in = None
        if given is not None:
            own = given.rows.expand(len(k), -1, -1)
            mixed_in = given.weights, _against(k, own, mixing.q_proj.weight) * _scale(mixing)
            rows = torch.cat([centred(own), rows], 1)
        gram = rows @ rows.mT
        rows = rows * self._first.norm4.weight
        placed = queries + tokens
        queries = layer.norm1(queries + layer.self_attn(placed, placed, queries))
        attention = layer.cross_attn_token_to_image
        q = _scaled_queries(attention, queries + tokens)
        mixed_q = _against(q, rows, attention.k_proj.weight)
        state, seen = self._image.mix0_look1((k, v, gram), (q, mixed_q), mixed_in, self._work, tick)
        return state, _add_seen(layer, queries, _all_values(attention, seen, rows, shift)), rows, v

    def _mix1_look2(
        self,
        state: State,
        queries: Tensor,
        tokens: Tensor,
        rows: Tensor,
        v0: Tensor,
        tick: Callable[[], None],
    ) -> tuple[Tensor, State, Tensor]:
        """Second layer's image tokens and the final attention; returns what :meth:`_transform` returns."""
        mixing, norm = self._second.cross_attn_image_to_token, self._second.norm4
        k, v = _keys_and_values(mixing, queries + tokens, queries)
        mixed_k = _against(k, rows, mixing.q_proj.weight) * _scale(mixing)
        rows = centred(rows)
        new = centred(value_rows(mixing, v, mixing.out_proj.bias + self._first.norm4.bias))
        grams = rows @ rows.mT, 2 * (new @ rows.mT), new @ new.mT
        rows = torch.cat([rows, new], 1) * norm.weight
        read = queries.index_select(1, self._read)
        q = _scaled_queries(self._final, read + tokens.index_select(1, self._read))
        mixed_q = _against(q, rows, self._final.k_proj.weight)
        seen = self._image.mix1_look2(state, (v0, k, v, mixed_k, *grams), (q, mixed_q), self._work, tick)
        values = _all_values(self._final, seen, rows, norm.bias)
        hidden = read + self._final.out_proj(join(values))
        return self._decoder.transformer.norm_final_attn(hidden), state, rows


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """Mask prompts: `rows`, (M, C), and how much of each a mask mixes in, tile by tile, (B, M, n)."""

    rows: Tensor
    weights: list[Tensor]


def _scale(attention: Attention) -> float:
    return float((attention.internal_dim // attention.num_heads) ** -0.5)


def _scaled_queries(attention: Attention, tokens: Tensor) -> Tensor:
    return split(attention.q_proj(tokens) * _scale(attention), attention.num_heads)


def _keys_and_values(attention: Attention, placed: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    heads = attention.num_heads
    return split(attention.k_proj(placed), heads), split(attention.v_proj(tokens), heads)


def _against(tokens: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Multiply projected tokens with rows in an image projection.

    (B, H, T, d) tokens, (B, R, C) rows and a (H d, C) weight give (B, H T, R).
    """
    projected = split(rows @ weight.T, tokens.shape[1])
    return torch.matmul(tokens, projected.mT).flatten(1, 2)


def _all_values(attention: Attention, seen: list[Tensor], rows: Tensor, shift: Tensor) -> Tensor:
    """Add up what tokens saw: the image, the rows mixed into it, and what is constant; (B, H, T, d)."""
    constant = attention.v_proj.weight @ shift + attention.v_proj.bias
    return _both_values(attention, seen, rows).add_(constant.view(attention.num_heads, 1, -1))


def _both_values(attention: Attention, seen: list[Tensor], rows: Tensor) -> Tensor:
    """Add up what tokens saw of the image and of the rows mixed into it, (B, H, T, d)."""
    image, taken = seen
    projected = split(rows @ attention.v_proj.weight.T, attention.num_heads)
    return torch.matmul(taken, projected).add_(image)


def _add_seen(layer: TwoWayAttentionBlock, queries: Tensor, values: Tensor) -> Tensor:
    """Add a cross attention's values to the prompt tokens, then a perceptron's, with their norms."""
    queries = layer.norm2(queries + layer.cross_attn_token_to_image.out_proj(join(values)))
    result: Tensor = layer.norm3(queries + layer.mlp(queries))
    return result

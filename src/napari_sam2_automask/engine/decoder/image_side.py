"""The image side of the low-rank decoder: everything that runs over all image tokens.

On a CPU image tokens are worked on in tiles, a tile for all prompts of a batch before the next one, and
prompt by prompt: what is read of the image then stays in the cache, and so does what is made of it for one
prompt. On a GPU all prompts and all tokens are worked on at once. The same code does either: "..." below is
nothing for one prompt and B for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam2_automask.engine.decoder.attention_heads import shared_matmul
from napari_sam2_automask.engine.decoder.tiled_attention import Gatherer, exp_of_scores, softmax_over_tokens
from napari_sam2_automask.engine.tensors.products import add_product, product

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam2.modeling.sam.mask_decoder import MaskDecoder

    from napari_sam2_automask.engine.decoder.tables import Tables
    from napari_sam2_automask.engine.tensors.workspace import Workspace

__all__ = ["ImageSide", "State"]


@dataclass(slots=True, eq=False)
class State:
    """The image tokens of a batch of prompts, in low-rank form, as they go through the layers, tile by tile.

    Attributes
    ----------
    first : list of (B, H T, n) Tensors
        Weights with which rows of the prompt tokens are mixed into the image tokens in the first layer.
    mixed : list of (B, 2 H T, n) Tensors
        After the second layer: the weights of both layers, multiplied by the scales of the layer norms.
    scale : list of (B, 1, n) Tensors
        Scale of the first layer norm; after the second layer the product of both.
    """

    first: list[Tensor]
    mixed: list[Tensor]
    scale: list[Tensor]


class ImageSide:
    """Runs over the image tokens of one image.

    B is the number of prompts, H heads, T prompt tokens, d channels of a head, n image tokens of a tile.

    Parameters
    ----------
    decoder : MaskDecoder
        For the parameters of norms and activations.
    tables : list of Tables
        The image, tile by tile.
    together : bool
        Work on all prompts at once, instead of one after the other.
    """

    def __init__(self, decoder: MaskDecoder, tables: list[Tables], *, together: bool) -> None:
        self._tables = tables
        self._together = together
        first, second = decoder.transformer.layers
        self._width: int = decoder.transformer_dim
        self._eps = float(first.norm4.eps), float(second.norm4.eps)

    def look0(self, q: Tensor, work: Workspace, tick: Callable[[], None]) -> Tensor:
        """First layer, prompt tokens attend: scaled queries to values, both (B, H, T, d)."""
        seen, queries = Gatherer(), self._each(q)
        for tables in self._tables:
            tick()
            seen.start_tile()
            for (own,) in queries:
                scores = shared_matmul(own, tables.key0, _scores(work, own, tables))
                peak, total = exp_of_scores(scores)
                seen.add(peak, total, shared_matmul(scores, tables.value0))
        return seen.result()[0]

    def mix0_look1(
        self,
        mixing: tuple[Tensor, Tensor, Tensor],
        looking: tuple[Tensor, Tensor],
        work: Workspace,
        tick: Callable[[], None],
    ) -> tuple[State, list[Tensor]]:
        """First layer, image tokens attend; second layer, prompt tokens attend.

        Parameters
        ----------
        mixing : (B, H, T, d), (B, H, T, d) and (B, H T, H T) Tensors
            Keys and values of the prompt tokens; products of the rows that are mixed in.
        looking : (B, H, T, d) and (B, H T, H T) Tensors
            Scaled queries; their products with the keys of the rows mixed in.
        work : Workspace
            Holds what is returned.
        tick : callable
            Called between tiles.

        Returns
        -------
        state : State
            After the first layer.
        seen : (B, H, T, d) and (B, H, T, H T) Tensors
            Values of the image; how much of each mixed row each query takes.
        """
        k, v, gram = mixing
        q, mixed_q = looking
        batch, rows = gram.shape[:2]
        # What is multiplied with the same weights is multiplied at once.
        prompts = self._each(k, v, torch.cat([gram, mixed_q], 1), q)
        state, seen = State([], [], []), Gatherer()
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            state.first.append(work.take(("first", i), batch, rows, tables.size))
            state.scale.append(work.take(("scale", i), batch, 1, tables.size))
            places = self._each(state.first[i], state.scale[i])
            for (*mixing_own, q_own), (first, scale) in zip(prompts, places, strict=True):
                scores = self._mix0(tables, mixing_own, first, scale, work)
                seen.add(*self._look1(tables, q_own, scores, first, scale))
        return state, seen.result()

    def mix1_look2(
        self,
        state: State,
        mixing: tuple[Tensor, ...],
        looking: tuple[Tensor, Tensor],
        work: Workspace,
        tick: Callable[[], None],
    ) -> list[Tensor]:
        """Second layer, image tokens attend; final attention of the tokens that are read.

        Parameters
        ----------
        state : State
            After the first layer; brought to its final form.
        mixing : Tensors
            Values of the prompt tokens in the first layer, keys and values in the second, (B, H, T, d) each;
            products of the keys with the queries of the rows mixed in, scaled, and of the first layer's rows
            with themselves, twice with the second's, and of the second's with themselves, (B, H T, H T) each.
        looking : (B, H, F, d) and (B, H F, 2 H T) Tensors
            Scaled queries; their products with the keys of the rows mixed in.
        work : Workspace
            Holds the state.
        tick : callable
            Called between tiles.

        Returns
        -------
        list of (B, H, F, d) and (B, H, F, 2 H T) Tensors
            Values of the image; how much of each mixed row each query takes.
        """
        first_v, k, v, mixed_k, gram, cross, new_gram = mixing
        batch, rows = gram.shape[:2]
        prompts = self._each(first_v, k, v, torch.cat([mixed_k, gram, cross], 1), new_gram, *looking)
        seen = Gatherer()
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            state.mixed.append(work.take(("mixed", i), batch, 2 * rows, tables.size))
            places = self._each(state.first[i], state.mixed[i], state.scale[i])
            for (*mixing_own, q, mixed_q), (first, mixed, scale) in zip(prompts, places, strict=True):
                self._mix1(tables, mixing_own, first, mixed, scale, work)
                seen.add(*self._look2(tables, q, mixed_q, mixed, scale, work))
        return seen.result()

    def _each(self, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
        """Take (B, ...) Tensors apart by prompt, unless all prompts are worked on at once."""
        return [tensors] if self._together else list(zip(*(x.unbind() for x in tensors), strict=True))

    def _mix0(
        self, tables: Tables, mixing: list[Tensor], first: Tensor, scale: Tensor, work: Workspace
    ) -> Tensor:
        """Fill in `first` and `scale`; return what the next queries take of the rows, (..., H T, n)."""
        k, v, against = mixing
        softmax_over_tokens(shared_matmul(k, tables.query0, first.view(*k.shape[:-1], -1)))
        both = product(against, first, work.take("a", *against.shape[:-1], tables.size))
        lengths, scores = torch.tensor_split(both, 2, -2)
        shared_matmul(v, tables.cross0, lengths.view(*v.shape[:-1], -1), add=True)
        square = torch.sum(lengths.mul_(first), -2, keepdim=True, out=scale)
        self._rsqrt(square.add_(tables.norm0), 0)
        return scores

    def _look1(
        self, tables: Tables, q: Tensor, scores: Tensor, first: Tensor, scale: Tensor
    ) -> tuple[Tensor, ...]:
        scores, by_head = scores.view(*q.shape[:-1], -1), scale.unsqueeze(-2)
        shared_matmul(q, tables.key1, scores, add=True).mul_(by_head)
        peak, total = exp_of_scores(shared_matmul(q, tables.pe_key1, scores, add=True))
        scores.mul_(by_head)
        taken = product(scores.flatten(-3, -2), first.mT).view(*q.shape[:-1], -1)
        return peak, total, shared_matmul(scores, tables.value1), taken

    def _mix1(
        self,
        tables: Tables,
        mixing: list[Tensor],
        first: Tensor,
        mixed: Tensor,
        scale: Tensor,
        work: Workspace,
    ) -> None:
        """Fill in `mixed` and finish `scale`."""
        first_v, k, v, against, new_gram = mixing
        seen = product(against, first, work.take("a", *against.shape[:-1], tables.size))
        new, own, other = torch.tensor_split(seen, 3, -2)
        heads = *k.shape[:-1], -1
        weights = new.view(heads)
        shared_matmul(k, tables.query1, weights, add=True).mul_(scale.unsqueeze(-2))
        softmax_over_tokens(shared_matmul(k, tables.pe_query1, weights, add=True))
        shared_matmul(first_v, tables.cross11, own.view(heads), add=True)
        square = own.mul_(first).sum(-2, keepdim=True).add_(tables.norm1).mul_(scale).add_(tables.bias12)
        shared_matmul(v, tables.cross12, other.view(heads), add=True)
        add_product(other.mul_(scale), new_gram, new)
        square.mul_(scale).add_(other.mul_(new).sum(-2, keepdim=True))
        scale2 = self._rsqrt(square, 1)
        scale.mul_(scale2)
        from_first, from_second = torch.tensor_split(mixed, 2, -2)
        torch.mul(first, scale, out=from_first)
        torch.mul(new, scale2, out=from_second)

    def _look2(
        self, tables: Tables, q: Tensor, mixed_q: Tensor, mixed: Tensor, scale: Tensor, work: Workspace
    ) -> tuple[Tensor, ...]:
        by_head = scale.unsqueeze(-2)
        scores = shared_matmul(q, tables.key2, _scores(work, q, tables)).mul_(by_head)
        shared_matmul(q, tables.pe_key2, scores, add=True)
        flat = add_product(scores.flatten(-3, -2), mixed_q, mixed)
        peak, total = exp_of_scores(scores)
        taken = product(flat, mixed.mT).view(*q.shape[:-1], -1)
        return peak, total, shared_matmul(scores.mul_(by_head), tables.value2), taken

    def _rsqrt(self, square: Tensor, layer: int) -> Tensor:
        return square.div_(self._width).clamp_(min=0).add_(self._eps[layer]).rsqrt_()


def _scores(work: Workspace, q: Tensor, tables: Tables) -> Tensor:
    return work.take("a", *q.shape[:-1], tables.size)

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

    Given = tuple[list[Tensor], Tensor]

__all__ = ["ImageSide", "State"]


@dataclass(slots=True, eq=False)
class State:
    """The image tokens of a batch of prompts, in low-rank form, as they go through the layers, tile by tile.

    Attributes
    ----------
    first : list of (B, M + H T, n) Tensors
        Weights with which the rows of a mask prompt and, in the first layer, those of the prompt tokens are
        mixed into the image tokens.
    mixed : list of (B, M + 2 H T, n) Tensors
        After the second layer: the weights of both layers, multiplied by the scales of the layer norms.
    scale : list of (B, 1, n) Tensors
        Scale of the first layer norm; after the second layer the product of both.
    """

    first: list[Tensor]
    mixed: list[Tensor]
    scale: list[Tensor]


class ImageSide:
    """Runs over the image tokens of one image.

    B is the number of prompts, H heads, T prompt tokens, d channels of a head, n image tokens of a tile, M
    rows of mask prompts, 0 without these, and R = M + H T.

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
        self._given = len(tables[0].given0)
        first, second = decoder.transformer.layers
        self._width: int = decoder.transformer_dim
        self._eps = float(first.norm4.eps), float(second.norm4.eps)

    def split(self, weights: Tensor) -> list[Tensor]:
        """Cut (B, M, N) weights of mask prompts into tiles."""
        sizes = [tables.size for tables in self._tables]
        return [tile.contiguous() for tile in torch.split(weights, sizes, 2)]

    def look0(
        self, q: Tensor, given: Given | None, work: Workspace, tick: Callable[[], None]
    ) -> list[Tensor]:
        """First layer, prompt tokens attend.

        Parameters
        ----------
        q : (B, H, T, d) Tensor
            Scaled queries.
        given : list of (B, M, n) Tensors and (B, H T, M) Tensor, or None
            How much of its rows a mask prompt mixes in, see `split`; products of the queries with the keys of
            these rows.
        work : Workspace
            Memory of this thread.
        tick : callable
            Called between tiles.

        Returns
        -------
        list of (B, H, T, d) and (B, H, T, M) Tensors
            Values of the image; with mask prompts how much of each row each query takes.
        """
        weights, products = (None, []) if given is None else (given[0], [given[1]])
        seen, queries = Gatherer(), self._each(q, *products)
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            mixed = [()] * len(queries) if weights is None else self._each(weights[i])
            for (own, *mixed_q), rows in zip(queries, mixed, strict=True):
                scores = shared_matmul(own, tables.key0, _scores(work, own, tables))
                flat = scores.flatten(-3, -2)
                for against, row in zip(mixed_q, rows, strict=True):
                    add_product(flat, against, row)
                peak, total = exp_of_scores(scores)
                taken = [product(flat, row.mT).view(*own.shape[:-1], -1) for row in rows]
                seen.add(peak, total, shared_matmul(scores, tables.value0), *taken)
        return seen.result()

    def mix0_look1(
        self,
        mixing: tuple[Tensor, Tensor, Tensor],
        looking: tuple[Tensor, Tensor],
        given: Given | None,
        work: Workspace,
        tick: Callable[[], None],
    ) -> tuple[State, list[Tensor]]:
        """First layer, image tokens attend; second layer, prompt tokens attend.

        Parameters
        ----------
        mixing : (B, H, T, d), (B, H, T, d) and (B, R, R) Tensors
            Keys and values of the prompt tokens; products of the rows that are mixed in.
        looking : (B, H, T, d) and (B, H T, R) Tensors
            Scaled queries; their products with the keys of the rows mixed in.
        given : list of (B, M, n) Tensors and (B, H T, M) Tensor, or None
            How much of its rows a mask prompt mixes in, see `split`; products of the keys with the queries of
            these rows, scaled.
        work : Workspace
            Holds what is returned.
        tick : callable
            Called between tiles.

        Returns
        -------
        state : State
            After the first layer.
        seen : (B, H, T, d) and (B, H, T, R) Tensors
            Values of the image; how much of each mixed row each query takes.
        """
        k, v, gram = mixing
        q, mixed_q = looking
        batch, rows = gram.shape[:2]
        # What is multiplied with the same weights is multiplied at once.
        own_given = [] if given is None else [given[1]]
        prompts = self._each(k, v, torch.cat([gram, mixed_q], 1), *own_given, q)
        state, seen = State([], [], []), Gatherer()
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            state.first.append(work.take(("first", i), batch, rows, tables.size))
            state.scale.append(work.take(("scale", i), batch, 1, tables.size))
            if given is not None:
                state.first[i][:, : self._given] = given[0][i]
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
            products of the keys with the queries of the rows mixed in, scaled, (B, H T, R), of these rows
            with themselves, (B, R, R), of the second layer's rows with them, twice, (B, H T, R), and of the
            second layer's rows with themselves, (B, H T, H T).
        looking : (B, H, F, d) and (B, H F, R + H T) Tensors
            Scaled queries; their products with the keys of the rows mixed in.
        work : Workspace
            Holds the state.
        tick : callable
            Called between tiles.

        Returns
        -------
        list of (B, H, F, d) and (B, H, F, R + H T) Tensors
            Values of the image; how much of each mixed row each query takes.
        """
        first_v, k, v, mixed_k, gram, cross, new_gram = mixing
        batch, rows = len(gram), gram.shape[1] + cross.shape[1]
        prompts = self._each(first_v, k, v, torch.cat([mixed_k, gram, cross], 1), new_gram, *looking)
        seen = Gatherer()
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            state.mixed.append(work.take(("mixed", i), batch, rows, tables.size))
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
        k, v, against, *mixed_k = mixing
        given, own = first[..., : self._given, :], first[..., self._given :, :]
        shared_matmul(k, tables.query0, own.view(*k.shape[:-1], -1))
        for one in mixed_k:
            add_product(own, one, given)
        softmax_over_tokens(own.view(*k.shape[:-1], -1))
        both = product(against, first, work.take("a", *against.shape[:-1], tables.size))
        lengths, scores = torch.split(both, [first.shape[-2], own.shape[-2]], -2)
        self._add_crossed(lengths, v, tables.given0, tables.cross0)
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
        tokens, rows = new_gram.shape[-1], first.shape[-2]
        new, own, other = torch.split(seen, [tokens, rows, tokens], -2)
        heads = *k.shape[:-1], -1
        weights = new.view(heads)
        shared_matmul(k, tables.query1, weights, add=True).mul_(scale.unsqueeze(-2))
        softmax_over_tokens(shared_matmul(k, tables.pe_query1, weights, add=True))
        self._add_crossed(own, first_v, tables.given1, tables.cross11)
        square = own.mul_(first).sum(-2, keepdim=True).add_(tables.norm1).mul_(scale).add_(tables.bias12)
        shared_matmul(v, tables.cross12, other.view(heads), add=True)
        add_product(other.mul_(scale), new_gram, new)
        square.mul_(scale).add_(other.mul_(new).sum(-2, keepdim=True))
        scale2 = self._rsqrt(square, 1)
        scale.mul_(scale2)
        from_first, from_second = torch.split(mixed, [rows, tokens], -2)
        torch.mul(first, scale, out=from_first)
        torch.mul(new, scale2, out=from_second)

    def _add_crossed(self, lengths: Tensor, v: Tensor, given: Tensor, cross: Tensor) -> None:
        """Add to (..., R, n) what all prompts share of it: products of the image with the rows, twice."""
        if self._given:
            lengths[..., : self._given, :] += given
        own = lengths[..., self._given :, :]
        shared_matmul(v, cross, own.view(*v.shape[:-1], -1), add=True)

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

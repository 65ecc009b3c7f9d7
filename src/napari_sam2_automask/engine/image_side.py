"""The image side of the low-rank decoder: everything that runs over all image tokens.

Image tokens are worked on in tiles, and a tile for all prompts of a batch before the next one: what is read
of the image then stays in the cache, and so do the intermediate results of a few prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam2_automask.engine.gathering import Gatherer, exp_of_scores, softmax_over_tokens
from napari_sam2_automask.engine.heads import shared_matmul

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sam2.modeling.sam.mask_decoder import MaskDecoder

    from napari_sam2_automask.engine.tables import Tables
    from napari_sam2_automask.engine.workspace import Workspace

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
    chunk : int
        Prompts worked on at a time.
    """

    def __init__(self, decoder: MaskDecoder, tables: list[Tables], chunk: int) -> None:
        self._tables = tables
        self._chunk = chunk
        first, second = decoder.transformer.layers
        self._width: int = decoder.transformer_dim
        self._eps = float(first.norm4.eps), float(second.norm4.eps)

    def look0(self, q: Tensor, work: Workspace, tick: Callable[[], None]) -> Tensor:
        """First layer, prompt tokens attend: scaled queries to values, both (B, H, T, d)."""
        seen = Gatherer()
        for tables in self._tables:
            tick()
            seen.start_tile()
            for part in self._parts(len(q)):
                scores = shared_matmul(q[part], tables.key0, _scores(work, "a", q[part], tables))
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
        batch, rows = mixing[2].shape[:2]
        state, seen = State([], [], []), Gatherer()
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            state.first.append(work.take(("first", i), batch, rows, tables.size))
            state.scale.append(work.take(("scale", i), batch, 1, tables.size))
            for p in self._parts(batch):
                first, scale = state.first[i][p], state.scale[i][p]
                self._mix0(tables, [x[p] for x in mixing], first, scale, work)
                seen.add(*self._look1(tables, [x[p] for x in looking], first, scale, work))
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
        batch, rows = mixing[3].shape[:2]
        seen = Gatherer()
        for i, tables in enumerate(self._tables):
            tick()
            seen.start_tile()
            state.mixed.append(work.take(("mixed", i), batch, 2 * rows, tables.size))
            for p in self._parts(batch):
                mixed, scale = state.mixed[i][p], state.scale[i][p]
                self._mix1(tables, [x[p] for x in mixing], state.first[i][p], mixed, scale, work)
                seen.add(*self._look2(tables, [x[p] for x in looking], mixed, scale, work))
        return seen.result()

    def _parts(self, batch: int) -> Iterator[slice]:
        return (slice(i, i + self._chunk) for i in range(0, batch, self._chunk))

    def _mix0(
        self, tables: Tables, mixing: list[Tensor], first: Tensor, scale: Tensor, work: Workspace
    ) -> None:
        """Fill in `first` and `scale`."""
        k, v, gram = mixing
        weights = first.view(*k.shape[:3], -1)
        softmax_over_tokens(shared_matmul(k, tables.query0, weights))
        products = torch.bmm(gram, first, out=work.take("a", *first.shape))
        shared_matmul(v, tables.cross0, products.view_as(weights), add=True)
        square = torch.sum(products.mul_(first), 1, keepdim=True, out=scale)
        self._rsqrt(square.add_(tables.norm0), 0)

    def _look1(
        self, tables: Tables, looking: list[Tensor], first: Tensor, scale: Tensor, work: Workspace
    ) -> tuple[Tensor, ...]:
        q, mixed_q = looking
        scores = torch.bmm(mixed_q, first, out=work.take("a", *first.shape)).view(*q.shape[:3], -1)
        shared_matmul(q, tables.key1, scores, add=True).mul_(scale[:, None])
        peak, total = exp_of_scores(shared_matmul(q, tables.pe_key1, scores, add=True))
        scores.mul_(scale[:, None])
        taken = torch.bmm(scores.flatten(1, 2), first.mT).view(*q.shape[:3], -1)
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
        first_v, k, v, mixed_k, gram, cross, new_gram = mixing
        rows = first.shape[1]
        new = torch.bmm(mixed_k, first, out=work.take("a", *first.shape))
        weights = new.view(*k.shape[:3], -1)
        shared_matmul(k, tables.query1, weights, add=True).mul_(scale[:, None])
        softmax_over_tokens(shared_matmul(k, tables.pe_query1, weights, add=True))
        own = torch.bmm(gram, first, out=work.take("b", *first.shape))
        shared_matmul(first_v, tables.cross11, own.view_as(weights), add=True)
        square = own.mul_(first).sum(1, keepdim=True).add_(tables.norm1).mul_(scale).add_(tables.bias12)
        other = torch.bmm(cross, first, out=own)
        shared_matmul(v, tables.cross12, other.view_as(weights), add=True)
        other.mul_(scale).baddbmm_(new_gram, new)
        square.mul_(scale).add_(other.mul_(new).sum(1, keepdim=True))
        scale2 = self._rsqrt(square, 1)
        scale.mul_(scale2)
        torch.mul(first, scale, out=mixed[:, :rows])
        torch.mul(new, scale2, out=mixed[:, rows:])

    def _look2(
        self, tables: Tables, looking: list[Tensor], mixed: Tensor, scale: Tensor, work: Workspace
    ) -> tuple[Tensor, ...]:
        q, mixed_q = looking
        scores = shared_matmul(q, tables.key2, _scores(work, "a", q, tables)).mul_(scale[:, None])
        shared_matmul(q, tables.pe_key2, scores, add=True)
        flat = scores.flatten(1, 2).baddbmm_(mixed_q, mixed)
        peak, total = exp_of_scores(scores)
        taken = torch.bmm(flat, mixed.mT).view(*q.shape[:3], -1)
        return peak, total, shared_matmul(scores.mul_(scale[:, None]), tables.value2), taken

    def _rsqrt(self, square: Tensor, layer: int) -> Tensor:
        return square.div_(self._width).clamp_(min=0).add_(self._eps[layer]).rsqrt_()


def _scores(work: Workspace, name: str, q: Tensor, tables: Tables) -> Tensor:
    return work.take(name, *q.shape[:3], tables.size)

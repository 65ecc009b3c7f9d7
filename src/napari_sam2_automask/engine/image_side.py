"""The image side of the low-rank decoder: everything that runs over all image tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam2_automask.engine.heads import shared_matmul

if TYPE_CHECKING:
    from sam2.modeling.sam.mask_decoder import MaskDecoder

    from napari_sam2_automask.engine.tables import Tables

__all__ = ["ImageSide", "State"]


@dataclass(slots=True, eq=False)
class State:
    """The image tokens of some prompts, in low-rank form, as they go through the layers.

    Attributes
    ----------
    mixed : (B, R, N) Tensor
        Weights with which rows of the prompt tokens are mixed into the image tokens: R = H T after the first
        layer; 2 H T after the second, then multiplied by the scales of the layer norms.
    scale : (B, 1, N) Tensor
        Scale of the first layer norm; after the second layer the product of both.
    """

    mixed: Tensor
    scale: Tensor


class ImageSide:
    """Runs over the image tokens of one image.

    B is the number of prompts worked on, H heads, T prompt tokens, d channels of a head, N image tokens.

    Parameters
    ----------
    decoder : MaskDecoder
        For the parameters of norms and activations.
    tables : Tables
        The image.
    """

    def __init__(self, decoder: MaskDecoder, tables: Tables) -> None:
        self._tables = tables
        first, second = decoder.transformer.layers
        self._width: int = decoder.transformer_dim
        self._eps = float(first.norm4.eps), float(second.norm4.eps)

    def look0(self, q: Tensor) -> Tensor:
        """First layer, prompt tokens attend: scaled queries to values, both (B, H, T, d)."""
        weights = shared_matmul(q, self._tables.key0).softmax(-1)
        return shared_matmul(weights, self._tables.value0)

    def mix0(self, k: Tensor, v: Tensor, gram: Tensor) -> State:
        """First layer, image tokens attend, and their layer norm's scale.

        Parameters
        ----------
        k, v : (B, H, T, d) Tensors
            Keys and values of the prompt tokens.
        gram : (B, H T, H T) Tensor
            Products of the rows that are mixed in.
        """
        tables = self._tables
        mixed = shared_matmul(k, tables.query0).softmax(2)
        flat = mixed.flatten(1, 2)
        products = torch.bmm(gram, flat)
        shared_matmul(v, tables.cross0, add_to=products.view_as(mixed), alpha=2.0)
        square = products.mul_(flat).sum(1, keepdim=True).add_(tables.norm0)
        return State(flat, self._rsqrt(square, 0))

    def look1(self, state: State, q: Tensor, mixed_q: Tensor) -> tuple[Tensor, Tensor]:
        """Second layer, prompt tokens attend.

        Parameters
        ----------
        state : State
            After the first layer.
        q : (B, H, T, d) Tensor
            Scaled queries.
        mixed_q : (B, H T, H T) Tensor
            Products of the queries with the keys of the rows mixed in.

        Returns
        -------
        (B, H, T, d) Tensor
            Values of the image.
        (B, H T, H T) Tensor
            How much of each mixed row each query takes.
        """
        tables, scale = self._tables, state.scale
        scores = torch.bmm(mixed_q, state.mixed).view(*q.shape[:3], -1)
        shared_matmul(q, tables.key1, add_to=scores).mul_(scale[:, None])
        weights = shared_matmul(q, tables.pe_key1, add_to=scores).softmax(-1).mul_(scale[:, None])
        return shared_matmul(weights, tables.value1), torch.bmm(weights.flatten(1, 2), state.mixed.mT)

    def mix1(
        self,
        state: State,
        first_v: Tensor,
        k: Tensor,
        v: Tensor,
        mixed_k: Tensor,
        grams: tuple[Tensor, Tensor],
    ) -> None:
        """Second layer, image tokens attend; brings `state` to its final form.

        Parameters
        ----------
        state : State
            After the first layer.
        first_v, v : (B, H, T, d) Tensors
            Values of the prompt tokens in the first and second layer.
        k : (B, H, T, d) Tensor
            Keys of the prompt tokens.
        mixed_k : (B, H T, H T) Tensor
            Products of the keys with the queries of the rows mixed in, scaled.
        grams : (B, 2 H T, H T) and (B, H T, H T) Tensors
            Products of the first layer's rows with themselves and, twice, with those of the second; and of
            the second layer's rows with themselves.
        """
        tables, scale, mixed = self._tables, state.scale, state.mixed
        rows = mixed.shape[1]
        scores = torch.bmm(mixed_k, mixed).view(*k.shape[:3], -1)
        shared_matmul(k, tables.query1, add_to=scores).mul_(scale[:, None])
        new = shared_matmul(k, tables.pe_query1, add_to=scores).softmax(2)
        flat = new.flatten(1, 2)
        products = torch.bmm(grams[0], mixed)
        own, other = products[:, :rows], products[:, rows:]
        shared_matmul(first_v, tables.cross11, add_to=own.view_as(new), alpha=2.0)
        shared_matmul(v, tables.cross12, add_to=other.view_as(new), alpha=2.0)
        other.mul_(scale).baddbmm_(grams[1], flat)
        square = (
            own.mul_(mixed).sum(1, keepdim=True).add_(tables.norm1).mul_(scale).add_(tables.bias12, alpha=2.0)
        )
        square.mul_(scale).add_(other.mul_(flat).sum(1, keepdim=True))
        scale2 = self._rsqrt(square, 1)
        state.scale = scale * scale2
        state.mixed = torch.cat([mixed.mul_(state.scale), flat.mul_(scale2)], 1)

    def look2(self, state: State, q: Tensor, mixed_q: Tensor) -> tuple[Tensor, Tensor]:
        """Let the tokens that are read attend a last time; as :meth:`look1`, with 2 H T mixed rows."""
        tables = self._tables
        scores = torch.bmm(mixed_q, state.mixed).view(*q.shape[:3], -1)
        scores.addcmul_(shared_matmul(q, tables.key2), state.scale[:, None])
        weights = shared_matmul(q, tables.pe_key2, add_to=scores).softmax(-1)
        taken = torch.bmm(weights.flatten(1, 2), state.mixed.mT)
        return shared_matmul(weights.mul_(state.scale[:, None]), tables.value2), taken

    def _rsqrt(self, square: Tensor, layer: int) -> Tensor:
        return square.div_(self._width).clamp_(min=0).add_(self._eps[layer]).rsqrt_()

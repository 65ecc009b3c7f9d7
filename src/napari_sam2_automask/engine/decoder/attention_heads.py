"""The image side of one cross attention, in low-rank form.

The image tokens of the decoder's transformer are never formed. What every prompt shares is projected once
for each image; what a prompt adds to the tokens has rank (heads x prompt tokens) and stays in that form.
Arrays of the image side are laid out with the image tokens last, (prompts, heads, prompt tokens, N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from sam2.modeling.sam.transformer import Attention

__all__ = ["by_head", "centred", "join", "project", "shared_matmul", "split", "value_rows"]


def split(projected: Tensor, heads: int) -> Tensor:
    """(B, T, D) to (B, heads, T, D / heads)."""
    batch, tokens, width = projected.shape
    return projected.view(batch, tokens, heads, width // heads).transpose(1, 2)


def join(split_heads: Tensor) -> Tensor:
    """(B, heads, T, d) to (B, T, heads x d)."""
    return split_heads.transpose(1, 2).flatten(2)


def centred(x: Tensor) -> Tensor:
    """Subtract the mean over the last axis, which is the linear half of a layer norm."""
    return x - x.mean(-1, keepdim=True)


def project(image: Tensor, weight: Tensor, heads: int, scale: float = 1.0) -> Tensor:
    """Project image tokens and lay them out for :func:`shared_matmul`, heads first.

    Parameters
    ----------
    image : (N, C) Tensor
        Image tokens.
    weight : (D, C) Tensor
        Weight of a linear layer.
    heads : int
        Number of heads.
    scale : float
        Factor on the result.

    Returns
    -------
    (heads, D / heads, N) Tensor
        Contiguous.
    """
    return (weight @ image.T).mul_(scale).view(heads, -1, len(image))


def shared_matmul(tokens: Tensor, table: Tensor, out: Tensor | None = None, *, add: bool = False) -> Tensor:
    """Multiply tokens of one or several prompts with a table that all prompts share.

    Parameters
    ----------
    tokens : (heads, T, k) or (B, heads, T, k) Tensor
        The prompts' side.
    table : (heads, k, n) Tensor
        The image's side.
    out : (heads, T, n) or (B, heads, T, n) Tensor, optional
        Takes the product.
    add : bool
        Add the product to `out` instead.

    Returns
    -------
    (heads, T, n) or (B, heads, T, n) Tensor
        `out`, or a new one.
    """
    if tokens.dim() == 3:
        return out.baddbmm_(tokens, table) if add and out is not None else torch.bmm(tokens, table, out=out)
    if out is None:
        out = tokens.new_empty(*tokens.shape[:3], table.shape[2])
    if tokens.device.type == "cuda":
        return by_head(tokens, table, out, add=add)
    product = torch.matmul(tokens, table)
    return out.add_(product) if add else out.copy_(product)


def by_head(tokens: Tensor, table: Tensor, out: Tensor, *, add: bool) -> Tensor:
    """As :func:`shared_matmul`, with one product for each head: a GPU likes few large ones.

    The table of a head is expanded to all prompts by a stride of zero, so that it is not copied.
    """
    for head, shared in enumerate(table):
        result = out[:, head]
        torch.baddbmm(
            result, tokens[:, head], shared.expand(len(tokens), -1, -1), beta=float(add), out=result
        )
    return out


def value_rows(attention: Attention, values: Tensor, constant: Tensor) -> Tensor:
    """Return the rows that an image-to-token attention mixes into the image tokens.

    Parameters
    ----------
    attention : Attention
        The attention whose output projection is absorbed.
    values : (B, heads, T, d) Tensor
        Projected values of the prompt tokens.
    constant : (C,) Tensor
        Added to every image token; it goes into the first head's rows, whose weights sum to one.

    Returns
    -------
    (B, heads x T, C) Tensor
        One row for each head and prompt token.
    """
    batch, heads, tokens, d = values.shape
    weight = attention.out_proj.weight.view(-1, heads, d).permute(1, 2, 0)
    rows = torch.bmm(values.transpose(0, 1).reshape(heads, batch * tokens, d), weight)
    rows[0] += constant
    return rows.view(heads, batch, tokens, -1).transpose(0, 1).reshape(batch, heads * tokens, -1)

"""Everything about an image that all of its prompts share, computed once for each image."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from napari_sam2_automask.engine.decoder.attention_heads import centred, project

if TYPE_CHECKING:
    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam.transformer import Attention
    from torch import Tensor

    from napari_sam2_automask.engine.encoder.encode import Features

__all__ = ["Tables", "make_tables"]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Image tokens in every projection that the low-rank decoder reads.

    N image tokens X of C channels in H heads of d channels; "keys" are the transformer's image tokens after
    each of its two layers: keys1 = s1 (X G1 + A1 N1) + const, keys2 = s2 (s1 (X G2 + ...) + ...) + const,
    where s are the scales of layer norms, one for each image token, and G centring and gains of layer norms.

    Attributes
    ----------
    key0, query0 : (H, d, N) Tensors
        First layer: keys for the prompt tokens, queries of the image tokens, position code included.
    value0 : (H, N, d) Tensor
        First layer: values for the prompt tokens.
    norm0, cross0 : (N,) and (H, d, N) Tensors
        First layer norm: squared length of each centred token, bias included, and twice the products with the
        rows that a prompt adds.
    key1, pe_key1, query1, pe_query1 : (H, d, N) Tensors
        Second layer, image and position code apart since only the image is scaled.
    value1 : (H, N, d) Tensor
        Second layer.
    norm1, cross11, cross12, bias12 : (N,), (H, d, N), (H, d, N), (N,) Tensors
        Second layer norm: lengths, twice the products with the rows of the first and of the second layer, and
        with the bias.
    key2, pe_key2, value2 : (H, d, N), (H, d, N), (H, N, d) Tensors
        Final attention.
    last : (N, C) Tensor
        What the image contributes to the tokens after the second layer norm, before that norm's scale.
    given0, given1 : (M, N) Tensors
        First and second layer norm: twice the products with the rows of mask prompts; M is 0 without these.
    """

    key0: Tensor
    query0: Tensor
    value0: Tensor
    norm0: Tensor
    cross0: Tensor
    key1: Tensor
    pe_key1: Tensor
    query1: Tensor
    pe_query1: Tensor
    value1: Tensor
    norm1: Tensor
    cross11: Tensor
    cross12: Tensor
    bias12: Tensor
    key2: Tensor
    pe_key2: Tensor
    value2: Tensor
    last: Tensor
    given0: Tensor
    given1: Tensor

    @property
    def size(self) -> int:
        """Number of image tokens."""
        return len(self.norm0)

    def tiles(self, size: int) -> list[Tables]:
        """Cut into contiguous tables of `size` image tokens each, the last one perhaps of fewer."""
        tables = {f.name: getattr(self, f.name).split(size, _AXES.get(f.name, 2)) for f in fields(self)}
        return [
            Tables(**{name: parts[i].contiguous() for name, parts in tables.items()})
            for i in range(len(tables["norm0"]))
        ]


# The axis of the image tokens, where it is not the third.
_AXES = {
    **dict.fromkeys(("norm0", "norm1", "bias12", "last"), 0),
    **dict.fromkeys(("value0", "value1", "value2", "given0", "given1"), 1),
}


def make_tables(
    decoder: MaskDecoder, features: Features, dense: Tensor, position: Tensor, given: Tensor
) -> Tables:
    """Project an image for the low-rank decoder.

    Parameters
    ----------
    decoder : MaskDecoder
        With a transformer of two layers.
    features : Features
        Of the image.
    dense : (1, C, 1, 1) Tensor
        The dense prompt embedding of "no mask", or the constant of `MaskPrompts`.
    position : (1, C, h, w) Tensor
        The dense position code.
    given : (M, C) Tensor
        The rows of `MaskPrompts`, or none.

    Returns
    -------
    Tables
        About 8 MB for 32 x 32 tokens, 33 MB for 64 x 64.
    """
    first, second = decoder.transformer.layers
    final = decoder.transformer.final_attn_token_to_image
    heads = first.cross_attn_token_to_image.num_heads
    embed = features.image_embed
    image = (embed + dense).flatten(2)[0].T.contiguous()
    pe = position.flatten(2)[0].T.contiguous()
    placed = image + pe

    t2i, i2t = first.cross_attn_token_to_image, first.cross_attn_image_to_token
    x0 = centred(image)
    x0_scaled = x0 * first.norm4.weight
    x1 = centred(x0_scaled)
    x2_scaled = x1 * second.norm4.weight
    t2i1, i2t1 = second.cross_attn_token_to_image, second.cross_attn_image_to_token
    # The rows of the first layer, seen through both layer norms' centring.
    x1_back = centred(x1 * first.norm4.weight)
    bias0 = i2t.out_proj.bias
    given0 = centred(given)
    given1 = centred(given0 * first.norm4.weight)
    return Tables(
        key0=project(placed, t2i.k_proj.weight, heads),
        query0=_query(i2t, placed, heads) + (i2t.q_proj.bias * _scale(i2t)).view(heads, -1, 1),
        value0=_values(image @ t2i.v_proj.weight.T + t2i.v_proj.bias, heads),
        norm0=x0.square().sum(-1) + 2 * (x0 @ bias0),
        cross0=project(x0, i2t.out_proj.weight.T, heads, 2.0),
        key1=project(x0_scaled, t2i1.k_proj.weight, heads),
        pe_key1=project(pe, t2i1.k_proj.weight, heads),
        query1=_query(i2t1, x0_scaled, heads),
        pe_query1=_query(i2t1, pe, heads)
        + ((i2t1.q_proj.weight @ first.norm4.bias + i2t1.q_proj.bias) * _scale(i2t1)).view(heads, -1, 1),
        value1=_values(x0_scaled @ t2i1.v_proj.weight.T, heads),
        norm1=x1.square().sum(-1) + 2 * (x1_back @ bias0),
        cross11=project(x1_back, i2t.out_proj.weight.T, heads, 2.0),
        cross12=project(x1, i2t1.out_proj.weight.T, heads, 2.0),
        bias12=2 * (x1 @ (i2t1.out_proj.bias + first.norm4.bias)),
        key2=project(x2_scaled, final.k_proj.weight, heads),
        pe_key2=project(pe, final.k_proj.weight, heads),
        value2=_values(x2_scaled @ final.v_proj.weight.T, heads),
        last=x2_scaled,
        given0=2 * (given0 @ x0.T),
        given1=2 * (given1 @ x1.T),
    )


def _scale(attention: Attention) -> float:
    return float((attention.internal_dim // attention.num_heads) ** -0.5)


def _query(attention: Attention, image: Tensor, heads: int) -> Tensor:
    return project(image, attention.q_proj.weight, heads, _scale(attention))


def _values(projected: Tensor, heads: int) -> Tensor:
    """(N, D) to (H, N, d)."""
    return projected.view(len(projected), heads, -1).transpose(0, 1).contiguous()

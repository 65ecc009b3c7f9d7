"""From image tokens to mask logits: the upscaling half of the mask decoder.

Channels come first and image tokens last, in tiles of a few hundred tokens that stay in the cache. The four
pixels that a transposed convolution makes of one are rows of a matrix product, so that pixels are put into
their places once, in the finished logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import GELU

from napari_sam2_automask.engine.decoder.attention_heads import centred
from napari_sam2_automask.engine.tensors.products import add_product, product

if TYPE_CHECKING:
    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from torch import Tensor
    from torch.nn import Module

    from napari_sam2_automask.engine.decoder.image_side import State
    from napari_sam2_automask.engine.encoder.encode import Features
    from napari_sam2_automask.engine.tensors.workspace import Workspace

__all__ = ["Asked", "Upscaler"]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One prompt, as far as its masks depend on it.

    Attributes
    ----------
    scale : list of (1, n) Tensors
        Of the image tokens, tile by tile, the product of both layer norms'.
    mixed : list of (R + H T, n) Tensors
        Weights of the rows that are mixed into the image tokens, tile by tile.
    rows : (R + H T, C) Tensor
        These rows.
    hyper : (K, c2) Tensor
        What its mask tokens look for.
    """

    scale: list[Tensor]
    mixed: list[Tensor]
    rows: Tensor
    hyper: Tensor

    def tokens(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return scale and weights of some image tokens, all of one tile."""
        size = self.scale[0].shape[1]
        tile, start = divmod(start, size)
        part = slice(start, stop - tile * size)
        return self.scale[tile][:, part], self.mixed[tile][:, part]


class Upscaler:
    """Upscales the image tokens of one image, prompt by prompt.

    N image tokens of C channels become 4 N pixels of c1 channels, then 16 N pixels of c2 channels.

    Parameters
    ----------
    decoder : MaskDecoder
        Its upscaling layers.
    features : Features
        The image; for the high-resolution features.
    image : (N, C) Tensor
        What the image contributes to the tokens after the last layer norm, before that norm's scale.
    shift : (C,) Tensor
        The last layer norm's bias.
    tile : int
        Image tokens worked on at a time; whole rows of them.
    """

    def __init__(
        self, decoder: MaskDecoder, features: Features, image: Tensor, shift: Tensor, tile: int
    ) -> None:
        first, self._norm, self._act1, second, self._act2 = decoder.output_upscaling
        self._gain, self._shift = self._norm.weight[:, None], self._norm.bias[:, None]
        self._size = features.image_embed.shape[-2], features.image_embed.shape[-1]
        self._c1, self._c2 = int(first.weight.shape[1]), int(second.weight.shape[1])
        self._tile = tile
        # (c_in, c_out, 2, 2): output rows by channel, then pixel, for the first; by pixel, then channel, for
        # the second, whose channels are summed up next.
        weight = first.weight.permute(1, 2, 3, 0).reshape(4 * self._c1, -1)
        constant = (weight @ shift).view(-1, 4, 1) + first.bias.view(-1, 1, 1)
        constant2 = second.bias.view(-1, 1, 1, 1)
        if features.high_res:
            constant = constant + _cells(features.high_res[1], 1)
            constant2 = constant2 + _cells(features.high_res[0], 2)
        # The layer norm's mean is taken off here, once for all prompts.
        self._weight = _centred_channels(weight.reshape(self._c1, -1)).view(weight.shape)
        constant = _centred_channels(constant.expand(-1, 4, len(image)).reshape(self._c1, -1))
        self._constant = self._tiles(constant.view(4 * self._c1, -1))
        self._image = self._tiles(self._weight @ image.T)
        self._weight2 = second.weight.permute(2, 3, 1, 0).reshape(4 * self._c2, -1).contiguous()
        # (c2, pixel of the first, pixel of the second, N) to tiles of (pixel of the second, c2, first, n).
        constant2 = constant2.expand(-1, 4, 4, len(image)).permute(2, 0, 1, 3)
        self._constant2 = self._tiles(constant2.reshape(16 * self._c2, -1))

    def _tiles(self, rows: Tensor) -> list[Tensor]:
        """Cut (rows, N) into contiguous tiles."""
        return [tile.contiguous() for tile in torch.split(rows, self._tile, 1)]

    def batch(self, state: State, rows: Tensor, hyper: Tensor, group: Tensor) -> Tensor:
        """Upscale the image tokens of some prompts at once: a GPU wants few large operations.

        Parameters
        ----------
        state : State
            The image tokens of all prompts, in one tile.
        rows : (B, R + H T, C) Tensor
            What the state mixes.
        hyper : (B, K, c2) Tensor
            What the prompts' mask tokens look for.
        group : (G,) int64 Tensor
            Which prompts.

        Returns
        -------
        (G, K, 4 h, 4 w) Tensor
            Mask logits.
        """
        (scale,), (mixed,) = state.scale, state.mixed
        x = torch.addcmul(self._constant[0], self._image[0], scale[group])
        x = x.baddbmm_(self._weight @ rows[group].mT, mixed[group]).view(len(group), self._c1, -1)
        x.mul_(x.square().mean(1, keepdim=True).add_(self._norm.eps).rsqrt_())
        x = _activated(self._act1, torch.addcmul(self._shift, x, self._gain))
        z = torch.matmul(self._weight2, x).add_(self._constant2[0].view(4 * self._c2, -1))
        z = _activated(self._act2, z).view(len(group), 4, self._c2, -1)
        masks = torch.matmul(hyper[group][:, None], z).transpose(0, 1).flatten(1, 2)
        count = len(group) * hyper.shape[1]
        logits = self._arranged(masks, count)
        return logits.view(len(group), -1, *logits.shape[1:])

    def logits(self, prompts: list[Asked], work: Workspace) -> list[Tensor]:
        """Upscale the image tokens of some prompts and read masks from them.

        Parameters
        ----------
        prompts : list of Asked
            Together, so that what they share of the image is read from memory once.
        work : Workspace
            Memory of this thread.

        Returns
        -------
        list of (K, 4 h, 4 w) Tensors
            Mask logits of each prompt.
        """
        weights = [self._weight @ asked.rows.T for asked in prompts]
        masks = [self._empty(len(asked.hyper)) for asked in prompts]
        for i, (constant, image) in enumerate(zip(self._constant, self._image, strict=True)):
            constant2 = self._constant2[i].view(4 * self._c2, -1)
            start = i * self._tile
            for asked, weight, mine in zip(prompts, weights, masks, strict=True):
                scale, mixed = asked.tokens(start, start + image.shape[1])
                x = torch.addcmul(constant, image, scale, out=work.take("x", *image.shape))
                x = self._normalised(add_product(x, weight, mixed).view(self._c1, -1), work)
                z = product(self._weight2, x, work.take("z", *constant2.shape)).add_(constant2)
                part = torch.matmul(asked.hyper, _activated(self._act2, z).view(4, self._c2, -1))
                self._put(mine, part, start // self._size[1])
        return masks

    def _normalised(self, x: Tensor, work: Workspace) -> Tensor:
        """Finish the layer norm of centred pixels, (c1, pixels), and apply the activation; in place."""
        square = torch.mul(x, x, out=work.take("square", *x.shape)).sum(0)
        scale = square.div_(self._c1).add_(self._norm.eps).rsqrt_()
        # Not addcmul, which takes four times as long for factors by row.
        return _activated(self._act1, x.mul_(scale).mul_(self._gain).add_(self._shift))

    def _empty(self, count: int) -> Tensor:
        h, w = self._size
        return self._image[0].new_empty(count, 4 * h, 4 * w)

    def _put(self, masks: Tensor, part: Tensor, row: int) -> None:
        """Put the pixels of a tile into their places.

        The part is (pixel of the second, K, pixel of the first x n), its tokens whole rows from `row` on; the
        masks are (K, 4 h, 4 w).
        """
        width, count = self._size[1], len(masks)
        # numpy takes a tenth of the time that torch does for so many axes.
        pixels = part.numpy().reshape(2, 2, count, 2, 2, -1, width)
        places = masks.numpy().reshape(count, -1, 2, 2, width, 2, 2)[:, row : row + pixels.shape[5]]
        for x1, x2 in np.ndindex(2, 2):
            places[..., x1, x2] = pixels[:, x2, :, :, x1].transpose(1, 3, 2, 0, 4)

    def _arranged(self, part: Tensor, count: int) -> Tensor:
        """Put the pixels of all tokens into their places, as :meth:`_put` does."""
        h, w = self._size
        cells = part.view(2, 2, count, 2, 2, h, w)
        return cells.permute(2, 5, 3, 0, 6, 4, 1).reshape(count, 4 * h, 4 * w)


def _activated(activation: Module, x: Tensor) -> Tensor:
    """Apply an activation, in place where that is known how."""
    if type(activation) is GELU:
        torch.ops.aten.gelu_(x, approximate=activation.approximate)
        return x
    result: Tensor = activation(x)
    return result


def _centred_channels(x: Tensor) -> Tensor:
    """Take off the mean over the first axis."""
    return centred(x.T).T.contiguous()


def _cells(features: Tensor, depth: int) -> Tensor:
    """Lay out a feature map of 2^depth times the tokens' resolution by the pixels of a token.

    (1, c, 2^depth h, 2^depth w) to (c, 4, N), or (c, 4, 4, N) with the coarser pixel first.
    """
    _, channels, height, width = features.shape
    n = 2**depth
    twos = [2] * depth
    blocks = features[0].view(channels, height // n, *twos, width // n, *twos)
    pairs = [axis for i in range(depth) for axis in (2 + i, 3 + depth + i)]
    return blocks.permute(0, *pairs, 1, 2 + depth).reshape(channels, *[4] * depth, -1)

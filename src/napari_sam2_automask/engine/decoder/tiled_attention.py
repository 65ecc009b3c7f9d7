"""Attention over the image tokens, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Gatherer", "exp_of_scores", "softmax_over_tokens"]


def exp_of_scores(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Replace scores by exp(score - largest of its row), (..., n).

    Returns
    -------
    peak, total : (..., 1) Tensors
        The largest score of each row, and the sum of what replaced them.
    """
    peak = scores.amax(-1, keepdim=True)
    scores.sub_(peak).exp_()
    return peak, scores.sum(-1, keepdim=True)


def softmax_over_tokens(scores: Tensor) -> Tensor:
    """Softmax over the prompt tokens of scores (..., T, n), in place."""
    scores.sub_(scores.amax(-2, keepdim=True)).exp_()
    return scores.div_(scores.sum(-2, keepdim=True))


class Gatherer:
    """Puts together what tokens see in tiles of the image.

    Each tile is a softmax of its own; the tiles' weights against each other follow from their largest scores.
    """

    def __init__(self) -> None:
        self._tiles: list[list[tuple[Tensor, ...]]] = []

    def start_tile(self) -> None:
        """Begin the next tile."""
        self._tiles.append([])

    def add(self, peak: Tensor, total: Tensor, *seen: Tensor) -> None:
        """Add the next prompt, or all of them.

        Parameters
        ----------
        peak, total : (H, T, 1) or (B, H, T, 1) Tensors
            As :func:`exp_of_scores` returns them.
        *seen : (H, T, ...) or (B, H, T, ...) Tensors
            Sums over the tile's tokens with those weights.
        """
        self._tiles[-1].append((peak, total, *seen))

    def result(self) -> list[Tensor]:
        """Return the means over all tokens, (B, H, T, ...) each of what was `seen`."""
        tiles = [[_stacked(parts) for parts in zip(*tile, strict=True)] for tile in self._tiles]
        peaks, totals, *seen = (torch.stack(parts) for parts in zip(*tiles, strict=True))
        weights = (peaks - peaks.amax(0)).exp_()
        weights.div_((weights * totals).sum(0))
        return [part.mul_(weights).sum(0) for part in seen]


def _stacked(parts: tuple[Tensor, ...]) -> Tensor:
    """Return (B, H, T, ...) of prompts that came one by one or together."""
    return parts[0] if parts[0].dim() == 4 else torch.stack(parts)

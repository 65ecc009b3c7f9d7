"""Momentum with orthogonalised updates for convolutions, which need far fewer steps than with AdamW here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Muon"]


def orthogonalise(update: Tensor, steps: int = 5) -> Tensor:
    """Bring all singular values of a matrix near one, by a Newton-Schulz iteration of degree five."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update.to(torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    out: Tensor = (x.T if tall else x).to(update.dtype)
    return out


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update is orthogonalised; convolutions are seen as matrices (out, in * y * x).

    Parameters
    ----------
    params : iterable
        Weights of two or more dimensions, or groups of them.
    lr : float
        Scaled so that the update has the size that AdamW's would have at the same rate.
    momentum, weight_decay : float
        The decay is decoupled.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step; `closure` is not used."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buffer, group["momentum"])
                matrix = orthogonalise(update.reshape(p.shape[0], -1))
                size = 0.2 * max(matrix.shape) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(matrix.view(p.shape), alpha=-group["lr"] * size)

"""Momentum with orthogonalised updates for convolutions, which need far fewer steps than with AdamW here."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Muon"]


def orthogonalise(update: Tensor, steps: int = 5) -> Tensor:
    """Bring all singular values of matrices (B, rows, columns) near one.

    A Newton-Schulz iteration of degree five, on all matrices together.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    half = update.is_cuda or torch.cpu._is_amx_tile_supported()
    x = update.to(torch.bfloat16 if half else torch.float32)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    out: Tensor = (x.mT if tall else x).to(update.dtype)
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
            # Matrices of one shape at a time: many small products would mostly wait for their start.
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape[0], p[0].numel()].append(p)
            for shape, params in alike.items():
                self._step_alike(params, shape, group)

    def _step_alike(self, params: list[Tensor], shape: tuple[int, int], group: dict[str, Any]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum"] for p in params]
        grads = [cast("Tensor", p.grad) for p in params]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        updates = torch._foreach_lerp(grads, buffers, group["momentum"])
        matrices = orthogonalise(torch.stack([u.reshape(shape) for u in updates]))
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        size = 0.2 * max(shape) ** 0.5
        steps = [m.view(p.shape) for m, p in zip(matrices, params, strict=True)]
        torch._foreach_add_(params, steps, alpha=-group["lr"] * size)

"""Matrix products on a CPU, by whichever of torch's two libraries suits the processor.

On x86 torch multiplies matrices with Intel's MKL, which uses half of the vector width on processors of
another maker: 110 GFLOP/s on one core of an AMD EPYC with AVX-512. oneDNN, which torch has on board for
convolutions, reaches 250 there. The operator that leads to it is the one that torch's compiler calls for
linear layers; where a version of torch lacks it, MKL does everything.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import linear as mkl_linear

__all__ = ["add_product", "by_onednn", "has_onednn", "linear", "product"]


@cache
def by_onednn() -> bool:
    """Tell whether products go to oneDNN.

    Told by the processor, not by a measurement: a result should not depend on how busy the machine was.
    """
    return has_onednn() and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in _maker()


def has_onednn() -> bool:
    """Tell whether this torch multiplies with MKL and could with oneDNN."""
    has_mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    return has_mkl and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply (..., m, k) by (..., k, n); `out`, (..., m, n), may take the product or not."""
    if _suits(a):
        return _multiplied(a, b)
    return (torch.mm if a.dim() == 2 else torch.bmm)(a, b, out=out)


def add_product(to: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add the product of (..., m, k) and (..., k, n) to (..., m, n), in place."""
    if _suits(a):
        return to.add_(_multiplied(a, b))
    return to.addmm_(a, b) if a.dim() == 2 else to.baddbmm_(a, b)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a linear layer, as ``torch.nn.functional.linear``, to (..., in)."""
    if _suits(weight) and not torch.is_autocast_enabled("cpu"):
        return _onednn(x.contiguous(), weight, bias)
    return mkl_linear(x, weight, bias)


def _suits(x: Tensor) -> bool:
    return x.dtype == torch.float32 and x.device.type == "cpu" and x.dim() == 2 and by_onednn()


def _multiplied(a: Tensor, b: Tensor) -> Tensor:
    weight = b.mT
    # What is dense in neither order goes to oneDNN's reference implementation, a thousand times slower.
    if not (weight.is_contiguous() or b.is_contiguous()):
        weight = b.contiguous().mT
    return _onednn(a.contiguous(), weight, None)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
    return result


def _maker() -> str:
    try:
        # The same for all processors of a machine.
        return next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if "vendor" in line)
    except (OSError, StopIteration):
        return platform.processor()

"""Keeping Triton out of a process where its import would crash."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["avoid_triton_crash"]


def avoid_triton_crash() -> bool:
    """Make ``import triton`` fail cleanly where it would end the process. Call before torch is imported.

    On Linux, torchvision imports torch's compiler, which imports Triton, whose library exports the symbols
    of the LLVM inside it. OpenGL drivers that draw with LLVM (Mesa's software renderer, as in virtual
    machines and remote desktops, and AMD's) have loaded another LLVM by then if a viewer is open, and the
    mixture ends in a segmentation fault. Triton serves `torch.compile` only, which is not used here.

    Returns
    -------
    bool
        Whether Triton was shut out.
    """
    if sys.platform != "linux" or "triton" in sys.modules or find_spec("triton") is None:
        return False
    try:
        mapped = Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return False
    if "libLLVM" not in mapped:
        return False
    sys.modules["triton"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    return True

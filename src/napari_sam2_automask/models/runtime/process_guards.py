"""What a process is told before torch is loaded: to wait patiently; to leave out a Triton that crashes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["avoid_triton_crash", "patient_openmp", "wait_patiently"]

_NAME = "OMP_WAIT_POLICY"


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


@contextmanager
def patient_openmp() -> Iterator[None]:
    """Make OpenMP's threads sleep while they wait for each other, unless the user has said otherwise.

    By default they spin, and where the viewer or another program wants a core too, a thread that spins takes
    it from the one that it waits for: a run on two busy cores was some twenty times slower. OpenMP reads this
    when its library is loaded, so torch is to be imported inside, and the environment is left as it was.
    """
    if _NAME in os.environ:
        yield
        return
    os.environ[_NAME] = "PASSIVE"
    try:
        yield
    finally:
        os.environ.pop(_NAME, None)


def wait_patiently() -> None:
    """Do the same for this whole process and those that it starts.

    For programs of this project, before they import torch.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault(_NAME, "PASSIVE")

"""OpenMP's threads wait without spinning."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["patient_openmp", "wait_patiently"]

_NAME = "OMP_WAIT_POLICY"


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

"""Choosing the device that a model runs on, and saying in words which it is."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["DEVICES", "describe_device", "resolve_device"]

#: What a person can choose. ``"cuda:1"`` and the like are understood as well.
DEVICES = ("auto", "cuda", "mps", "cpu")


def resolve_device(device: str = "auto") -> torch.device:
    """Turn a person's choice into a device that is really there.

    Parameters
    ----------
    device : str
        ``"auto"`` (CUDA if it is there and answers, else Apple's MPS, else the CPU), ``"cuda"``,
        ``"cuda:1"``, ``"mps"`` or ``"cpu"``.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ModelError
        If the name is unknown, or this machine has no such device.
    """
    import torch

    if device == "auto":
        name = next((name for name in ("cuda", "mps") if _available(name) and _answers(name)), "cpu")
        return torch.device(name)
    kind, _, index = device.partition(":")
    if kind not in DEVICES[1:] or (index and not index.isdecimal()):
        raise ModelError(f"Unknown device {device!r}. Choose one of: {', '.join(DEVICES)}.")
    if kind != "cpu" and not (_available(kind) and int(index or 0) < _count(kind)):
        raise ModelError(
            f"This machine has no device {device!r} that PyTorch can use. Choose 'auto' or 'cpu'."
        )
    return torch.device(device)


def _available(kind: str) -> bool:
    import torch

    return bool(torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available())


def _count(kind: str) -> int:
    import torch

    return torch.cuda.device_count() if kind == "cuda" else 1


def _answers(kind: str) -> bool:
    """Whether the device can compute: a GPU that is too old, or has no memory left, is there but cannot."""
    import torch

    try:
        return float((torch.ones(2, device=kind) * 2).sum().cpu()) == 4.0
    except RuntimeError:
        return False


def describe_device(device: torch.device | str) -> str:
    """Say in words what a device is.

    Parameters
    ----------
    device : torch.device or str
        A resolved device, not ``"auto"``.

    Returns
    -------
    str
        For example ``"CPU, 2 threads"`` or ``"NVIDIA RTX A4000 (CUDA 12.8)"``.
    """
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (CUDA {torch.version.cuda})"
    if device.type == "mps":
        return "Apple GPU (MPS)"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"{platform.machine() or 'CPU'} CPU, {threads} thread{'' if threads == 1 else 's'}"
    return str(device)

"""Networks with random weights, and the last steps that every network takes before it is a `Model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam2_automask.models.networks.configs import Size, Version, build_network, get_config
from napari_sam2_automask.models.networks.model import Model
from napari_sam2_automask.models.runtime.devices import resolve_device

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.models.networks.configs import ModelConfig

__all__ = ["build_official", "finished", "untrained_network"]


def build_official(size: Size, seed: int = 0, *, version: Version = "2.1", device: str = "cpu") -> Model:
    """Build one of Meta's models with random weights, for tests and benchmarks.

    Parameters
    ----------
    size : str
        ``"tiny"``, ``"small"``, ``"base+"`` or ``"large"``.
    seed : int
        Of the random weights. The process's random state is left as it was.
    version : str
        ``"2.1"`` or ``"2.0"``.
    device : str
        As in `load_model`.

    Returns
    -------
    Model
        Ready to run, with scores and masks that mean nothing.
    """
    config = get_config(size, version)
    return Model(
        name=f"{config.name}-random-{seed}",
        network=finished(untrained_network(config, seed), resolve_device(device)),
        device=resolve_device(device),
        config=config.name,
    )


def untrained_network(config: ModelConfig, seed: int = 0) -> SAM2Base:
    """Build a network on the CPU without touching the process's random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(config)


def finished(network: SAM2Base, device: torch.device) -> SAM2Base:
    """Put a network of our own into the state in which it runs: evaluation, no gradients, on its device."""
    return network.requires_grad_(False).eval().to(device)

"""From a name, a file or a network to a `Model` that is ready to run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.card import card_in_header, hash_of_weights
from napari_sam2_automask.models.catalogue.downloading import download
from napari_sam2_automask.models.catalogue.entry import ModelEntry
from napari_sam2_automask.models.catalogue.hashing import read_hashed
from napari_sam2_automask.models.catalogue.registry import find_entry
from napari_sam2_automask.models.networks.building import finished, untrained_network
from napari_sam2_automask.models.networks.checkpoint import read_weights
from napari_sam2_automask.models.networks.model import Model
from napari_sam2_automask.models.networks.recognise import BUNDLED_CONFIG, check_shapes, recognise
from napari_sam2_automask.models.runtime.devices import resolve_device
from napari_sam2_automask.models.runtime.sam2_import import import_sam2
from napari_sam2_automask.progress import Progress, ProgressCallback, no_progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BytesIO

    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.models.catalogue.card import Card

__all__ = ["load_model", "model_in"]


def load_model(
    source: str | Path | ModelEntry | SAM2Base = "bundled",
    *,
    device: str = "auto",
    progress: ProgressCallback = no_progress,
) -> Model:
    """Load a model.

    Parameters
    ----------
    source : str, Path, ModelEntry or SAM2Base
        A name from `list_models` (downloaded first if need be), the SHA-256 of a learned model's file, the
        path of a checkpoint, or a network. The
        checkpoint may be ``.safetensors``, or ``.pt`` as Meta writes it; which SAM 2.0 or 2.1 model it is of
        is told from its weights.
    device : str
        ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``. With ``"auto"`` a network stays where it is.
    progress : callable
        Takes `Progress("download", bytes, bytes in all)`, also while a file is checked; may raise
        `Cancelled`.

    Returns
    -------
    Model
        In evaluation mode, float32. A network that was handed over is put into evaluation mode and moved,
        not copied.

    Raises
    ------
    ModelError
        If there is no such model, it cannot be had, its file is damaged, unsafe or of another architecture,
        or the device is not there.
    Cancelled
        If `progress` raised it.
    """
    import_sam2()
    if isinstance(source, torch.nn.Module):
        return _from_network(source, device)
    chosen = resolve_device(device)  # before a download that would be in vain
    entry = source if isinstance(source, ModelEntry) else _entry_of(source)
    if entry is None:
        path = Path(cast("str | Path", source)).expanduser()
        return _from_file(path, *_read(path, progress), chosen, progress)
    return replace(_from_entry(entry, chosen, progress), name=entry.name)


def _entry_of(source: str | Path) -> ModelEntry | None:
    """Return the registry's entry of a name, or None if `source` is a path."""
    if isinstance(source, Path) or Path(source).expanduser().is_file():
        return None
    if "/" in source or "\\" in source or source.endswith((".pt", ".pth", ".safetensors")):
        return None
    return find_entry(source)


def _from_entry(entry: ModelEntry, device: torch.device, progress: ProgressCallback) -> Model:
    for path in entry.paths:
        content, digest = _read(path, progress)
        if entry.sha256 in (None, digest):
            return _from_file(path, content, digest, device, progress)
    path = download(entry, progress)
    content, digest = _read(path, progress)
    if entry.sha256 not in (None, digest):
        raise ModelError(f"{path} was changed while it was loaded. Load {entry.name} again.")
    return _from_file(path, content, digest, device, progress)


def _read(path: Path, progress: ProgressCallback) -> tuple[BytesIO, str]:
    """Return a model's file and the SHA-256 of what was read."""
    if not path.is_file():
        raise ModelError(
            f"There is no file {path}. Choose a .pt or .safetensors checkpoint, or a model's name."
        )
    size = path.stat().st_size
    try:
        return read_hashed(path, lambda done: progress(Progress("download", done, size)))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error


def _from_file(
    path: Path, content: BytesIO, digest: str, device: torch.device, progress: ProgressCallback
) -> Model:
    size = len(content.getbuffer())
    try:
        return _model(content, path.name, digest, device, lambda: progress(Progress("download", size, size)))
    except ModelError as error:
        raise ModelError(f"{path} cannot be used: {error}") from error


def model_in(content: BytesIO, name: str, device: torch.device) -> Model:
    """Load the model that the bytes of a file are.

    Raises
    ------
    ModelError
        As `load_model`; the message is the second half of a sentence.
    """
    return _model(content, name, hashlib.sha256(content.getbuffer()).hexdigest(), device, lambda: None)


def _model(content: BytesIO, name: str, digest: str, device: torch.device, tick: Callable[[], None]) -> Model:
    card = card_in_header(content.read)
    content.seek(0)
    network, config = _network_of(content, card, tick)
    return Model(
        name=name,
        network=finished(network, device),
        device=device,
        family="bundled" if config == BUNDLED_CONFIG else "sam2",
        sha256=digest,
        config=config,
        card=card,
    )


def _network_of(content: BytesIO, card: Card | None, tick: Callable[[], None]) -> tuple[SAM2Base, str]:
    """Build the network that a checkpoint is of, and fill it; `tick` may cancel between the steps."""
    tick()
    weights = read_weights(content)
    if card is not None and hash_of_weights(weights) != card.weights_sha256:
        raise ModelError("its weights are not those that it says it has. Ask its maker for the file again.")
    content.close()  # the weights are copies
    tick()
    config = recognise({name: tuple(value.shape) for name, value in weights.items()})
    if config is None:
        network, name = _bundled_network(), BUNDLED_CONFIG
    else:
        network, name = untrained_network(config), config.name
    tick()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    check_shapes({name: tuple(value.shape) for name, value in weights.items()}, expected, name)
    network.load_state_dict(weights)  # copies, and so converts half precision to single
    if not all(np.isfinite(value.numpy()).all() for value in network.state_dict().values()):
        raise ModelError("some of its weights are not finite numbers. Get the file again.")
    return network, name


def _bundled_network() -> SAM2Base:
    from napari_sam2_automask.models.networks.bundled import build_bundled

    with torch.random.fork_rng(devices=[]):
        return build_bundled()


def _from_network(network: torch.nn.Module, device: str) -> Model:
    from sam2.modeling.sam2_base import SAM2Base

    if not isinstance(network, SAM2Base):
        raise ModelError(f"A network has to be a sam2 SAM2Base, not a {type(network).__name__}.")
    odd = {parameter.dtype for parameter in network.parameters()} - {torch.float32}
    if odd:
        raise ModelError(f"The network has {odd.pop()} weights. Convert it first: network.float()")
    chosen = network.device if device == "auto" else resolve_device(device)
    return Model(name="custom", network=network.eval().to(chosen), device=chosen)
